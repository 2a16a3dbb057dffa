"""What comes over a line is watched as it comes, once, and nothing of it is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.live_sender import RATE, write_numbers
from tests.fakes.watching import Ears, Notes
from videochat import live_readers
from videochat.agent import VideoAgent
from videochat.agent.live_watch import LiveWatch
from videochat.errors import InvalidArgument, MediaError, StoreError
from videochat.memory import VideoCaptions


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of six seconds that has just stopped to grow."""
    monkeypatch.setattr(live_readers, "SILENCE_SECONDS", 0.3)
    return write_numbers(tmp_path / "grown.ts", range(60))


def watched(file: Path, said: list[str], **settings: Any) -> LiveWatch:
    watch = LiveWatch(
        f"live:{file}", every_seconds=1.0, say=said.append, llm="extractive", preset=[Notes()], **settings
    )
    watch.start()
    assert watch.wait(30)
    return watch


def notes(watch: LiveWatch) -> list[str]:
    stored = watch.agent.video_set.captions_of(watch.recording)
    return [caption.text for caption in stored.between(kinds=["tags"])]


def test_each_second_is_watched_once(grown: Path, tmp_path: Path) -> None:
    watch = watched(grown, [], memory=tmp_path / "memory")
    expected = [f"picture at {second:.2f}" for second in range(6)]
    assert notes(watch) == expected
    assert watch.captions_added == 6
    assert watch.watched_seconds == pytest.approx(6.0)
    stored = watch.agent.video_set.captions_of(watch.recording)
    assert stored.gaps() == []
    first, second = stored.between(kinds=["tags"])[:2]
    assert str(first.attributes["wall_clock"])[:22] != str(second.attributes["wall_clock"])[:22]
    answer = watch.agent.ask("Which picture is at 0:03?")
    assert "picture at 3.00" in str(answer)
    assert f"({str(answer.citations[0].caption.attributes['wall_clock'])[11:19]})" in str(answer)
    watch.stop()
    # What it becomes later is watched from where it was.
    write_numbers(grown, range(90))
    again = watched(grown, [], memory=tmp_path / "memory")
    assert notes(again) == [f"picture at {second:.2f}" for second in range(9)]
    assert again.captions_added == 3
    again.stop()


def test_a_store_that_cannot_be_written_is_waited_for(
    grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = VideoCaptions.record, iter([True, True])

    def record(self: VideoCaptions, *args: Any, **named: Any) -> int:
        if next(failures, False):
            raise StoreError("The store is away.")
        return real(self, *args, **named)

    monkeypatch.setattr(VideoCaptions, "record", record)
    monkeypatch.setattr("videochat.agent.live_watch._RETRY_SECONDS", 0.2)
    said: list[str] = []
    watch = watched(grown, said, memory=tmp_path / "memory")
    assert notes(watch) == [f"picture at {second:.2f}" for second in range(6)]
    watch.stop()
    assert said[0].startswith("The store is away. What comes is recorded and watched later.")
    assert len([sentence for sentence in said if "away" in sentence]) == 1


def test_another_process_asks_and_does_not_watch(grown: Path, tmp_path: Path) -> None:
    watch = watched(grown, [], memory=tmp_path / "memory")
    watch.folder.begin()  # as if it went on
    with VideoAgent(f"live:{grown}", preset=[Notes(every_seconds=0.5)], memory=tmp_path / "memory") as other:
        assert other.watch().already_watched
        assert "picture at 3.00" in str(other.ask("Which picture is at 0:03?"))
    with pytest.raises(MediaError, match="watched by another process"):
        watched(grown, [], memory=tmp_path / "memory")
    watch.folder.end()
    watch.stop()


def test_what_is_told_of_each_range(grown: Path, tmp_path: Path) -> None:
    ranges: list[tuple[float, float]] = []
    watch = LiveWatch(f"live:{grown}", every_seconds=1.0, llm="extractive", preset=[Notes(), Ears("ears")])
    watch.on_watched.append(lambda recording, start, end: ranges.append((start, end)))
    with watch:
        assert watch.wait(30)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == pytest.approx(60 / RATE)
    assert all(end == start for (_, end), (start, _) in pairwise(ranges))


@pytest.mark.parametrize("settings", [{"keep_seconds": 5}, {"every_seconds": 0}, {"keep_captions_seconds": "long"}])
def test_lengths_that_are_none(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        LiveWatch("tcp://camera:1", **settings)


def test_what_is_no_live_source(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no live source"):
        LiveWatch(str(tmp_path / "clip.mp4"))
    watch = LiveWatch("tcp://camera:1")
    for name in ("agent", "recording"):
        with pytest.raises(MediaError, match=r"call start\(\) first"):
            getattr(watch, name)
