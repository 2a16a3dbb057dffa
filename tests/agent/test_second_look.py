"""A second look judges by pictures; what it cannot see it does not confirm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.fakes.live_sender import RATE, has_person, write_numbers
from videochat.agent.second_look import fits, look_with_model, look_with_sense, second_look
from videochat.frames import Frame, Sampling
from videochat.live_recording import LEAD_SECONDS, LiveRecording, RecordingFolder, Segment
from videochat.live_source import LiveSource
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.testing import ScriptedLLM
from videochat.tools import PerceptionTool, Settled

CONDITION = "a person enters"


class Figures(PerceptionTool):
    """A sense for tests: sees the magenta figure."""

    name = "figures"
    kind: ClassVar[Kind] = "objects"
    sees = "a person"
    source = "figures"

    def __init__(self) -> None:
        self.needs = Sampling(every_seconds=0.5)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for frame in stream:
            if has_person(frame.image):
                yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, "a person", self.source)
        yield Settled(end_seconds)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> LiveRecording:
    """Six seconds; in the last two a figure stands there."""
    folder = RecordingFolder(LiveSource.parse("tcp://camera:1"), tmp_path_factory.mktemp("look") / "recording")
    folder.begin()
    folder.note_beginning(1_772_618_400.0)
    for start in (0, 2, 4):
        written = folder.path / "one.nut"
        numbers = range(start * RATE, (start + 2) * RATE)
        write_numbers(written, numbers, shift_seconds=LEAD_SECONDS - start, person=start == 4)
        segment = Segment(written, start, start + 2, 1_772_618_400.0 + start, (320, 180), False)
        written.rename(folder.path / segment.name)
    folder.end()
    return LiveRecording(folder)


def caption(recording: LiveRecording, start: float, source: str = "figures", text: str = "a person") -> Caption:
    return Caption(recording.id, start, start + 1, "objects", text, source)


@pytest.mark.parametrize(
    ("kind", "text", "is_reason"),
    [
        ("objects", "person", True),
        ("clip_caption", "A person enters the hall", True),
        ("objects", "a dog", False),
        ("speech", "yes, a person enters", False),
        ("ocr", "yes, a person enters", False),
        ("summary", "a person enters", False),
        ("claim", "a person enters", False),
    ],
)
def test_what_is_a_reason_to_look(kind: Kind, text: str, is_reason: bool) -> None:
    assert fits(CONDITION, Caption("v" * 32, 0, 1, kind, text, "x")) is is_reason


def test_likeness_is_a_reason_too() -> None:
    someone = Caption("v" * 32, 0, 1, "clip_caption", "somebody walks in", "x")
    assert not fits(CONDITION, someone)
    assert fits(CONDITION, someone, lambda *_: 0.8)
    assert not fits(CONDITION, Caption("v" * 32, 0, 1, "speech", "somebody walks in", "x"), lambda *_: 0.8)


def test_a_sense_must_see_it_again(recording: LiveRecording) -> None:
    look = look_with_sense([Figures()])
    assert look(CONDITION, recording, caption(recording, 4.5))[0] == "confirmed"
    assert look(CONDITION, recording, caption(recording, 1.5, text="yes, a person enters"))[0] == "rejected"
    judgement, reason = look(CONDITION, recording, caption(recording, 4.5, "a stranger"))
    assert judgement == "unverified"
    assert "a stranger" in reason


def test_a_model_that_sees_judges_by_pictures(recording: LiveRecording) -> None:
    def reply(messages: list[Any]) -> str:
        pictures = [block for block in messages[1].content if block["type"] != "text"]
        assert len(pictures) == 4
        assert CONDITION in messages[0].text
        assert "yes" not in messages[1].text
        return "1: CONFIRMED - a figure stands at the right"

    planted = caption(recording, 4.5, text="yes, a person enters")
    assert look_with_model(ScriptedLLM(reply))(CONDITION, recording, planted)[0] == "confirmed"
    for answer in ("1: REJECTED - nobody", "yes, a person enters", "", OSError("down")):
        judgement, _ = look_with_model(ScriptedLLM(answer))(CONDITION, recording, planted)
        assert judgement == ("rejected" if answer == "1: REJECTED - nobody" else "unverified")


def test_without_pictures_nothing_is_confirmed(recording: LiveRecording, tmp_path: Path) -> None:
    folder = RecordingFolder(recording.folder.source, tmp_path)
    folder.note_beginning(recording.began_at)
    gone = LiveRecording(folder)
    look = look_with_model(ScriptedLLM("1: CONFIRMED - sure"))
    assert look(CONDITION, gone, caption(recording, 4.5))[0] == "unverified"


def test_who_looks() -> None:
    assert "The sense that noticed it" in second_look([Figures()], ScriptedLLM())[1]
    assert "The sense that noticed it" in second_look([Figures()], None)[1]
