"""A worker opens and watches videos, and what goes wrong comes back as a sentence."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from tests.fakes.watching import Notes, failing_at
from videochat import object_stores
from videochat.agent.batch_worker import BatchWorker, Failed, Opened
from videochat.agent.watch import WatchReport
from videochat.agent.watcher import Watcher
from videochat.errors import MissingDependency, StoreError
from videochat.media import Video
from videochat.memory import CaptionStore


def test_a_video_is_opened_watched_in_ranges_and_given_up(silent: Video, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    with CaptionStore(tmp_path) as store:
        worker = BatchWorker(
            lambda: Watcher(preset=[Notes()], memory=store),
            fps=0.5,
            progress=lambda name, seconds, length: told.append((name, seconds)),
        )
        source = str(silent.path)
        assert worker.open(source) == Opened(silent.id, "silent.mp4", silent.duration_seconds, 0.0)
        report = worker.watch(source, 0.0, 6.0, False)
        assert isinstance(report, WatchReport)
        assert report.captions_added == 3
        assert told[-1] == ("silent.mp4", 6.0)
        opened = worker.open(source)
        assert isinstance(opened, Opened)
        assert opened.reached_seconds == 6
        assert worker.give_up(source, 6.0, 12.0, "it kills whoever reads it") is None
        (gap,) = store.captions_of(silent.id).gaps()
        assert (gap.source, gap.start_seconds, gap.reason) == ("notes@0.5fps", 6.0, "it kills whoever reads it")


def test_what_concerns_one_video_and_what_concerns_all(silent: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        worker = BatchWorker(lambda: Watcher(preset=[Notes()], memory=store))
        none = worker.open(str(tmp_path / "none.mp4"))
        assert isinstance(none, Failed)
        assert (none.kind, none.fatal) == ("MediaError", False)
        assert "There is no file" in none.reason
        outside = worker.watch(str(silent.path), 50.0, 60.0, True)
        assert isinstance(outside, Failed)
        assert not outside.fatal

        class Unarmed(Notes):
            def prepare(self) -> None:
                raise MissingDependency("no weights")

        unarmed = BatchWorker(lambda: Watcher(preset=[Unarmed()], memory=store))
        assert unarmed.watch(str(silent.path), 0.0, 12.0, True) == Failed("no weights", "MissingDependency", True)

    def broken() -> Watcher:
        raise StoreError("no store")

    assert BatchWorker(broken).open(str(silent.path)) == Failed("no store", "StoreError", True)


def test_a_sense_that_fails_leaves_a_gap_and_no_error(silent: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        sense = Notes(before=failing_at(4.0, RuntimeError("no luck")))
        report = BatchWorker(lambda: Watcher(preset=[sense], memory=store)).watch(str(silent.path), 0.0, 12.0, True)
        assert isinstance(report, WatchReport)
        assert [gap.reason for gap in report.gaps] == ["RuntimeError: no luck"]


def test_the_copy_of_an_object_goes_with_its_watch(
    silent: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_stores, "SCHEMES", {"memory"})
    fsspec.filesystem("memory").pipe("/copied/film.mp4", silent.path.read_bytes())
    with CaptionStore(tmp_path / "memory") as store:
        worker = BatchWorker(lambda: Watcher(preset=[Notes()], memory=store))
        assert isinstance(worker.watch("memory://copied/film.mp4", 0.0, 12.0, True), WatchReport)
        (stored,) = store.videos()
        assert stored.places == ["memory://copied/film.mp4"]
        assert stored.path is not None
        assert not Path(stored.path).exists()
    fsspec.filesystem("memory").rm("/copied", recursive=True)
