"""One line-up for one video after another, and what is noted of each watch."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fakes.watching import Notes
from videochat.agent.watcher import Watcher, line_up_of
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import at_rate, make_tools


def test_every_place_of_a_content_is_kept_and_when_it_was_watched(silent: Video, tmp_path: Path) -> None:
    copy = Video(shutil.copy(silent.path, tmp_path / "copy.mp4"))
    with CaptionStore(tmp_path / "memory") as store:
        watcher = Watcher(preset=[Notes()], memory=store)
        assert watcher.reached(silent) == 0
        assert watcher.watch(silent).captions_added == 12
        (before,) = store.videos()
        assert watcher.watch(copy).already_watched
        (after,) = store.videos()
        assert after.places == [str(silent.path), str(copy.path)]
        assert after.watched_at == before.watched_at is not None
        assert after.extent() == "all by notes"
        assert after.line_up == "notes"
        assert after.pace is not None
        assert watcher.reached(copy) == 12


def test_a_line_up_is_told_by_models_and_rates() -> None:
    senses = make_tools(["shots", "captions"])
    assert line_up_of(senses).startswith("captions (florence-community/")
    assert line_up_of([at_rate(Notes(), 2.0)]) == "notes@2fps"
