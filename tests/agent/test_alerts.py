"""An alert is raised once a second look agrees, once for an event, and not in the cool-down."""

from __future__ import annotations

from pathlib import Path

import pytest

from videochat.agent.alerts import Alert, AlertRule, check_senses
from videochat.errors import InvalidArgument
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import LiveSource
from videochat.records import Caption, Judgement
from videochat.tools import make_tools


@pytest.fixture
def recording(tmp_path: Path) -> LiveRecording:
    folder = RecordingFolder(LiveSource.parse("tcp://camera:1"), tmp_path / "recording")
    folder.begin()
    folder.note_beginning(1_772_618_400.0)
    folder.end()
    return LiveRecording(folder)


def person(recording: LiveRecording, start: float, end: float | None = None) -> Caption:
    stamped = Caption(recording.id, start, end or start + 1, "objects", "a person", "eyes")
    return recording.stamped(stamped)


def rule(*judgements: Judgement, cool_down: float = 60.0) -> tuple[AlertRule, list[Alert]]:
    said: list[Alert] = []
    looks = iter(judgements)
    return AlertRule("a person enters", lambda *_: (next(looks), "why"), said.append, cool_down), said


def test_an_event_that_goes_on_is_one_alert(recording: LiveRecording) -> None:
    watched, said = rule("confirmed", "confirmed", cool_down=10.0)
    watched.check(recording, [person(recording, 5)])
    watched.check(recording, [person(recording, 5), person(recording, 6), person(recording, 8, 30)])
    watched.check(recording, [person(recording, 31)])
    assert [alert.caption.start_seconds for alert in said] == [5]
    watched.check(recording, [person(recording, 50)])
    assert [alert.caption.start_seconds for alert in said] == [5, 50]
    assert vars(watched.counts) == {
        "noticed": 5, "confirmed": 2, "rejected": 0, "unverified": 0, "held": 3, "failed": 0
    }  # fmt: skip


def test_none_in_the_cool_down(recording: LiveRecording) -> None:
    watched, said = rule("confirmed", "confirmed")
    watched.check(recording, [person(recording, 5), person(recording, 30), person(recording, 66)])
    assert [alert.caption.start_seconds for alert in said] == [5, 66]


def test_what_is_not_confirmed_is_told_as_such(recording: LiveRecording) -> None:
    watched, said = rule("rejected", "unverified", "confirmed")
    watched.check(recording, [person(recording, 5, 9), person(recording, 6), person(recording, 8.5, 12)])
    watched.check(recording, [person(recording, 11, 13)])
    assert [alert.judgement for alert in said] == ["rejected", "unverified", "confirmed"]
    assert watched.counts.held == 1
    assert str(said[0]).startswith("rejected: a person enters at 00:05, 2026-03-04 ")
    told = said[2].as_dict()
    assert told["citation"]["text"] == "a person"
    assert told["wall_clock"] == recording.wall_clock(11)
    assert (told["picture"], told["clip"]) == (None, None)  # nothing of it is kept


def test_what_was_there_before_and_what_cannot_be_told(recording: LiveRecording) -> None:
    watched, said = rule("confirmed")
    watched.pass_over([person(recording, 5)])
    watched.check(recording, [person(recording, 5)])
    assert said == []

    def fail(_: Alert) -> None:
        raise OSError("no room")

    watched.tell = fail
    watched.check(recording, [person(recording, 9)])
    assert watched.counts.failed == 1


def test_conditions_and_senses_that_are_none() -> None:
    for condition in ("", "  ", "?"):
        with pytest.raises(InvalidArgument, match="A condition says in words"):
            AlertRule(condition, lambda *_: ("confirmed", ""), print)
    with pytest.raises(InvalidArgument, match="words alone"):
        check_senses(make_tools(["ocr", "subtitles"]))
    assert "No sense of the line-up names people" in check_senses(make_tools(["shots", "visual_facts"]))
    assert check_senses(make_tools(["objects", "ocr"])) == ""
