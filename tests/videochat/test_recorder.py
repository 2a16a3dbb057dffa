"""What comes over a line is stored at its second; what does not come is said."""

from __future__ import annotations

import errno
import shutil
import threading
from pathlib import Path
from typing import Any

import av
import pytest

from tests.fakes.live_sender import RATE, pictures, write_numbers
from videochat import recorder as module
from videochat.errors import MediaError
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import Connection, LiveSource
from videochat.recorder import Recorder


class Lines(LiveSource):
    """A source whose lines are files, one after another; each ends as it is told, and the last one for good."""

    def __init__(self, *lines: Any, kind: str = "tcp") -> None:
        super().__init__(kind, "tcp://camera:1")  # type: ignore[arg-type]  # one of them
        object.__setattr__(self, "lines", iter(lines))
        object.__setattr__(self, "over", threading.Event())

    def open(self, stopped: Any = None) -> Connection:
        line = next(self.lines, None)  # type: ignore[attr-defined]  # set above
        if line is None:
            self.over.set()  # type: ignore[attr-defined]  # set above
            raise MediaError("nobody is there")
        if isinstance(line, Exception):
            raise line
        return Connection(av.open(str(line)))


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands until it is set."""
    now = [1_772_618_400.0]
    monkeypatch.setattr("videochat.live_source.time.time", lambda: now[0])
    return now


def record(source: LiveSource, path: Path, **settings: Any) -> tuple[Recorder, LiveRecording, list[str]]:
    said: list[str] = []
    recorder = Recorder(RecordingFolder(source, path / "recording"), say=said.append, **settings)
    recorder.start()
    if isinstance(source, Lines):
        assert source.over.wait(20)  # type: ignore[attr-defined]  # set above
    recorder.stop()
    return recorder, LiveRecording(recorder.folder), said


def test_a_line_is_cut_into_segments(tmp_path: Path, no_pause: None) -> None:
    line = write_numbers(tmp_path / "a.ts", range(45))
    recorder, recording, _ = record(Lines(line), tmp_path, segment_seconds=2.0)
    spans = [(segment.start_seconds, segment.end_seconds) for segment in recording.segments]
    assert spans == [(0.0, 2.0), (2.0, 4.0), (4.0, 4.5)]
    assert all(seconds == pytest.approx(number / RATE) for seconds, number, _ in pictures(recording))
    assert recorder.gaps == []
    assert not list(recording.path.glob("writing-*"))


def test_what_is_lost_between_two_lines_is_a_gap(tmp_path: Path, no_pause: None, clock: list[float]) -> None:
    first, second = (write_numbers(tmp_path / f"{n}.ts", range(n, n + 20)) for n in (0, 50))

    class Sources(Lines):
        def open(self, stopped: Any = None) -> Connection:
            clock[0] += 5.2  # not quite what the source's clock says, which is believed
            return super().open()

    recorder, recording, said = record(Sources(first, OSError("no route to host"), second), tmp_path)
    assert [number for _, number, _ in pictures(recording)] == [*range(20), *range(50, 70)]
    assert len(recorder.gaps) == 1
    start = recording.segments[-1].start_seconds
    assert start == pytest.approx(5.0) or start == pytest.approx(10.4, abs=2.1)
    assert recorder.gaps[0].reason == "the source ended"
    assert any("Missing" in sentence for sentence in said)


def test_a_clock_that_jumps_back_moves_nothing_back(tmp_path: Path, no_pause: None) -> None:
    joined = tmp_path / "joined.ts"
    later = write_numbers(tmp_path / "later.ts", range(20), shift_seconds=500.0)
    joined.write_bytes(later.read_bytes() + write_numbers(tmp_path / "earlier.ts", range(20)).read_bytes())
    recorder, recording, _ = record(Lines(joined), tmp_path)
    assert recording.duration_seconds == pytest.approx(4.0, abs=0.3)
    assert [number for _, number, _ in pictures(recording)] == [*range(20), *range(20)]
    assert [gap.reason[:33] for gap in recorder.gaps] == ["the clock of the source jumped ba"]


def test_another_size_begins_another_run(tmp_path: Path, no_pause: None) -> None:
    small = write_numbers(tmp_path / "small.ts", range(20, 40), size=(160, 90))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(write_numbers(tmp_path / "large.ts", range(20)).read_bytes() + small.read_bytes())
    _, recording, _ = record(Lines(joined), tmp_path)
    assert [segment.size for segment in recording.segments] == [(320, 180), (160, 90)]
    assert len(recording.runs(0.0)) == 2
    assert [number for _, number, _ in pictures(recording.part(2.0, 4.0))] == list(range(20, 40))


def test_pictures_before_the_first_key_picture_are_left_out(tmp_path: Path, no_pause: None) -> None:
    whole = write_numbers(tmp_path / "whole.ts", range(60), key_every=40).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: 188 * 3] + whole[len(whole) // 3 // 188 * 188 :])  # its tables, and from the middle on
    _, recording, _ = record(Lines(cut), tmp_path)
    assert [number for _, number, _ in pictures(recording)] == list(range(40, 60))


def test_a_full_disk_lets_go_of_the_oldest_and_is_said(
    tmp_path: Path, no_pause: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [write_numbers(tmp_path / f"{n}.ts", range(n, n + 20)) for n in (0, 20)]
    folder = RecordingFolder(Lines(*lines), tmp_path / "recording")
    usage = shutil.disk_usage(tmp_path)
    calls = iter(range(100))
    monkeypatch.setattr(
        shutil,
        "disk_usage",
        lambda _: usage._replace(free=0) if next(calls) == 1 else usage._replace(free=2**40),
    )
    said: list[str] = []
    recorder = Recorder(folder, say=said.append, segment_seconds=1.0)
    recorder.start()
    assert folder.source.over.wait(20)  # type: ignore[attr-defined]  # of `Lines`
    recorder.stop()
    assert any("the disk is full" in sentence for sentence in said)
    assert folder.segments()
    assert recorder._make_room(OSError(errno.ENOSPC, "No space left")) == "the disk is full"


def test_what_is_too_old_is_let_go(tmp_path: Path, no_pause: None) -> None:
    line = write_numbers(tmp_path / "a.ts", range(60))
    _, recording, _ = record(Lines(line), tmp_path, segment_seconds=1.0, keep_seconds=2.0)
    assert recording.kept_from == pytest.approx(4.0)


def test_a_recording_goes_on_where_it_was_interrupted(tmp_path: Path, no_pause: None) -> None:
    growing = write_numbers(tmp_path / "growing.ts", range(30))
    source = Lines(growing, kind="file")
    first = Recorder(RecordingFolder(source, tmp_path / "recording"), segment_seconds=1.0)
    first.start()
    first._thread.join(10)
    assert first.ended
    growing = write_numbers(tmp_path / "growing.ts", range(50))
    again = Recorder(RecordingFolder(Lines(growing, kind="file"), tmp_path / "recording"), segment_seconds=1.0)
    again.start()
    again._thread.join(10)
    rows = list(pictures(LiveRecording(again.folder)))
    assert [number for _, number, _ in rows] == list(range(50))
    assert all(seconds == pytest.approx(number / RATE) for seconds, number, _ in rows)
    assert again.gaps == []


def test_a_source_that_does_not_answer_is_said_at_once(tmp_path: Path) -> None:
    folder = RecordingFolder(Lines(MediaError("tcp://camera:1 cannot be opened")), tmp_path / "recording")
    with pytest.raises(MediaError, match="cannot be opened"):
        Recorder(folder).start()
    assert not folder.is_held
