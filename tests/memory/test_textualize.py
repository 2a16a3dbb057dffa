"""Table 1 of the paper goes in as captions and comes out as the table prints it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from videochat.memory import textualize
from videochat.records import Caption, Kind

# The Friends clip of Table 1, with the table's own words, boxes and spelling.
DENSE: list[tuple[str, tuple[int, int, int, int]]] = [
    ("a lamp with a white shadea woman sitting at a table", (446, 155, 710, 476)),
    ("man wearing a plaid shirt", (361, 44, 581, 337)),
    ("man sitting on couch", (10, 63, 324, 350)),
    ("the tie is grey", (441, 150, 486, 280)),
    ("a glass of beer", (38, 305, 77, 367)),
    ("a stack of magazines", (28, 350, 180, 394)),
    ("a white tablecloth", (0, 334, 626, 476)),
    ("stainless steel oven", (1, 55, 150, 142)),
    ("a brown tie on a man", (144, 168, 191, 270)),
    ("the couch is white", (0, 119, 730, 472)),
    ("a gray binder", (0, 377, 157, 411)),
    ("a white couch", (768, 350, 848, 477)),
    ("a lamp with a white shade", (582, 26, 713, 195)),
]
TABLE_1 = """\
answering questions, a man and a woman sitting on a couch in a living room with a table in front of them.
00:00-00:11 a man and a girl sitting on a couch in a living room.
a lamp with a white shadea woman sitting at a table: [446, 155, 710, 476]; \
man wearing a plaid shirt: [361, 44, 581, 337]; man sitting on couch: [10, 63, 324, 350]; \
the tie is grey: [441, 150, 486, 280]; a glass of beer: [38, 305, 77, 367]; \
a stack of magazines: [28, 350, 180, 394]; a white tablecloth: [0, 334, 626, 476]; \
stainless steel oven: [1, 55, 150, 142]; a brown tie on a man: [144, 168, 191, 270]; \
the couch is white: [0, 119, 730, 472]; a gray binder: [0, 377, 157, 411]; \
a white couch: [768, 350, 848, 477]; a lamp with a white shade: [582, 26, 713, 195];
00:00-00:02: Hey, Pheebs, you gonna have the rest of that Pop-Tart?
00:02-00:03: Pheebs?
00:03-00:09: Does anyone want the rest of this Pop-Tart?
00:09-00:11: Hey, I might."""


def said(start: float, end: float, kind: Kind, text: str, **more: Any) -> Caption:
    return Caption("friends", start, end, kind, text, "table-1", **more)  # any field


def friends() -> list[Caption]:
    scene = "a man and a woman sitting on a couch in a living room with a table in front of them."
    return [
        said(0, 11, "action", "answering questions"),
        said(0, 11, "video_caption", scene),
        said(0, 11, "clip_caption", "a man and a girl sitting on a couch in a living room."),
        *(said(0, 11, "dense_caption", phrase, box=box) for phrase, box in DENSE),
        said(0, 2, "speech", "Hey, Pheebs, you gonna have the rest of that Pop-Tart?"),
        said(2, 3, "speech", "Pheebs?"),
        said(3, 9, "speech", "Does anyone want the rest of this Pop-Tart?"),
        said(9, 11, "speech", "Hey, I might."),
    ]


def test_the_friends_clip_comes_out_as_table_1() -> None:
    assert textualize(friends()) == TABLE_1


def test_the_order_of_captions_that_differ_does_not_matter() -> None:
    captions = [c for c in friends() if c.kind != "dense_caption"]
    expected = textualize(captions)
    for seed in range(5):
        random.Random(seed).shuffle(captions)
        assert textualize(captions) == expected


def test_nothing_is_nothing() -> None:
    assert textualize([]) == ""


def test_evidence_numbers_follow_what_they_number() -> None:
    numbers = {caption.id: number for number, caption in enumerate(friends(), 1)}
    lines = textualize(friends(), numbers=numbers).splitlines()
    assert lines[0].startswith("answering questions [1], a man and a woman")
    assert lines[0].endswith("in front of them. [2]")
    assert lines[1] == "00:00-00:11 a man and a girl sitting on a couch in a living room. [3]"
    assert "man sitting on couch: [10, 63, 324, 350] [6];" in lines[2]
    assert lines[-1] == "00:09-00:11: Hey, I might. [20]"


def test_what_has_no_number_gets_none() -> None:
    captions = friends()
    assert textualize(captions, numbers={captions[-1].id: 3}) == TABLE_1 + " [3]"


@pytest.mark.parametrize(
    ("captions", "lines"),
    [
        # Clip caption and tags of one stretch share a line, caption first.
        (
            [said(2, 4, "tags", "dog, ball"), said(2, 4, "clip_caption", "a dog plays")],
            ["00:02-00:04 a dog plays, dog, ball"],
        ),
        # Without a clip caption the dense captions carry the time.
        (
            [said(2, 4, "dense_caption", "a dog", box=(1, 2, 3, 4))],
            ["00:02-00:04 a dog: [1, 2, 3, 4];"],
        ),
        # Stretches are told as they begin, whatever their kind.
        (
            [
                said(5, 6, "speech", "Stop!"),
                said(5, 9, "clip_caption", "a street"),
                said(0, 3, "ocr", "EXIT"),
                said(3, 5, "speech", "Go!"),
            ],
            ["00:00-00:03 text on screen: EXIT", "00:03-00:05: Go!", "00:05-00:09 a street", "00:05-00:06: Stop!"],
        ),
        # The class of the video is the action that lasts longest; each action keeps its own line.
        (
            [said(0, 2, "action", "walking"), said(2, 9, "action", "running"), said(9, 12, "action", "walking")],
            ["running", "00:00-00:02 walking", "00:02-00:09 running", "00:09-00:12 walking"],
        ),
        # From an hour on the clock has hours; fractions never exclude the moment.
        ([said(3725.4, 3726.2, "speech", "Late.")], ["1:02:05-1:02:07: Late."]),
    ],
    ids=["caption-and-tags", "dense-alone", "in-temporal-order", "class-of-many-actions", "hours"],
)
def test_the_template(captions: list[Caption], lines: list[str]) -> None:
    assert textualize(captions).splitlines() == lines


def test_several_videos_are_told_apart_in_the_text() -> None:
    captions = [Caption(video, 0, 2, "speech", f"Hello from {video}.", "test") for video in ("a", "b")]
    assert textualize(captions, names={"a": "first.mp4"}) == (
        "Video first.mp4:\n00:00-00:02: Hello from a.\n\nVideo b:\n00:00-00:02: Hello from b."
    )
