"""A watch in parts, or interrupted, ends with what a watch in one piece ends with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.watching import Interrupt, Notes, ids
from videochat.agent.watch import watch
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.testing import Scene, draw_video
from videochat.tools import make_tools


@pytest.mark.parametrize("every_seconds", [1.0, 0.25, None], ids=["few", "more", "every-picture"])
@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 4)],
        [(2, 4)],
        [(8, 12), (0, 2)],
        [(1, 2), (5, 6), (10, 11)],
        [(0, 6), (3, 9)],
        [(4, 8), (4, 8)],
        [(0, 12), (3, 5)],
    ],
    ids=str,
)
def test_ranges_and_then_the_whole_are_the_whole(
    clip: Video,
    open_captions: Callable[..., VideoCaptions],
    ranges: list[tuple[float, float]],
    every_seconds: float | None,
) -> None:
    stored, whole = open_captions(clip), open_captions(clip, "whole")
    notes = Notes(every_seconds=every_seconds)
    for start, end in ranges:
        watch(clip, [notes], stored, start, end)
    watch(clip, [notes], stored)
    watch(clip, [notes], whole)
    assert stored.watched("notes", "notes") == [(0, clip.duration_seconds)]
    assert ids(stored) == ids(whole)


@pytest.mark.parametrize("ranges", [[(0, 5)], [(1, 3), (6.5, 9)]], ids=str)
def test_measures_that_hold_over_the_seams_are_those_of_the_whole(
    drawn: Path, open_captions: Callable[..., VideoCaptions], ranges: list[tuple[float, float]]
) -> None:
    path = drawn / f"still{len(ranges)}.mp4"
    video = Video(draw_video(path, [Scene(8, "", "navy"), Scene(6, "", "white")], frame_rate=5, size=(64, 36)))
    stored, whole = open_captions(video), open_captions(video, "whole")
    senses = make_tools(["visual_facts"])
    watch(video, senses, whole)
    for start, end in ranges:
        watch(video, senses, stored, start, end)
    watch(video, senses, stored)
    assert ids(stored) == ids(whole)
    assert [(c.start_seconds, c.end_seconds) for c in whole.between()] == [(0, 8), (8, 14)]


@pytest.mark.parametrize("line_up", [["shots", "visual_facts", "ocr"], ["speech_regions", "shots"]], ids="+".join)
def test_after_ctrl_c_the_next_watch_ends_as_if_nothing_had_been(
    voiced: Video, open_captions: Callable[..., VideoCaptions], line_up: list[str]
) -> None:
    senses = make_tools(line_up)
    whole = open_captions(voiced, "whole")
    watch(voiced, senses, whole)
    stored = open_captions(voiced)
    interrupted = 0
    for seconds in (0.0, 4.0, 7.5, 11.0):
        try:
            watch(voiced, senses, stored, progress=Interrupt(seconds))
        except KeyboardInterrupt:
            interrupted += 1
        assert set(ids(stored)) <= set(ids(whole))
    # The sound is one block: after it all may have been seen, and nothing is left to interrupt.
    assert interrupted >= 2
    report = watch(voiced, senses, stored)
    assert not report.gaps
    assert ids(stored) == ids(whole)
