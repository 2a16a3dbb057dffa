"""One decoding pass feeds every sense what it wants, and ends well whatever fails or interrupts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.watching import Ears, Notes, failing_at
from videochat.agent.pipeline import Job, Pipeline
from videochat.agent.watch import watch
from videochat.intervals import merge_intervals
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.testing import Scene, draw_video

pytestmark = pytest.mark.timeout(90)


def test_each_job_gets_the_pictures_of_its_span(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    stored = open_captions(clip)
    early, late = Notes("early"), Notes("late")
    pipeline = Pipeline(clip, [Job(early, "1", (0, 3)), Job(late, "1", (2, 5)), Job(early, "1", (6, 7))], stored, None)
    pipeline.run()
    assert dict(pipeline.added) == {"early": 4, "late": 3}
    assert [c.start_seconds for c in stored.between() if c.source == "early"] == [0, 1, 2, 6]
    assert stored.watched("early", "1") == [(0, 3), (6, 7)]
    assert stored.watched("late", "1") == [(2, 5)]


def test_senses_that_have_seen_different_ranges_all_end_with_the_whole(
    clip: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    stored = open_captions(clip)
    one, two, three = Notes("one", None), Notes("two", None), Notes("three", 0.1)
    watch(clip, [one], stored, 2, 4)
    watch(clip, [two], stored, 3, 9)
    report = watch(clip, [one, two, three], stored)
    # What was watched without what comes before it is watched again.
    assert report.by_sense == {"one": 120, "two": 120, "three": 120}
    for tool in (one, two, three):
        assert [c.start_seconds for c in stored.between() if c.source == tool.source] == [n / 10 for n in range(120)]
        assert stored.watched(tool.source, tool.source) == [(0, clip.duration_seconds)]


def test_each_sense_hears_its_own_stretch_of_the_sound(
    voiced: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    stored = open_captions(voiced)
    early, late = Ears("early"), Ears("late")
    watch(voiced, [early], stored, 4, 8)
    watch(voiced, [early, late], stored)
    for tool in (early, late):
        heard = [(c.start_seconds, c.end_seconds) for c in stored.between() if c.source == tool.source]
        assert merge_intervals(heard) == [(0, 12)]
        assert sum(end - start for start, end in heard) == pytest.approx(12), "nothing is heard twice"


def test_progress_goes_forward_to_the_end(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    told: list[float] = []
    watch(clip, [Notes(every_seconds=None)], open_captions(clip), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == clip.duration_seconds


def test_progress_is_that_of_the_slowest_sense(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    told: list[float] = []
    slow = Notes("slow", before=lambda seconds: time.sleep(0.15))
    began, at = time.monotonic(), []

    def tell(seconds: float) -> None:
        told.append(seconds)
        at.append(time.monotonic() - began)

    watch(clip, [Notes("fast"), slow], open_captions(clip), progress=tell)
    took = at[-1]
    # After a fifth of the time, what is left is known within a factor of two.
    estimates = [now * 12 / seconds for seconds, now in zip(told, at, strict=True) if now >= 0.2 * took and seconds > 0]
    assert took / 2 <= estimates[0] <= took * 2


def test_when_every_sense_fails_the_watch_still_ends(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    broken = [Notes(f"broken-{i}", None, failing_at(3.0 * i, ValueError("no luck"))) for i in range(3)]
    report = watch(clip, broken, open_captions(clip))
    assert [gap.start_seconds for gap in report.gaps] == [0, 3, 6]


def test_pictures_that_end_before_the_header_says_are_a_gap(
    tmp_path: Path, open_captions: Callable[..., VideoCaptions]
) -> None:
    whole = draw_video(tmp_path / "whole.mkv", [Scene(2, "A", "white", moving=True), Scene(2, "B", "navy")] * 3)
    data = whole.read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    video = Video(tmp_path / "cut.mkv")
    assert video.duration_seconds == pytest.approx(12, abs=0.1)
    stored = open_captions(video)
    report = watch(video, [Notes(every_seconds=None)], stored)
    last = max(caption.end_seconds for caption in stored.between())
    assert 2 < last < 11
    (gap,) = report.gaps
    assert gap.source == "pictures"
    assert gap.start_seconds == pytest.approx(last, abs=0.1)
    assert gap.end_seconds == video.duration_seconds
    assert "the pictures of the file end at" in gap.reason


# Subtitles that change, files that change


def test_ctrl_c_keeps_what_had_settled(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    stored, reached = open_captions(clip), threading.Event()
    waits = Notes("waits", None, before=lambda now: now < 6 or reached.wait(30))
    quick = Notes("quick", None)

    def interrupt(_: float) -> None:
        # Both have noted something, and one of them is in the middle of its work.
        if stored.watched("waits", "waits") == [(0, 6.0)]:
            reached.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(clip, [waits, quick], stored, progress=interrupt)
    assert [c.source for c in stored.between()].count("waits") == 60
    assert stored.watched("waits", "waits") == [(0, 6.0)]
    assert stored.gaps() == [], "an interrupted watch is no gap: the next one goes on"


@pytest.mark.timeout(30)
def test_ctrl_c_while_only_a_slow_sense_is_behind_does_not_hang(
    clip: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    # One picture at work, eight waiting for it, none left: the reader waits to say that this was all.
    never, all_read = threading.Event(), threading.Event()
    slow = Notes("slow", 1.4, before=lambda _: never.wait(2))
    quick = Notes("quick", 1.4, before=lambda now: all_read.set() if now > 11 else None)

    def interrupt(_: float) -> None:
        if all_read.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch(clip, [slow, quick], open_captions(clip), progress=interrupt)


@pytest.mark.parametrize("slow", [0, 1])
def test_a_slow_sense_costs_no_picture(clip: Video, open_captions: Callable[..., VideoCaptions], slow: int) -> None:
    turn = threading.Semaphore(0)
    senses = [Notes("one", None), Notes("two", None)]
    senses[slow].before = lambda _: turn.acquire(timeout=20)
    report = watch(clip, senses, open_captions(clip), progress=lambda _: turn.release())
    assert report.by_sense == {"one": 120, "two": 120}
