"""Equal captions that touch are one interval each."""

from typing import Any

import pytest

from videochat.memory import Hit
from videochat.memory.merged import merge_equal
from videochat.records import Caption, Kind


def caption(start: float, end: float, text: str = "cup", kind: Kind = "ocr", **more: Any) -> Caption:
    return Caption("v1", start, end, kind, text, more.pop("source", "test"), **more)


def spans(*captions: Caption) -> list[tuple[float, float]]:
    return [(hit.start_seconds, hit.end_seconds) for hit in merge_equal(captions)]


def test_what_touches_is_one_and_what_comes_back_is_another() -> None:
    assert spans(caption(0, 2), caption(2, 4), caption(4.4, 5), caption(9, 10)) == [(0, 5), (9, 10)]
    assert spans(caption(0, 2), caption(2.6, 4)) == [(0, 2), (2.6, 4)]
    assert spans() == []


def test_the_first_stands_for_all_and_what_stands_alone_has_no_span() -> None:
    first, second, other = caption(0, 2), caption(2, 4), caption(1, 2, "saucer")
    assert merge_equal([second, other, first]) == [Hit(first, span=(0, 4)), Hit(other)]


def test_they_come_in_temporal_order_also_where_one_lies_within_the_other() -> None:
    whole, part = caption(0, 10), caption(3, 4)
    assert merge_equal([part, whole]) == [Hit(whole, span=(0, 10))]


@pytest.mark.parametrize(
    ("other", "one"),
    [
        (caption(2, 4), True),
        (caption(2, 4, "CUP!"), True),
        (caption(2, 4, source="another"), True),
        (caption(2, 4, "saucer"), False),
        (caption(2, 4, kind="speech"), False),
        (caption(2, 4, "cups"), False),
        (caption(2, 4, box=(300, 200, 310, 210)), True),
    ],
)
def test_the_same_is_said_by_equal_words_of_one_kind_by_whatever_source(other: Caption, one: bool) -> None:
    assert len(spans(caption(0, 2), other)) == (1 if one else 2)


def test_signs_without_words_are_compared_as_they_are() -> None:
    assert len(spans(caption(0, 2, "!!!"), caption(2, 4, "!!!"))) == 1
    assert len(spans(caption(0, 2, "!!!"), caption(2, 4, "???"))) == 2


@pytest.mark.parametrize("kind", ["objects", "dense_caption"])
def test_things_are_the_same_only_in_one_part_of_the_picture(kind: Kind) -> None:
    here, near, far = ((x, 100, x + 100, 200) for x in (100, 110, 500))
    assert len(spans(caption(0, 2, kind=kind, box=here), caption(2, 4, kind=kind, box=near))) == 1
    assert len(spans(caption(0, 2, kind=kind, box=here), caption(2, 4, kind=kind, box=far))) == 2


def test_things_that_were_followed_are_told_apart_by_their_number_wherever_they_go() -> None:
    one = caption(0, 2, kind="objects", track_id=1, box=(0, 0, 10, 10))
    gone_on = caption(2, 4, kind="objects", track_id=1, box=(300, 0, 310, 10))
    another = caption(2, 4, kind="objects", track_id=2, box=(0, 0, 10, 10))
    assert spans(one, gone_on, another) == [(0, 4), (2, 4)]


def test_measurements_stay_apart() -> None:
    assert spans(caption(0, 2, kind="measure"), caption(2, 4, kind="measure")) == [(0, 2), (2, 4)]
