"""Files whose size is the attack: each is watched and asked by the command line, on a terminal.

    python benchmarks/size_attacks.py [black streams cues flat gap]

Draws ten hours of black with silence, a file of 300 streams, one with 200,000 cues beside it, pictures of 4,000 x 2
and a hole of a million seconds. Prints for each the size of the file, the seconds, the peak memory of the process, how
often the bar moved, and how it ended.
"""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from videochat.ffmpeg import ffmpeg_exe

_PATIENCE_SECONDS = 1800


def _draw(path: Path, *arguments: str) -> Path:
    subprocess.run([ffmpeg_exe(), "-v", "error", "-y", *arguments, str(path)], check=True)
    return path


def black(folder: Path) -> Path:
    """Draw ten hours of black, five pictures a second, with silence."""
    seconds = "36000"
    inputs = ["-f", "lavfi", "-i", f"color=black:s=320x180:r=5:d={seconds}"]
    inputs += ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", seconds]
    return _draw(folder / "black.mp4", *inputs, "-preset", "ultrafast", "-g", "5000", "-c:a", "aac", "-b:a", "8k")


def streams(folder: Path) -> Path:
    """Draw a file of 300 streams: pictures, 149 of sound, 150 of subtitles."""
    (folder / "one.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    inputs = ["-f", "lavfi", "-i", "testsrc=s=160x90:r=10:d=6", "-f", "lavfi", "-i", "sine=d=6:r=16000"]
    maps = ["-map", "0:v", *["-map", "1:a"] * 149, *["-map", "2:s"] * 150]
    return _draw(folder / "streams.mkv", *inputs, "-i", str(folder / "one.srt"), *maps, "-c:a", "pcm_s16le")


def cues(folder: Path) -> Path:
    """Draw ten thousand seconds with 200,000 cues beside them."""
    path = _draw(folder / "cues.mp4", "-f", "lavfi", "-i", "color=gray:s=64x48:r=1:d=10000", "-preset", "ultrafast")

    def stamp(milliseconds: int) -> str:
        seconds, rest = divmod(milliseconds, 1000)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{rest:03d}"

    with path.with_suffix(".srt").open("w") as file:
        for number in range(200_000):
            file.write(f"{number + 1}\n{stamp(50 * number)} --> {stamp(50 * number + 50)}\nword {number} is said\n\n")
    return path


def flat(folder: Path) -> Path:
    """Draw pictures of 4,000 x 2."""
    return _draw(folder / "flat.mkv", "-f", "lavfi", "-i", "testsrc=s=4000x2:r=10:d=10", "-c:v", "ffv1")


def gap(folder: Path) -> Path:
    """Draw two seconds, then nothing for a million."""
    source = _draw(folder / "short.mkv", "-f", "lavfi", "-i", "testsrc=s=160x90:r=10:d=4", "-g", "10")
    hole = "setts=ts=if(gte(TS*TB\\,2)\\,TS+1000000/TB\\,TS)"
    return _draw(folder / "gap.mkv", "-i", str(source), "-c", "copy", "-bsf:v", hole)


ATTACKS: dict[str, Callable[[Path], Path]] = {attack.__name__: attack for attack in (black, streams, cues, flat, gap)}


def run(arguments: list[str], home: Path) -> tuple[float, float, int, int, str]:
    """Run the command on a terminal; return (seconds, peak MiB, changes of the bar, status, last line)."""
    began = time.monotonic()
    ours, theirs = pty.openpty()
    environment = os.environ | {"VIDEOCHAT_HOME": str(home), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "videochat.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    said = bytearray()
    while time.monotonic() - began < _PATIENCE_SECONDS:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break  # the other end is closed
        said += piece
    else:
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line for line in said.decode(errors="replace").replace("\r", "\n").splitlines() if line.strip()]
    moves = len({line for line in lines if "%" in line or " of " in line})
    seconds = time.monotonic() - began
    return seconds, usage.ru_maxrss / 1024, moves, process.returncode, lines[-1].strip() if lines else ""


def main() -> int:
    """Draw, watch and ask each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", choices=[*ATTACKS, []], default=list(ATTACKS))
    failed = False
    for name in parser.parse_args().attacks or ATTACKS:
        with tempfile.TemporaryDirectory() as folder:
            path = ATTACKS[name](Path(folder))
            print(f"{name}: {path.stat().st_size / 1024:.0f} KiB", flush=True)
            for command in (["watch", str(path)], ["ask", str(path), "What is said at 0:01?"]):
                seconds, peak, moves, status, last = run(command, Path(folder) / "home")
                failed |= status not in (0, 1)
                print(
                    f"  {command[0]}: {seconds:.0f} s, {peak:.0f} MiB, bar moved {moves} times, status {status}: {last}"
                )
    return failed


if __name__ == "__main__":
    sys.exit(main())
