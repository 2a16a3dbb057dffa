"""BackgroundWatch loses nothing, repeats nothing, and says what it could not see; whatever interrupts it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from videochat.agent.watch import WatchReport, watch
from videochat.errors import InvalidArgument
from videochat.frames import AudioBlock, Frame, Sampling
from videochat.intervals import merge_intervals
from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions
from videochat.records import Caption, Kind
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, Settled, make_tools
from videochat.tools.base import Needs

pytestmark = pytest.mark.timeout(90)


class Notes(PerceptionTool):
    """A sense for tests: one caption for each picture it gets, settled at once.

    Args:
        name: what to call it.
        every_seconds: which pictures it wants; None for all.
        before: called with each picture's second before it is noted; may raise, or wait.
    """

    name = "notes"
    kind: ClassVar[Kind] = "tags"
    sees = "pictures, one by one"

    def __init__(
        self,
        name: str = "notes",
        every_seconds: float | None = 1.0,
        before: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.name = name  # several of them in one watch
        self.source = name
        self.needs: Needs = Sampling(every_seconds, max_side=32)
        self.before = before
        self.runs = 0

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        self.runs += 1
        for frame in stream:
            self.before(frame.seconds)
            text = f"picture at {frame.seconds:.2f}"
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
            yield Settled(frame.end_seconds)
        yield Settled(end_seconds)


class Ears(PerceptionTool):
    """A sense for tests: one caption for each stretch of sound it gets."""

    kind: ClassVar[Kind] = "speech"
    sees = "sound, piece by piece"
    needs: Needs = "sound"

    def __init__(self, name: str) -> None:
        self.name = self.source = name  # several of them in one watch

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for sound in stream:
            end = round(sound.end_seconds, 3)
            yield Caption(video.id, round(sound.seconds, 3), end, self.kind, "sound", self.source)
        yield Settled(end_seconds)


def failing_at(seconds: float, error: BaseException) -> Callable[[float], None]:
    def fail(now: float) -> None:
        if now >= seconds:
            raise error

    return fail


@pytest.fixture
def open_captions(tmp_path: Path) -> Iterator[Callable[..., VideoCaptions]]:
    stores: list[CaptionStore] = []

    def captions_of(video: Video, folder: str = "memory") -> VideoCaptions:
        stores.append(CaptionStore(tmp_path / folder))
        return stores[-1].captions_of(video.id)

    yield captions_of
    for store in stores:
        store.close()


def ids(stored: VideoCaptions) -> list[str]:
    return [caption.id for caption in stored.between()]


# Once is enough


def test_watching_twice_stores_once_and_works_once(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    stored, notes = open_captions(clip), Notes()
    senses = [*make_tools(["shots", "subtitles", "visual_facts"]), notes]
    first = watch(clip, senses, stored)
    assert not first.already_watched
    assert first.captions_added == sum(first.by_tool.values()) == stored.count()
    assert first.by_tool["notes"] == 12
    assert first.gaps == []
    known = ids(stored)
    assert len(known) == len(set(known))

    second = watch(clip, senses, stored)
    assert second.already_watched
    assert second.captions_added == 0
    assert ids(stored) == known
    assert notes.runs == 1
    assert "had been watched before" in str(second)


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


def test_senses_that_have_seen_different_ranges_all_end_with_the_whole(
    clip: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    stored = open_captions(clip)
    one, two, three = Notes("one", None), Notes("two", None), Notes("three", 0.1)
    watch(clip, [one], stored, 2, 4)
    watch(clip, [two], stored, 3, 9)
    report = watch(clip, [one, two, three], stored)
    assert report.by_tool == {"one": 100, "two": 60, "three": 120}
    for tool in (one, two, three):
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


def test_a_range_that_is_none_is_refused(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    with pytest.raises(InvalidArgument, match="holds nothing"):
        watch(clip, [Notes()], open_captions(clip), 8, 4)


def test_progress_goes_forward_to_the_end(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    told: list[float] = []
    watch(clip, [Notes(every_seconds=None)], open_captions(clip), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(11.9)


def test_the_report_says_what_was_left_aside_and_why(
    sound_only: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    report = watch(sound_only, make_tools(), open_captions(sound_only))
    assert report.by_tool == {"speech_regions": 2}
    assert set(report.skipped) == {"subtitles", "shots", "ocr", "visual_facts"}
    assert "shots: nothing to do, there are no pictures" in str(report)


# What fails


@pytest.mark.parametrize("every_seconds", [1.0, None])
@pytest.mark.parametrize("fails_at", [0.0, 4.0, 11.0])
def test_a_sense_that_fails_leaves_a_gap_and_the_others_go_on(
    clip: Video, open_captions: Callable[..., VideoCaptions], fails_at: float, every_seconds: float | None
) -> None:
    stored = open_captions(clip)
    broken = Notes("broken", every_seconds, failing_at(fails_at, RuntimeError("out of luck")))
    report = watch(clip, [broken, Notes("well", every_seconds)], stored)
    (gap,) = report.gaps
    assert (gap.source, gap.start_seconds, gap.end_seconds) == ("broken", fails_at, clip.duration_seconds)
    assert gap.reason == "RuntimeError: out of luck"
    assert report.by_tool["well"] == (120 if every_seconds is None else 12)
    assert [c.end_seconds for c in stored.between() if c.source == "broken"][-1:] == ([fails_at] if fails_at else [])

    mended = Notes("broken", every_seconds)
    report = watch(clip, [mended, Notes("well", every_seconds)], stored)
    assert report.gaps == []
    assert [c.text for c in stored.between() if c.source == "broken"] == [
        c.text for c in stored.between() if c.source == "well"
    ]


def test_a_gap_that_is_watched_in_part_stays_in_part(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    stored = open_captions(clip)
    watch(clip, [Notes("broken", before=failing_at(3, RuntimeError("out of luck")))], stored)
    watch(clip, [Notes("broken")], stored, 0, 6)
    assert [(gap.start_seconds, gap.end_seconds) for gap in stored.gaps()] == [(6, clip.duration_seconds)]


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


def test_corrected_subtitles_replace_the_old_ones(
    tmp_path: Path, silent: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    words = tmp_path / "film.srt"
    video, notes = Video(tmp_path / "film.mp4"), Notes()
    stored = open_captions(video)
    words.write_text("1\n00:00:01,000 --> 00:00:02,000\nI scream.\n")
    watch(video, [*make_tools(["subtitles"]), notes], stored)
    words.write_text("1\n00:00:01,000 --> 00:00:02,000\nIce cream.\n")
    report = watch(video, [*make_tools(["subtitles"]), notes], stored)
    assert report.by_tool == {"subtitles": 1, "notes": 0}
    assert [c.text for c in stored.between(kinds=["speech"])] == ["Ice cream."]
    assert [hit.caption.text for hit in stored.search("scream", kinds=["speech"])] == ["Ice cream."]
    assert notes.runs == 1


def test_a_file_that_changed_is_a_new_video(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "film.mp4", [Scene(2, "", "white")])
    with CaptionStore(tmp_path / "memory") as store:
        before = Video(path)
        watch(before, [Notes()], store.captions_of(before.id))
        draw_video(path, [Scene(3, "", "navy")])
        after = Video(path)
        report = watch(after, [Notes()], store.captions_of(after.id))
        assert report.captions_added == 3
        assert len(store.video_ids()) == 2
        assert store.captions_of(before.id).count() == 2


# Interruptions


class Interrupt:
    """A progress that presses Ctrl-C once, when the video has been read up to a second."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, seconds: float) -> None:
        if seconds >= self.seconds:
            self.seconds = float("inf")
            raise KeyboardInterrupt


