"""Turns of voices joined to words, and the names that words give to voices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from videochat.agent.speakers import join_speakers, name_claims, speakers_in
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.records import AttributeValue, Caption, Kind

Open = Callable[..., VideoCaptions]


def note(video: Video, start: float, end: float, kind: Kind, text: str, **attributes: AttributeValue) -> Caption:
    return Caption(video.id, start, end, kind, text, "by hand", attributes=attributes)


def turn(video: Video, start: float, end: float, number: int) -> Caption:
    name = f"Speaker {number}"
    return note(video, start, end, "speech", f"{name} speaks", words_known=False, speaker=name)


def said(stored: VideoCaptions) -> list[tuple[str, AttributeValue | None]]:
    lines = [c for c in stored.between(kinds=["speech"]) if c.attributes.get("words_known") is not False]
    return [(caption.text, caption.attributes.get("speaker")) for caption in lines]


def test_words_get_the_voice_of_their_time_and_both_where_two_overlap(voiced: Video, open_captions: Open) -> None:
    stored = open_captions(voiced)
    lines = [(0, 2, "Hello."), (2, 4, "Both of us."), (4.5, 6, "Goodbye."), (8, 9, "Nobody knows.")]
    given = note(voiced, 6, 7, "speech", "I have a name.", speaker="Anna")
    turns = [turn(voiced, 0, 3.1, 1), turn(voiced, 2.5, 6.9, 2), turn(voiced, 1.9, 2.0, 2)]
    stored.record([*(note(voiced, *line[:2], "speech", line[2]) for line in lines), given, *turns])
    assert join_speakers(stored) == 3
    expected = [
        ("Hello.", "Speaker 1"),
        ("Both of us.", "Speaker 2, Speaker 1"),
        ("Goodbye.", "Speaker 2"),
        ("I have a name.", "Anna"),
        ("Nobody knows.", None),
    ]
    assert said(stored) == expected
    assert join_speakers(stored) == 0, "again it changes nothing"
    # Turns that were taken back are taken back from the words.
    stored.replace([t.id for t in turns], [], {})
    join_speakers(stored)
    assert [who for _, who in said(stored)] == [None, None, None, "Anna", None]


def test_a_breath_of_another_is_no_share(voiced: Video) -> None:
    caption = note(voiced, 0, 8, "speech", "A long sentence.")
    assert speakers_in(caption, [turn(voiced, 0, 8, 1), turn(voiced, 3, 3.5, 2)]) == ["Speaker 1"]
    assert speakers_in(caption, [turn(voiced, 7.8, 9, 2)]) == ["Speaker 2"], "nobody else does"
    assert speakers_in(caption, []) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Good evening, I am Clara Berg, and this is the news.", "Clara Berg"),
        ("My name is Li.", "Li"),
        ("Guten Abend, ich heiße Jürgen von Moos.", "Jürgen von Moos"),
        ("Je m'appelle Zoé.", "Zoé"),
        ("I am American.", ""),
        ("I'm happy to be here.", ""),
        ("He says that I am late.", ""),
    ],
)
def test_a_name_is_a_claim_with_what_says_it(voiced: Video, text: str, name: str) -> None:
    line = note(voiced, 1, 3, "speech", text, speaker="Speaker 2")
    found = [(claim.speaker, claim.name, claim.evidence) for claim in name_claims([line])]
    assert found == ([("Speaker 2", name, line)] if name else [])
    both = note(voiced, 1, 3, "speech", text, speaker="Speaker 2, Speaker 1")
    assert not name_claims([both]), "nobody knows which of two says it"


def test_a_plate_at_the_longest_turn_names_a_voice(voiced: Video) -> None:
    short, long = (note(voiced, *span, "speech", "Yes.", speaker="Speaker 1") for span in ((0, 1), (4, 9)))
    plate, other = note(voiced, 5, 8, "ocr", "Maria Lopez"), note(voiced, 0, 1, "ocr", "Peter Pan")
    (claim,) = name_claims([other, short, long, plate])
    assert (claim.speaker, claim.name, claim.evidence) == ("Speaker 1", "Maria Lopez", plate)
    news = note(voiced, 5, 8, "ocr", "Prices rise by 3 percent")
    assert not name_claims([short, long, news])
    assert not name_claims([short, long, plate, note(voiced, 5, 8, "ocr", "New York")]), "which of two is not known"
