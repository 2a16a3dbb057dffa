"""Many videos watched in one process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.watching import Interrupt, Notes
from videochat.agent.watch_videos import watch_videos
from videochat.errors import InvalidArgument, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore


@pytest.fixture
def films(clip: Video, silent: Video, tmp_path: Path) -> Path:
    """A folder with two videos, a copy of one, and a text with the name of a video."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name, video in (("a.mp4", clip), ("b.mp4", silent), ("c.mp4", silent)):
        shutil.copy(video.path, folder / name)
    (folder / "d.mp4").write_text("no video")
    return folder


def test_a_folder_is_watched_once_with_one_line_up(films: Path, tmp_path: Path) -> None:
    sense, memory = Notes(), tmp_path / "memory"
    results = list(watch_videos(films, preset=[sense], memory=memory))
    assert [result.name for result in results] == ["a.mp4", "b.mp4", "c.mp4", str(films / "d.mp4")]
    assert [str(result).split(" in ")[0] for result in results[:3]] == [
        "a.mp4: 12 new captions, 00:12",
        "b.mp4: 12 new captions, 00:12",
        f"c.mp4: watched before, the same as {films / 'b.mp4'}",
    ]
    assert "not a video that can be opened" in str(results[3].error)
    assert sense.runs == 2
    again = list(watch_videos([films / "a.mp4", films / "b.mp4"], preset=[sense], memory=memory))
    assert [str(result) for result in again] == ["a.mp4: watched before", "b.mp4: watched before"]
    assert sense.runs == 2


def test_two_at_once_see_the_same(films: Path, tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        results = {r.name: r for r in watch_videos(films, preset=["shots"], memory=store, jobs=2)}
        assert len(results) == 4
        assert sorted(video.captions for video in store.videos()) == [4, 4]


def test_an_interrupted_batch_goes_on_where_it_was(films: Path, tmp_path: Path) -> None:
    press, memory = Interrupt(5.0), tmp_path / "memory"
    with pytest.raises(KeyboardInterrupt):
        list(watch_videos(films, preset=[Notes()], memory=memory, progress=lambda _, seconds, __: press(seconds)))
    with CaptionStore(memory) as store:
        (kept,) = store.videos()
        results = list(watch_videos(films, preset=[Notes()], memory=store))
        assert sum(result.report.captions_added for result in results if result.report) == 24 - kept.captions


def test_mistakes_are_said_before_anything_is_watched(films: Path) -> None:
    with pytest.raises(UnknownName):
        watch_videos(films, preset="none")
    with pytest.raises(InvalidArgument, match="jobs must be"):
        watch_videos(films, jobs=0)
    with pytest.raises(InvalidArgument, match="give their names"):
        watch_videos(films, preset=[Notes()], jobs=2)
