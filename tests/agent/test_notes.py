"""What was noted of one video, grouped as answers need it."""

from typing import Any, cast

import pytest

from videochat.agent.notes import (
    Notes,
    at_most,
    best_of,
    by_overlap,
    crowd,
    joined_sentences,
    known_first,
    length_of,
    longest_of,
    range_text,
    same_moment,
    spread,
    when,
)
from videochat.media import Video
from videochat.memory import Hit, appearances
from videochat.records import AttributeValue, Caption, Kind


def caption(
    start: float, end: float, text: str, kind: Kind = "speech", track: int | None = None, **attributes: AttributeValue
) -> Caption:
    return Caption("v1", start, end, kind, text, "test", track_id=track, attributes=attributes)


def notes(*captions: Caption) -> Notes:
    return Notes(cast("Video", None), list(captions))


def spans(hits: list[Hit]) -> list[tuple[float, float]]:
    return [(hit.start_seconds, hit.end_seconds) for hit in hits]


def test_equal_captions_that_touch_are_one() -> None:
    found = notes(caption(0, 2, "HELLO", "ocr"), caption(2, 4, "HELLO", "ocr"), caption(9, 10, "HELLO", "ocr"))
    assert spans(found.of("ocr")) == [(0, 4), (9, 10)]
    assert found.of("speech") == []


def test_the_parts_of_a_shot_are_one_and_a_sudden_change_is_none() -> None:
    found = notes(
        caption(0, 60, "one shot", "shot", continues=True),
        caption(30, 31, "a flash", "shot", event="sudden_change"),
        caption(60, 70, "one shot", "shot"),
        caption(70, 80, "one shot", "shot"),
    )
    assert spans(found.of("shot")) == [(0, 70), (70, 80)]


def test_speech_whose_words_are_unknown_is_no_line_of_speech() -> None:
    unknown = caption(0, 4, "somebody speaks", words_known=False)
    found = notes(unknown, caption(5, 6, "Hello."))
    assert [hit.caption.text for hit in found.of("speech")] == ["Hello."]
    assert [hit.caption.text for hit in known_first([Hit(unknown), Hit(found.captions[1])])] == [
        "Hello.",
        "somebody speaks",
    ]


def test_things_are_counted_once() -> None:
    found = notes(caption(0, 4, "cup", "objects", track=1), caption(4, 6, "cup", "objects", track=1))
    (cups,) = found.things
    assert (cups.name, cups.count, cups.seconds) == ("cup", 1, 6)


@pytest.mark.parametrize(
    ("lines", "sentences"),
    [
        (["Now the milk", "is poured.", "Stir."], [["Now the milk", "is poured."], ["Stir."]]),
        (["Is it hot?", "yes"], [["Is it hot?"], ["yes"]]),
        (["he said “stop.”", "then he left"], [["he said “stop.”"], ["then he left"]]),
        (["no full stop", "Capital begins"], [["no full stop"], ["Capital begins"]]),
        (["after a comma,", "Anna goes on."], [["after a comma,", "Anna goes on."]]),
        (["倒牛奶。", "然后"], [["倒牛奶。"], ["然后"]]),
        ([str(i) for i in range(8)], [[str(i) for i in range(6)], ["6", "7"]]),
        ([], []),
    ],
)
def test_lines_of_speech_are_joined_to_sentences(lines: list[str], sentences: list[list[str]]) -> None:
    hits = [Hit(caption(i, i + 1, line)) for i, line in enumerate(lines)]
    assert [[hit.caption.text for hit in group] for group in joined_sentences(hits)] == sentences


def test_a_pause_ends_a_sentence() -> None:
    far = [Hit(caption(0, 1, "now the milk")), Hit(caption(3, 4, "is poured"))]
    assert len(joined_sentences(far)) == 2


def test_pieces_of_one_caption_are_the_same_moment() -> None:
    one = Hit(caption(0, 2, "milk"), span=(0, 5))
    assert same_moment(one, Hit(caption(3, 4, "milk")))
    assert not same_moment(one, Hit(caption(5, 6, "milk")))
    assert not same_moment(one, Hit(caption(3, 4, "sugar")))


def test_what_lies_in_a_range_comes_before_what_reaches_out_of_it() -> None:
    whole, late, early = (Hit(caption(*span, "milk")) for span in ((0, 100), (12, 14), (10, 12)))
    assert by_overlap([whole, late, early], (10, 15)) == [early, late, whole]


def test_times_are_written_as_in_a_sentence() -> None:
    assert range_text(3, 5.9) == "00:03–00:06"
    assert range_text(3.1, 3.9) == "00:03"
    hit = Hit(caption(3, 4, "milk"), span=(3, 65))
    assert (when(hit), length_of(hit)) == ("00:03–01:05", 62)


@pytest.fixture
def cups() -> Any:
    """Three cups, of which the first two are in sight together from second 2 to 4, all three never."""
    (thing,) = appearances(
        [
            caption(0, 4, "cup", "objects", track=1),
            caption(2, 5, "cup", "objects", track=2),
            caption(6, 16, "cup", "objects", track=3),
        ]
    )
    return thing


def test_a_crowd_is_when_most_are_in_sight(cups: Any) -> None:
    start, end, there = crowd(cups)
    assert (start, end, [hit.caption.track_id for hit in there]) == (2, 4, [1, 2])
    assert at_most(cups) == there
    assert longest_of(cups).caption.track_id == 3


def test_the_best_is_the_highest_or_the_lowest() -> None:
    hits = [Hit(caption(0, end, "shot", "shot")) for end in (3, 1, 2)]
    assert best_of(hits, length_of, high=True) == hits[0]
    assert best_of(hits, length_of, high=False) == hits[1]
    assert best_of([], length_of, high=True) is None


def test_what_is_spread_keeps_its_first_and_last() -> None:
    assert spread(range(10), 4) == [0, 3, 6, 9]
    assert spread([1, 2], 4) == [1, 2]
