"""The builtin preset needs no network: a watch and an answer open no connection, as Python and the kernel see it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from videochat.testing import Scene, draw_video

_PROGRAM = """
import sys

REACHES_OUT = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")

def watch(event, arguments):
    if event in REACHES_OUT and not isinstance(arguments[-1], (str, bytes)):
        print("REACHED OUT", event, arguments, file=sys.stderr, flush=True)
        raise OSError("no network in this test")

sys.addaudithook(watch)
if sys.argv[1] == "--reach":
    import contextlib, ctypes, socket, struct
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 9))
    libc = ctypes.CDLL(None)
    libc.connect(libc.socket(2, 1, 0), struct.pack("=H14s", 2, b"\\0\\x09\\x7f\\0\\0\\x01"), 16)
    sys.exit()
from videochat.cli import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str, home: Path, traced: Path | None = None) -> tuple[int, str, str]:
    """Run the command line with every connection refused and told; return its status and what it wrote."""
    # As a user has it: the settings by which the other tests keep from the network are not there, nor that this is CI,
    # where libraries do not call home.
    names = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    if traced:
        command = [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-e",
            "trace=connect,sendto,sendmsg",
            "-o",
            str(traced),
            *command,
        ]
    kept |= {"VIDEOCHAT_HOME": str(home), "VIDEOCHAT_EMBEDDINGS": "builtin"}
    done = subprocess.run(command, capture_output=True, text=True, env=kept, timeout=200, check=False)
    return done.returncode, done.stdout, done.stderr


def can_trace() -> bool:
    """Whether the kernel can be asked what a process does."""
    strace = shutil.which("strace")
    return (
        strace is not None
        and subprocess.run([strace, "-f", "--seccomp-bpf", "-o", os.devnull, "true"], check=False).returncode == 0
    )


def test_watching_and_asking_open_no_connection(tmp_path: Path) -> None:
    scenes = [Scene(2, "POUR THE MILK", "navy"), Scene(1, "", "white")]
    clip = draw_video(tmp_path / "clip.mp4", scenes, frame_rate=5, speech=[(0.5, 1.5)])
    clip.with_suffix(".srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nNow the milk.\n")
    log = tmp_path / "calls"
    status, said, errors = run(
        *("ask", str(clip), "What does the text say?", "--preset", "builtin", "--llm", "extractive"),
        home=tmp_path / "home",
        traced=log if can_trace() else None,
    )
    assert "REACHED OUT" not in errors
    assert status == 0, errors
    assert "POUR THE MILK" in said
    if log.exists():
        assert "sin_port" not in log.read_text()


def test_a_connection_would_be_seen(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    status, _, errors = run("--reach", home=tmp_path, traced=log if can_trace() else None)
    assert status == 0, errors
    assert "REACHED OUT socket.getaddrinfo" in errors
    if log.exists():
        assert "sin_port" in log.read_text()
