"""What would be watched, how long it takes, with which models, and whom it contacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.watching import Notes
from videochat.agent.watch_plan import plan_watch
from videochat.agent.watch_videos import watch_videos
from videochat.media import Video
from videochat.memory import CaptionStore


def test_a_plan_does_nothing_and_says_what_is_left(clip: Video, silent: Video, tmp_path: Path) -> None:
    sense = Notes()
    with CaptionStore(tmp_path / "memory") as store:
        given: list[str | Path] = [
            clip.path,
            silent.path,
            tmp_path / "none.mp4",
            "https://films.test/a.mp4",
            "https://films.test/b.mp4",
        ]
        plan = plan_watch(given, preset=[sense], memory=store)
        assert (sense.runs, plan.pace, plan.contacts) == (0, None, ["https://films.test for videos"])
        assert plan.seconds == pytest.approx(24, abs=0.1)
        list(watch_videos(clip.path, preset=[sense], memory=store))
        list(watch_videos(silent.path, preset=[sense], memory=store, end_seconds=4.0))
        plan = plan_watch(given, preset=[sense], memory=store)
        assert plan.pace is not None
        assert [str(video) for video in plan.videos[:2]] == [
            "clip.mp4: watched before",
            "silent.mp4: 00:08 left of 00:12 by notes",
        ]
        lines = str(plan).splitlines()
        assert "There is no file" in lines[2]
        assert "5 videos, 1 watched before, 2 not opened, 1 cannot be watched; 00:08 to watch: about 00:0" in lines[5]
        assert lines[-1] == "Network: https://films.test for videos."


def test_models_and_services_are_named(silent: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    plan = plan_watch(silent.path, preset=["captions"], clip_captions="openai:any", memory=tmp_path / "memory")
    assert plan.models[0].endswith("for captions, not on this machine")
    assert plan.contacts[0] == "openai:any at http://127.0.0.1:9/v1 for clip_captions"
    assert plan.contacts[1].startswith("the hub, to learn why ")
    assert "openai:any is asked" in plan.videos[0].costs[0]
    assert plan.as_dict()["seconds"] == plan.seconds
