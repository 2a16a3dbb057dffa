"""How far a watch is, in words and as a bar of a notebook."""

from __future__ import annotations

import random
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import IPython.core.getipython
import IPython.display
import pytest

from tests.fakes.watching import Notes
from videochat import CaptionStore, VideoAgent
from videochat.media import Video
from videochat.watch_bar import Pace, notebook_bar


def test_the_time_that_is_left_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now, length, rate = 100.0, random.uniform(500, 900), random.uniform(2, 5)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = Pace(length)
    assert pace.left(0) == ""
    now += 0.01 * length / rate
    assert pace.left(0.01 * length) == "", "an estimate would rest on the loading of the models"
    now = 100 + (length - 10 * rate) / rate
    assert pace.left(length - 10 * rate) == "about 10 s left"
    assert pace.left(length) == "finishing"
    now = 100 + length
    assert pace.left(length / 2) == f"about {int(length // 60):02d}:{int(length % 60):02d} left"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a notebook shows, in order."""
    seen: list[str] = []

    class Handle:
        def update(self, what: Any) -> None:
            seen.append(what.data)

    def display(what: Any, *, display_id: bool) -> Handle:
        assert display_id
        seen.append(what.data)
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(IPython.core.getipython, "get_ipython", lambda: SimpleNamespace(kernel=None))
    monkeypatch.setattr("videochat.watch_bar._EVERY_SECONDS", 0.0)
    return seen


def test_in_a_notebook_a_watch_shows_a_bar_that_goes_with_it(shown: list[str], clip: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        agent = VideoAgent(clip, memory=memory, preset=[Notes()], llm="extractive")
        agent.watch()
        assert "watching clip.mp4, 00:" in shown[0]
        assert 'value="1.0000"' in shown[-2]
        assert shown[-1] == ""
        shown.clear()
        agent.watch()
        assert shown == [], "all has been watched"
        agent.start_watching().wait()
        assert shown == [], "below which cell?"


def test_a_name_is_text(shown: list[str]) -> None:
    with notebook_bar("<b>\u202e.mp4", 9.0) as tell:
        assert tell is not None
        tell(3.0)
    assert "&lt;b&gt;" in shown[0]
    assert "\u202e" not in shown[0]
    assert 'value="0.3333"' in shown[0]


def test_elsewhere_there_is_no_bar() -> None:
    with notebook_bar("a.mp4", 9.0) as tell:
        assert tell is None
