"""Only one live recording has a clock by which it can be asked."""

from __future__ import annotations

from pathlib import Path

from videochat.agent.wall_times import with_recording_times
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import LiveSource
from videochat.media import Video


def test_a_recording_has_a_clock_and_a_file_has_none(tmp_path: Path, clip: Video) -> None:
    folder = RecordingFolder(LiveSource.parse("tcp://camera:1"), tmp_path)
    folder.note_beginning(1_772_618_400.0)
    recording = LiveRecording(folder)
    question = "What happened at 14:05?"
    read, remarks = with_recording_times(question, [recording])
    assert read == question
    assert remarks[0].startswith("(A live recording: second 0 was on ")
    assert with_recording_times(question, [clip]) == (question, [])
    assert with_recording_times(question, [recording, recording]) == (question, [])
