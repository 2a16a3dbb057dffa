"""On a terminal a watch is seen from the start, says how long it takes yet, and answers Ctrl-C at once."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from videochat.testing import Scene, draw_video

# `videochat watch` with one sense that computes in long calls, as models on a CPU do.
SCRIPT = """
import sys, time
from videochat.agent import VideoAgent
from videochat.cli import main, watch
from tests.fakes.watching import Notes

clip, store, seconds = sys.argv[1:]
sense = Notes(before=lambda _: time.sleep(float(seconds)))
watch.agent_for = lambda options: VideoAgent(clip, preset=[sense], memory=store, llm="extractive")
sys.exit(main(["watch", clip]))
"""


def on_terminal(clip: Path, store: Path, seconds: float, press_after: str = "") -> tuple[list[tuple[float, str]], int]:
    """Run the script on a terminal of its own; press Ctrl-C half a second after some words were shown.

    Returns:
        What was shown with its second, and the exit status.
    """
    began, pressed = time.monotonic(), 0.0
    shown: list[tuple[float, str]] = []
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"COLUMNS": "100", "TERM": "xterm"}
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT, str(clip), str(store), str(seconds)])
    while True:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode(errors="replace"))
            shown.append((time.monotonic() - began, text))
        if press_after and not pressed and any(press_after in text for _, text in shown):
            pressed = time.monotonic() - began
            time.sleep(0.5)
            os.kill(process, signal.SIGINT)
    return shown, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("progress") / "clip.mp4", [Scene(10, "A")], frame_rate=5)


def test_a_watch_says_how_far_it_is_and_how_long_it_takes(drawn: Path, tmp_path: Path) -> None:
    shown, status = on_terminal(drawn, tmp_path / "store", 0.4)
    assert status == 0
    said = "".join(text for _, text in shown)
    assert "of 00:10" in said
    assert re.search(r"about [1-9] s left", said)
    assert "Watched clip.mp4" in said


def test_ctrl_c_is_answered_at_once_and_ends_within_seconds(drawn: Path, tmp_path: Path) -> None:
    shown, status = on_terminal(drawn, tmp_path / "store", 30, press_after="watching")
    assert status == 130
    began = next(at for at, text in shown if "watching" in text)
    stopping = next(at for at, text in shown if "stopping ..." in text)
    stopped = next(at for at, text in shown if "what was seen is kept" in text)
    assert stopping - began < 0.5 + 1
    # A second and a half for the sense, and what closing takes: 2.5 s alone, more where other tests run meanwhile.
    assert stopped - stopping < 6
