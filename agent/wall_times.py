"""Questions about a live recording that name times of the day."""

from __future__ import annotations

from collections.abc import Sequence

from videochat.live_recording import LiveRecording
from videochat.media import Video
from videochat.memory.wall_clock import WallClock


def with_recording_times(question: str, videos: Sequence[Video]) -> tuple[str, list[str]]:
    """Return a question with its times of the day as times of the recording, and what a language model must know.

    Args:
        question: in words.
        videos: what is asked; only one live recording alone has a clock.
    """
    if len(videos) != 1 or not isinstance(recording := videos[0], LiveRecording):
        return question, []
    end = recording.taken_at(recording.duration_seconds)
    wall = WallClock(recording.began_at, end, recording.second_at)
    read, told = wall.in_seconds(question)
    return read, [f"(A live recording: {'; '.join([wall.said(), *told])}.)"]