@pytest.mark.parametrize("line_up", [["shots", "visual_facts", "ocr"], ["speech_regions", "shots"]], ids="+".join)
def test_after_ctrl_c_the_next_watch_ends_as_if_nothing_had_been(
    voiced: Video, open_captions: Callable[..., VideoCaptions], line_up: list[str]
) -> None:
    senses = make_tools(line_up)
    whole = open_captions(voiced, "whole")
    watch(voiced, senses, whole)
    stored = open_captions(voiced)
    for seconds in (0.0, 4.0, 7.5, 11.0):
        with pytest.raises(KeyboardInterrupt):
            watch(voiced, senses, stored, progress=Interrupt(seconds))
        assert set(ids(stored)) <= set(ids(whole))
    report = watch(voiced, senses, stored)
    assert not report.gaps
    assert ids(stored) == ids(whole)


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
    assert report.by_tool == {"one": 120, "two": 120}


_CHILD = """
import sys
from videochat.agent.watch import watch
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import make_tools

video = Video(sys.argv[1])
store = CaptionStore(sys.argv[2])
watch(video, make_tools(sys.argv[3:]), store.captions_of(video.id), progress=lambda s: print(s, flush=True))
"""


@pytest.fixture(scope="module")
def long_video(drawn: Path) -> Video:
    """Ten minutes of scenes of a few seconds."""
    colours = ["white", "navy", "gold", "black", "tomato", "grey"]
    scenes = [Scene(3 + i % 5, "", colours[i % 6], moving=i % 2 == 0) for i in range(120)]
    return Video(draw_video(drawn / "ten_minutes.mp4", scenes, frame_rate=2, size=(64, 36)))


LINE_UP = ["shots", "visual_facts"]


@pytest.fixture(scope="module")
def uninterrupted(long_video: Video, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with CaptionStore(tmp_path_factory.mktemp("whole"), embeddings="builtin") as store:
        stored = store.captions_of(long_video.id)
        watch(long_video, make_tools(LINE_UP), stored)
        return ids(stored)


@pytest.mark.parametrize("killed_at", [0.0, 300.0])
def test_kill_9_loses_nothing_and_repeats_nothing(
    tmp_path: Path, long_video: Video, uninterrupted: list[str], killed_at: float
) -> None:
    memory = tmp_path / "memory"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(long_video.path), str(memory), *LINE_UP],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as said:
        assert any(float(line) >= killed_at for line in said), "it ended before it could be killed"
        child.kill()
    assert child.wait() == -signal.SIGKILL

    with CaptionStore(memory) as store:
        stored = store.captions_of(long_video.id)
        kept = ids(stored)
        assert len(kept) == len(set(kept))
        assert set(kept) <= set(uninterrupted)
        report = watch(long_video, make_tools(LINE_UP), stored)
        assert ids(stored) == uninterrupted
        assert report.captions_added == len(uninterrupted) - len(kept)
        assert report.gaps == []
        # What the killed process had stored is found like the rest.
        assert len(stored.search("shot", k=1000, kinds=["shot"])) == len(stored.between(kinds=["shot"]))


def test_the_uninterrupted_watch_saw_every_scene(long_video: Video, uninterrupted: list[str]) -> None:
    # 120 scenes, and a description every five seconds.
    assert len(uninterrupted) >= 120 + long_video.duration_seconds / 5


def test_reports_print_what_happened() -> None:
    report = WatchReport("film.mp4", 0, 65, captions_added=3, by_tool={"ocr": 3}, seconds=2.25)
    assert str(report) == "Watched film.mp4 00:00-01:05 in 2.2 s: 3 new captions.\n  ocr: 3"
