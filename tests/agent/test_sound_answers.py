"""Questions about music, applause and noises, answered from what was heard."""

from __future__ import annotations

import pytest

from tests.fakes.harbour import asked, harbour, noted, told
from videochat.agent.sound_answers import about_events
from videochat.media import Video
from videochat.records import Caption

HEARD = (
    (0.0, 6.0, "music"),
    (12.0, 15.5, "music"),
    (3.0, 5.0, "keyboard (musical)"),
    (16.0, 18.0, "applause"),
    (8.0, 9.0, "vehicle horn, car horn, honking"),
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return harbour(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="module")
def captions(video: Video) -> list[Caption]:
    return [*noted(video), *(Caption(video.id, start, end, "sound", text, "by hand") for start, end, text in HEARD)]


MUSIC = "Music is heard at 00:00–00:06 and 00:12–00:16."


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("Is there music?", [MUSIC]),
        ("When is there a song?", [MUSIC]),
        ("Is there any music in the first 10 seconds?", ["Music is heard at 00:00–00:06."]),
        ("How long is music heard?", ["Music is heard for 9.5 seconds."]),
        ("When do people clap?", ["Applause is heard at 00:16–00:18."]),
        ("Does a horn honk?", ["Vehicle horn, car horn, honking is heard at 00:08–00:09."]),
        ("Is a keyboard heard?", ["Keyboard (musical) is heard at 00:03–00:05."]),
        ("Gibt es Musik?", ["Zu hören ist music, 00:00–00:06 und 00:12–00:16."]),
        ("有掌声吗？", ["00:16–00:18 可以听到 applause。"]),
        (
            "What sounds can be heard?",
            [
                MUSIC,
                "Keyboard (musical) is heard at 00:03–00:05.",
                "Applause is heard at 00:16–00:18.",
                "Vehicle horn, car horn, honking is heard at 00:08–00:09.",
            ],
        ),
        # Nothing of the kind was heard, or something else is asked.
        ("Does a dog bark?", []),
        ("What does he say about music?", []),
        ("Does the video have sound?", []),
        ("What is written on the screen?", []),
        ("What is said after the applause?", []),
    ],
)
def test_what_is_heard(video: Video, captions: list[Caption], question: str, sentences: list[str]) -> None:
    assert [text for text, _ in told(about_events(asked(question, video, captions)))] == sentences
