"""A watch loses nothing, repeats nothing, and says what it could not see."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.watching import Notes, failing_at, ids
from videochat.agent import VideoAgent
from videochat.agent.watch import WatchReport, group_by_memory, watch
from videochat.errors import InvalidArgument
from videochat.hub import Weights
from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions
from videochat.testing import Scene, draw_video
from videochat.tools import make_tools

pytestmark = pytest.mark.timeout(90)


def test_watching_twice_stores_once_and_works_once(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    stored, notes = open_captions(clip), Notes()
    senses = [*make_tools(["shots", "subtitles", "visual_facts"]), notes]
    first = watch(clip, senses, stored)
    assert not first.already_watched
    assert first.captions_added == sum(first.by_sense.values()) == stored.count()
    assert first.by_sense["notes"] == 12
    assert first.gaps == []
    known = ids(stored)
    assert len(known) == len(set(known))

    second = watch(clip, senses, stored)
    assert second.already_watched
    assert second.captions_added == 0
    assert ids(stored) == known
    assert notes.runs == 1
    assert "had been watched before" in str(second)


def test_where_no_sense_has_anything_to_do_it_is_said(
    tmp_path: Path, open_captions: Callable[..., VideoCaptions]
) -> None:
    video = Video(draw_video(tmp_path / "plain.mp4", [Scene(2, "", "gray")]))
    report = watch(video, make_tools(["subtitles"]), open_captions(video))
    assert not report.already_watched
    assert "subtitles: nothing to do, there are no subtitles to read" in str(report)


def test_a_video_that_is_deleted_while_it_is_watched_is_said_to_be(
    tmp_path: Path, open_captions: Callable[..., VideoCaptions]
) -> None:
    video = Video(draw_video(tmp_path / "plain.mp4", [Scene(2, "", "gray")]))
    stored = open_captions(video)
    video.path.unlink()
    assert [gap.reason for gap in watch(video, [Notes()], stored).gaps] == ["plain.mp4 was moved or deleted meanwhile"]


def test_a_file_that_grows_meanwhile_is_said_to_have_changed(
    tmp_path: Path, open_captions: Callable[..., VideoCaptions]
) -> None:
    video = Video(draw_video(tmp_path / "grows.ts", [Scene(2, "", "gray")]))
    more = video.path.read_bytes()

    class Growing(Notes):
        def perceive(self, *given: Any) -> Any:
            with video.path.open("ab") as file:
                file.write(more)
            yield from super().perceive(*given)

    assert any("the file changed" in line for line in watch(video, [Growing()], open_captions(video)).remarks)
    assert not watch(Video(video.path), [Notes()], open_captions(Video(video.path))).remarks


def test_a_range_that_is_none_is_refused(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    with pytest.raises(InvalidArgument, match="holds nothing"):
        watch(clip, [Notes()], open_captions(clip), 8, 4)


def test_the_report_says_what_was_left_aside_and_why(
    sound_only: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    report = watch(sound_only, make_tools(), open_captions(sound_only))
    assert report.by_sense["speech_regions"] == 2
    assert set(report.by_sense) == {"speech_regions", "loudness"}
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
    assert report.by_sense["well"] == (120 if every_seconds is None else 12)
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
    assert report.by_sense == {"subtitles": 1, "notes": 0}
    assert [c.text for c in stored.between(kinds=["speech"])] == ["Ice cream."]
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


def test_reports_print_what_happened() -> None:
    report = WatchReport("film.mp4", 0, 65, captions_added=3, by_sense={"ocr": 3}, seconds=2.25)
    assert str(report) == "Watched film.mp4 00:00-01:05 in 2.2 s: 3 new captions.\n  ocr: 3"


def test_a_report_is_plain_data_also_under_the_old_name() -> None:
    report = WatchReport("film.mp4", 0, 65, captions_added=3, by_sense={"ocr": 3})
    assert report.as_dict()["by_sense"] == report.as_dict()["by_tool"] == {"ocr": 3}
    with pytest.warns(DeprecationWarning, match="is now .by_sense"):
        assert report.by_tool == {"ocr": 3}


def test_the_old_keyword_still_works(clip: Video, open_captions: Callable[..., VideoCaptions]) -> None:
    with pytest.warns(DeprecationWarning, match="'tools' of watch\\(\\) is now 'senses'"):
        report = watch(clip, tools=[Notes()], stored=open_captions(clip))  # type: ignore[call-arg]  # the old name is what is tested
    assert report.by_sense == {"notes": 12}


class Heavy(Notes):
    """A sense with a model of a given size."""

    def __init__(self, name: str, gigabytes: float) -> None:
        super().__init__(name)
        self.weights = Weights(f"somebody/{name}", "1", "MIT", 1, 1)
        self.gigabytes = gigabytes
        self.closed = 0

    def memory_bytes(self) -> int:
        return int(self.gigabytes * 1e9)

    def close(self) -> None:
        self.closed += 1


def test_models_that_do_not_fit_together_run_after_one_another(
    clip: Video, open_captions: Callable[..., VideoCaptions]
) -> None:
    light, small, large, huge = Notes("light"), Heavy("small", 1), Heavy("large", 3), Heavy("huge", 9)
    groups = group_by_memory([huge, light, small, large], 4.5)
    assert [[sense.name for sense in group] for group in groups] == [["light", "huge"], ["small", "large"]]
    stored = open_captions(clip)
    report = watch(clip, [light, small, large, huge], stored, models_gb=4.5)
    assert set(report.by_sense.values()) == {12}
    assert (small.closed, large.closed, huge.closed) == (1, 1, 0), "those of the last pass stay for the next watch"


@pytest.mark.parametrize("models_gb", [0, -1, float("nan")])
def test_a_budget_that_is_none_is_refused(models_gb: float) -> None:
    with pytest.raises(InvalidArgument, match="must be a number above 0"):
        group_by_memory([], models_gb)


def test_subtitles_that_come_later_replace_what_was_heard_and_go_with_their_file(tmp_path: Path) -> None:
    clip = draw_video(tmp_path / "talk.mp4", [Scene(8.0)], speech=[(1.0, 4.0)])
    subtitles = tmp_path / "talk.srt"
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:

        def said() -> list[str]:
            agent = VideoAgent(clip, preset=["subtitles", "speech_regions"], memory=store, llm="extractive")
            agent.watch()
            return [caption.text for caption in agent.captions("speech")]

        heard = said()
        assert heard
        assert not any("Good morning" in text for text in heard)
        subtitles.write_text("1\n00:00:01,000 --> 00:00:04,000\nGood morning.\n")
        assert said() == ["Good morning."]
        subtitles.unlink()
        assert said() == heard
