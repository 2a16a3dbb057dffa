"""A recording is a video that grows at its end and is let go at its beginning."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.fakes.live_sender import RATE, pictures, write_numbers
from videochat.errors import MediaError
from videochat.intervals import Interval
from videochat.live_recording import LEAD_SECONDS, LiveRecording, RecordingFolder, Segment, open_video
from videochat.live_source import LiveSource
from videochat.media import Video
from videochat.playback import clip_of
from videochat.records import Caption

BEGAN = 1_772_618_400.0


@pytest.fixture
def folder(tmp_path: Path) -> RecordingFolder:
    """Three segments of two seconds, and after a hole of four seconds another one."""
    folder = RecordingFolder(LiveSource.parse("tcp://camera:1"), tmp_path / "recording")
    folder.begin()
    folder.note_beginning(BEGAN)
    for start, end in ((0, 2), (2, 4), (4, 6), (10, 12)):
        add(folder, (start, end))
    folder.end()
    return folder


def add(folder: RecordingFolder, span: Interval, size: tuple[int, int] = (320, 180)) -> None:
    written = folder.path / "one.nut"
    numbers = range(round(span[0] * RATE), round(span[1] * RATE))
    write_numbers(written, numbers, size=size, shift_seconds=LEAD_SECONDS - span[0])
    written.rename(folder.path / Segment(written, *span, BEGAN + span[0] + 0.25, size, False).name)


def test_every_picture_comes_at_its_second(folder: RecordingFolder) -> None:
    recording = LiveRecording(folder)
    assert recording.duration_seconds == 12
    assert recording.size == (320, 180)
    assert (recording.has_video, recording.has_audio, recording.is_picture) == (True, False, False)
    rows = list(pictures(recording))
    assert len(rows) == 80
    assert all(seconds == pytest.approx(number / RATE) for seconds, number, _ in rows)
    sampled = [round(frame.seconds) for frame in recording.frames(1.0, 3.0)]
    assert sampled == [3, 4, 5, 6, 10, 11]  # the last picture before a hole stands for a second


def test_runs_end_at_holes_and_where_the_size_changes(folder: RecordingFolder) -> None:
    add(folder, (12, 14), (160, 90))
    recording = LiveRecording(folder)
    assert recording.runs(0.0) == [(0.0, 6.0), (10.0, 12.0), (12.0, 14.0)]
    assert recording.runs(5.0) == [(5.0, 6.0), (10.0, 12.0), (12.0, 14.0)]
    part = recording.part(10.0, 12.0)
    assert (part.id, part.duration_seconds, part.size) == (recording.id, 12.0, (320, 180))
    assert recording.part(12.0, 14.0).size == (160, 90)


def test_it_grows_and_is_let_go(folder: RecordingFolder) -> None:
    recording = LiveRecording(folder)
    before = recording.id
    add(folder, (12, 14))
    assert folder.drop_before(4.0) == 2
    recording.refresh()
    assert (recording.kept_from, recording.duration_seconds, recording.id) == (4.0, 14.0, before)
    with pytest.raises(MediaError, match="no longer kept"), recording.as_file(0.0, 2.0):
        pass


def test_what_is_let_go_while_it_is_read_is_passed_over(folder: RecordingFolder) -> None:
    recording = LiveRecording(folder)
    folder.drop_before(4.0)
    assert [number for _, number, _ in pictures(recording)] == [*range(40, 60), *range(100, 120)]


def test_wall_clock(folder: RecordingFolder) -> None:
    recording = LiveRecording(folder)
    assert recording.taken_at(3.0) == pytest.approx(BEGAN + 3.25)
    assert recording.second_at(BEGAN + 3.25) == pytest.approx(3.0)
    assert recording.second_at(BEGAN - 5) == -5
    stamped = recording.stamped(Caption(recording.id, 3.0, 4.0, "tags", "a dog", "eyes", attributes={"seen": 1}))
    assert set(stamped.attributes) == {"seen", "wall_clock"}
    assert str(stamped.attributes["wall_clock"])[13:].startswith(":00:03.250")
    folder.drop_before(20.0)
    recording.refresh()
    assert recording.taken_at(3.0) == pytest.approx(BEGAN + 3.0)  # as good as is still known


def test_a_clip_and_a_picture_of_it(folder: RecordingFolder, tmp_path: Path) -> None:
    recording = LiveRecording(folder)
    clip = clip_of(recording, 3.0, 5.0)
    assert clip is not None
    (tmp_path / "clip.mp4").write_bytes(clip)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20
    assert recording.frame_at(3.05).image.shape == (180, 320, 3)


def test_one_records_and_others_look(folder: RecordingFolder) -> None:
    assert not LiveRecording(folder).is_being_recorded()
    folder.begin()
    recording = LiveRecording(RecordingFolder(folder.source, folder.path))
    assert recording.is_being_recorded()
    assert "being recorded" in repr(recording)
    with pytest.raises(MediaError, match="watched by another process already"):
        RecordingFolder(folder.source, folder.path).begin()
    folder.end()


def test_a_source_is_opened_as_its_recording(
    folder: RecordingFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOCHAT_HOME", str(tmp_path / "home"))
    with pytest.raises(MediaError, match="Nothing of tcp://camera:1 has been recorded"):
        open_video("tcp://camera:1")
    again = open_video(folder.path)
    assert isinstance(again, LiveRecording)
    assert again.id == LiveRecording(folder).id
    (tmp_path / "home" / "live").mkdir(parents=True)
    folder.path.rename(tmp_path / "home" / "live" / folder.source.id)
    found = open_video("tcp://camera:1")
    assert (found.name, found.duration_seconds) == ("tcp://camera:1", 12)
    clip = write_numbers(tmp_path / "clip.mp4", range(5))
    assert type(open_video(clip)) is Video
