"""Questions about who speaks, answered from lines that say who says them."""

from __future__ import annotations

import pytest

from tests.fakes.harbour import asked, harbour, told
from videochat.agent.answers import find
from videochat.agent.speaker_answers import about_speakers
from videochat.media import Video
from videochat.memory import Hit
from videochat.records import Caption

LINES = (
    (1, 3, "Good morning, I am Clara Berg.", "Speaker 1"),
    (3, 5, "The boats arrive at nine.", "Speaker 1"),
    (6, 9, "Fresh fish is sold every morning.", "Speaker 2"),
    (10, 12, "How much is it?", "Speaker 1"),
    (12, 13, "Three crowns.", "Speaker 2, Speaker 1"),
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return harbour(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="module")
def lines(video: Video) -> list[Caption]:
    return [
        Caption(video.id, a, b, "speech", text, "by hand", attributes={"speaker": who}) for a, b, text, who in LINES
    ]


CLARA = "Speaker 1 may be Clara Berg, who says: “Good morning, I am Clara Berg.”"


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("Who says that fish is sold?", ["Speaker 2 says: “Fresh fish is sold every morning.”"]),
        ("Who says that the boats arrive?", ["Speaker 1 says: “The boats arrive at nine.”", CLARA]),
        (
            "What does speaker 2 say?",
            ["Speaker 2 says: “Fresh fish is sold every morning.”", "Speaker 2, Speaker 1 says: “Three crowns.”"],
        ),
        ("What does Clara say about boats?", ["Speaker 1 says: “The boats arrive at nine.”"]),
        ("When does speaker 2 speak?", ["Speaker 2 speaks at 00:06–00:09 and 00:12–00:13."]),
        ("How long does speaker 2 speak?", ["Speaker 2 speaks for 4.0 seconds."]),
        ("How many people speak?", ["2 different voices speak."]),
        ("Who is speaker 1?", [CLARA]),
        ("Wer sagt etwas über boats?", ["Speaker 1 sagt: „The boats arrive at nine.“"]),
        (
            "Who speaks?",
            [
                "Speaker 1 speaks at 00:01–00:03, 00:03–00:05, 00:10–00:12 and 00:12–00:13.",
                "Speaker 2 speaks at 00:06–00:09 and 00:12–00:13.",
                CLARA,
            ],
        ),
        ("What is on the table?", []),
    ],
)
def test_who_says_what(video: Video, lines: list[Caption], question: str, sentences: list[str]) -> None:
    found = about_speakers(asked(question, video, lines, hits=[Hit(line) for line in lines]))
    if question.startswith("Wer"):
        found = found[:1]
    assert [text for text, _ in told(found)] == sentences


def test_what_is_quoted_says_who_says_it(video: Video, lines: list[Caption]) -> None:
    question = asked("What is sold every morning?", video, lines, hits=[Hit(line) for line in lines])
    answered = find(question.query, question.notes, question.hits)
    assert [finding.text for finding in answered.findings] == ["Speaker 2 says: “Fresh fish is sold every morning.”"]


def test_without_voices_nothing_is_said_of_them(video: Video) -> None:
    line = Caption(video.id, 1, 3, "speech", "Good morning.", "by hand")
    assert about_speakers(asked("Who says good morning?", video, [line], hits=[Hit(line)])) == []
