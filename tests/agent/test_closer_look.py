"""A sense again over a range, more densely; what it loads for one look serves the next."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.watching import Ears, Notes, failing_at
from videochat.agent.video_set import VideoSet
from videochat.errors import InvalidArgument, MissingDependency, UnknownName, VideoChatError
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import PerceptionTool


@pytest.fixture
def make(clip: Video, tmp_path: Path) -> Iterator:
    made: list[VideoSet] = []

    def make(*senses: PerceptionTool | str) -> VideoSet:
        made.append(VideoSet([clip], preset=list(senses), memory=CaptionStore(tmp_path, embeddings="builtin")))
        return made[-1]

    yield make
    for video_set in made:
        video_set.close()


def test_a_look_is_denser_and_stands_in_place_of_the_first_in_its_range(make, clip: Video) -> None:
    videos = make(Notes())
    videos.watch(clip)
    found, how = videos.look(clip, 2, 4)
    assert how == "looked with notes at 4 pictures a second"
    assert [caption.start_seconds for caption in found] == [2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 3.75]
    assert {caption.source for caption in found} == {"notes@4fps"}
    stored = videos.captions_of(clip)
    first = [c.start_seconds for c in stored.between() if c.source == "notes"]
    assert first == [0.0, 1.0, *(float(second) for second in range(4, 12))]
    assert len([c for c in stored.state.captions.values() if c.source == "notes"]) == 12, "the store keeps them all"
    assert videos.senses[0].source == "notes", "the sense of the line-up is left as it is"


def test_a_long_range_is_seen_at_a_lower_rate_and_says_so(make, clip: Video) -> None:
    found, how = make(Notes()).look(clip, 0, 12, rate=40)
    assert "at 16 pictures a second (at most 240 pictures; take a shorter range" in how
    assert len(found) <= 240


def test_the_question_decides_which_sense_looks(make, clip: Video) -> None:
    videos = make("ocr", Notes(), "subtitles")
    assert videos.senses_to_look_again() == ["ocr", "notes"]
    assert "looked with ocr at" in videos.look(clip, 0, 1, question="What text is on the screen?")[1]
    assert "looked with ocr, notes at" in videos.look(clip, 0, 1, question="Who is there?")[1]


def test_a_sense_outside_of_the_line_up_can_look(make, clip: Video) -> None:
    videos = make(Notes())
    found, _ = videos.look(clip, 0, 2, tool="ocr")
    assert "WELCOME" in found[0].text


def test_what_cannot_look_is_one_sentence(make, clip: Video) -> None:
    with pytest.raises(InvalidArgument, match="No sense of this line-up can look again"):
        make("subtitles").look(clip, 0, 2)
    with pytest.raises(UnknownName, match="Did you mean 'ocr'"):
        make(Notes()).look(clip, 0, 2, tool="orc")
    with pytest.raises(MissingDependency, match="Florence"):
        make(Notes()).look(clip, 0, 2, tool="captions")
    with pytest.raises(InvalidArgument, match="holds nothing"):
        make(Notes()).look(clip, 20, 30)


def test_a_sense_that_fails_or_has_nothing_to_do_says_why(make, clip: Video, silent: Video) -> None:
    broken = Notes(before=failing_at(0, RuntimeError("out of luck")))
    with pytest.raises(VideoChatError, match="'notes' could not see this range: RuntimeError: out of luck"):
        make(broken).look(clip, 0, 2)
    with pytest.raises(InvalidArgument, match="'ears' has nothing to do here: there is no sound track"):
        make(Ears("ears")).look(silent, 0, 2, tool="ears")


def test_closing_frees_what_the_looks_have_loaded(make, clip: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(Notes, "close", lambda self: closed.append(self.source))
    videos = make(Notes())
    videos.look(clip, 0, 1)
    videos.look(clip, 1, 2, rate=2)
    videos.close()
    assert sorted(closed) == ["notes", "notes@2fps"]


def test_odd_rates_add_no_captions_without_end(make, clip: Video) -> None:
    videos = make(Notes())
    for rate in (2.1, 2.5, math.pi, 3.999, 4):
        videos.look(clip, 0, 2, rate=rate)
    stored = videos.captions_of(clip).state.captions.values()
    assert {c.source for c in stored if c.kind != "summary"} == {"notes@4fps"}
