"""ffmpeg as a process whose output is read as a stream."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from videochat.errors import MediaError


@cache
def ffmpeg_exe() -> str:
    """Return the ffmpeg to run: the system's if it is 5.1 or newer, else the one of the imageio-ffmpeg wheel."""
    system = shutil.which("ffmpeg")
    if system:
        banner = subprocess.run([system, "-version"], capture_output=True, text=True, check=False).stdout
        # Builds from git are called N-12345-g...; they are newer than any release that matters here.
        version = re.match(r"ffmpeg version n?(\d+)\.(\d+)", banner)
        if banner.startswith("ffmpeg version N-") or (version and (int(version[1]), int(version[2])) >= (5, 1)):
            return system
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


@contextlib.contextmanager
def running(job: Any, name: str) -> Iterator[io.BufferedReader]:
    """Run an ffmpeg job and give its standard output; stop it when the reader has enough.

    Raises:
        MediaError: it failed without giving a single byte.
    """
    # A file, not a pipe: nobody reads it meanwhile, and a full pipe would stop ffmpeg.
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            job.compile(cmd=[ffmpeg_exe(), "-v", "error"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        pipe = cast("io.BufferedReader", process.stdout)
        try:
            if not pipe.peek(1) and process.wait() != 0:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().splitlines()
                raise MediaError(f"ffmpeg could not read {name!r}: {said[0] if said else 'no reason given'}")
            yield pipe
        finally:
            pipe.close()
            process.kill()
            process.wait()


def run(job: Any) -> str:
    """Run an ffmpeg job that writes files to its end; return what it complained of, empty where it succeeded."""
    done = subprocess.run(
        job.compile(cmd=[ffmpeg_exe(), "-v", "error", "-y", "-nostdin"]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else said[0] if said else f"status {done.returncode}"


def seek_options(start_seconds: float, zero_seconds: float, container_start: float) -> dict[str, Any]:
    """Return the options of an input that is read from a second on, or from the key picture before it.

    Args:
        start_seconds: from second 0.
        zero_seconds: timestamp of second 0.
        container_start: where the container starts, from which ffmpeg counts.
    """
    # Everything from the key picture on is decoded: the picture shown at the start may be much older than it.
    target = zero_seconds + start_seconds - container_start
    return {} if start_seconds <= 0 else {"ss": f"{max(target, 0):.6f}", "noaccurate_seek": None}


def reason(error: BaseException) -> str:
    """Return what FFmpeg's libraries say is wrong, in a line."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).split("\n")[0].strip()
