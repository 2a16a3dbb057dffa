"""Videos, senses and memory together."""

import os
import threading
from pathlib import Path

import pytest

from tests.fakes.watching import Notes
from videochat.agent.video_set import VideoSet, merge_reports
from videochat.agent.watch import WatchReport
from videochat.errors import InvalidArgument, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore, Gap
from videochat.testing import Scene, draw_video


@pytest.fixture
def memory(tmp_path: Path) -> CaptionStore:
    return CaptionStore(tmp_path / "memory", embeddings="builtin")


def test_there_must_be_a_video(memory: CaptionStore) -> None:
    with pytest.raises(InvalidArgument, match="no video"):
        VideoSet([], memory=memory)


def test_the_same_content_is_one_video(clip: Video, memory: CaptionStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.path.read_bytes())
    videos = VideoSet([clip, copy], memory=memory)
    assert not videos.several
    assert videos.video() is videos.video("COPY.mp4" if videos.names[clip.id] == "copy.mp4" else "clip.mp4")


def test_names_tell_videos_apart(clip: Video, memory: CaptionStore, tmp_path: Path) -> None:
    paths = [clip.path]
    for folder, colour in (("a", "navy"), ("b", "gold")):
        (tmp_path / folder).mkdir()
        paths.append(draw_video(tmp_path / folder / "film [1].mp4", [Scene(1, "", colour)]))
    videos = VideoSet(paths, memory=memory)
    assert list(videos.names.values()) == ["clip.mp4", "a/film (1).mp4", "b/film (1).mp4"]
    assert videos.video("B/FILM (1).mp4") is videos.videos[2]
    assert videos.video(clip.id).id == clip.id
    assert videos.duration_seconds == pytest.approx(14, abs=0.1)
    for name in (None, "film [1].mp4"):
        with pytest.raises(UnknownName, match="the known ones are a/film"):
            videos.video(name)


def test_all_are_watched_and_progress_counts_over_them(clip: Video, silent: Video, memory: CaptionStore) -> None:
    told: list[float] = []
    videos = VideoSet([clip, silent], preset=[Notes()], memory=memory)
    assert [videos.reached(video) for video in videos.videos] == [0, 0]
    reports = videos.watch_all(told.append)
    assert [report.captions_added for report in reports] == [12, 12]
    assert told == sorted(told)
    assert told[-1] > clip.duration_seconds
    assert [videos.reached(video) for video in videos.videos] == [12, 12]
    assert videos.gaps() == []
    facts = videos.captions_of(clip).facts()
    assert (facts["name"], facts["path"]) == ("clip.mp4", str(clip.path))


def test_pictures_are_jpeg_where_there_are_pictures(clip: Video, sound_only: Video, memory: CaptionStore) -> None:
    videos = VideoSet([clip, sound_only], memory=memory)
    picture = videos.picture(clip, 4.0, max_side=64)
    assert picture is not None
    assert picture[:2] == b"\xff\xd8"
    assert videos.picture(sound_only, 4.0) is None


def test_reports_of_several_videos_become_one() -> None:
    one = WatchReport("a.mp4", 0, 10, 3, {"ocr": 2, "shots": 1}, {}, [], False, 1.0)
    two = WatchReport("b.mp4", 5, 10, 1, {"ocr": 1}, {"shots": "there are no pictures"}, [Gap("ocr", 6, 7, "x")], True)
    both = merge_reports([one, two])
    assert (both.video_name, both.end_seconds, both.captions_added) == ("2 videos", 15, 4)
    assert both.by_sense == {"ocr": 3, "shots": 1}
    assert both.skipped == {"shots on b.mp4": "there are no pictures"}
    assert (len(both.gaps), both.already_watched) == (1, False)
    assert merge_reports([one]) is one


def test_a_question_in_a_forked_process_gets_a_sentence_and_does_not_wait(clip: Video, memory: CaptionStore) -> None:
    videos = VideoSet([clip], preset=[Notes()], memory=memory)
    reading, writing = os.pipe()
    with videos.lock("watch", clip):  # as another thread holds it that is not forked along
        child = os.fork()
        if child == 0:
            try:
                thread = threading.Thread(target=videos.watch_all)
                threading.excepthook = lambda hooked: os.write(writing, str(hooked.exc_value).encode())
                thread.start()
                thread.join(20)
            finally:
                os._exit(0)
    os.close(writing)
    assert b"from which this one was forked" in os.read(reading, 1000)
    os.waitpid(child, 0)


def test_a_file_that_is_replaced_is_another_video(memory: CaptionStore, tmp_path: Path) -> None:
    path = draw_video(tmp_path / "film.mp4", [Scene(3, "", "navy")])
    videos = VideoSet([path], preset=[Notes()], memory=memory)
    videos.watch_all()
    first, asked = videos.videos[0], videos.fingerprint()
    draw_video(tmp_path / "other.mp4", [Scene(5, "", "gold")]).replace(path)
    assert [report.captions_added for report in videos.watch_all()] == [5]
    second = videos.video()
    assert second.id == Video(path).id != first.id
    assert videos.fingerprint() != asked
    assert videos.names[second.id] == videos.names[first.id] == "film.mp4"
    assert (videos.reached(second), videos.captions_of(first).end_seconds()) == (5, 3)
    path.touch()
    assert videos.watch_all()[0].already_watched, "a file that was only touched is the same video"
    path.unlink()
    assert videos.watch_all()[0].already_watched, "of a file that is gone, what was seen can be asked"
