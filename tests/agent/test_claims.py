"""Where a video model looks, and what becomes of what it claims."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from videochat.agent.citations import Evidence
from videochat.agent.claims import assess_claims, nearest_look, where_to_look
from videochat.agent.grounding import SentenceCheck, check_sentences
from videochat.media import Video
from videochat.memory.store_records import Hit
from videochat.records import Caption


def claim(text: str, start: float = 0.0, end: float = 20.0, frames: int = 8) -> Caption:
    return Caption("v", start, end, "claim", text, "toy", attributes={"question": "What?", "frames": frames})


def caption(text: str, start: float, end: float) -> Caption:
    return Caption("v", start, end, "clip_caption", text, "eye")


NOTED = [
    caption("a man pours milk into a blue cup", 2.0, 5.0),
    caption("two dogs run across the garden", 8.0, 12.0),
    caption("nobody is in the kitchen", 14.0, 18.0),
]


def assessed(text: str, claims: Sequence[Caption] = (), noted: Sequence[Caption] = NOTED):
    evidence = Evidence()

    def check(words: str) -> list[SentenceCheck]:
        return check_sentences(words, evidence, duration_seconds=20.0)

    def find(_: str, about: Caption) -> list[Hit]:
        return [Hit(c) for c in noted if c.overlaps(about.start_seconds, about.end_seconds)]

    return assess_claims(text, claims or [claim(text)], evidence, find, check)


def test_a_claim_that_captions_bear_out_cites_them() -> None:
    found = assessed("A man pours milk into a cup. Two dogs run.")
    assert found.status == "grounded"
    assert found.checked.text == "A man pours milk into a cup. [00:02-00:05] Two dogs run. [00:08-00:12]"
    assert [c.text for c in found.checked.cited] == [NOTED[0].text, NOTED[1].text]
    assert found.notes == [
        "A claim of toy, which looked at 8 pictures of 00:00-00:20; captions bear out 2 of 2 sentences"
    ]


def test_what_no_caption_says_stays_a_claim() -> None:
    found = assessed("A woman rides a horse through the snow.")
    assert (found.status, found.checked.cited) == ("claim", [])
    assert found.checked.text == "A woman rides a horse through the snow."
    assert found.notes[0].endswith("; no caption bears it out")
    mixed = assessed("A man pours milk into a cup. A woman rides a horse.")
    assert mixed.status == "partly"
    assert mixed.notes[0].endswith("; captions bear out 1 of 2 sentences")


def test_what_captions_speak_against_is_doubtful() -> None:
    found = assessed("Five dogs run across the garden.")
    assert found.status == "claim"
    assert "Doubtful: “Five dogs run across the garden.” (nothing cited says 5)" in found.notes


def test_without_captions_there_is_nothing_to_hold_it_against() -> None:
    found = assessed("A man pours milk.", noted=[])
    assert found.status == "claim"
    assert found.notes[0].endswith("; nothing was noted there to hold it against")


def test_each_part_of_a_long_range_is_held_against_its_own_captions() -> None:
    claims = [claim("Two dogs run.", 0, 6), claim("Two dogs run.", 6, 13)]
    text = "00:00-00:06: Two dogs run.\n00:06-00:13: Two dogs run across the garden."
    claims[1] = claim("Two dogs run across the garden.", 6, 13)
    found = assessed(text, claims)
    assert found.checked.text.splitlines() == [
        "00:00-00:06: Two dogs run.",
        "00:06-00:13: Two dogs run across the garden. [00:08-00:12]",
    ]
    assert "8 pictures of each of 2 parts of 00:00-00:13" in found.notes[0]


def test_a_picture_is_looked_at_once() -> None:
    assert "looked at the picture;" in assessed("A man.", [claim("A man.", 0, 1, frames=1)]).notes[0]


@pytest.mark.parametrize(
    ("question", "earlier", "span"),
    [
        ("What is it?", [], (0, 12)),
        ("What colours are there?", ["What happens at 0:05?"], (0, 12)),
        ("And then?", ["What happens from 0:02 to 0:04?"], (2, 4)),
        ("And then?", ["What happens from 0:02 to 0:04?", "Why?"], (2, 4)),
        ("What happens from 0:06 to 0:08?", ["What happens from 0:02 to 0:04?"], (6, 8)),
    ],
)
def test_where_to_look(clip: Video, question: str, earlier: list[str], span: tuple[float, float]) -> None:
    ((id_, start, end),) = where_to_look(question, earlier, [clip])
    assert id_ == clip.id
    assert (start, end) == pytest.approx(span, abs=1.01)


def test_of_a_long_range_what_lies_around_the_best_hit_is_looked_at() -> None:
    hit = Hit(caption("here", 300, 310))
    assert nearest_look([("v", 0, 600)], [hit], 60) == ("v", 275, 335)
    assert nearest_look([("v", 0, 600)], [], 60) == ("v", 0, 60)
    assert nearest_look([("v", 5, 30)], [hit], 60) == ("v", 5, 30)
    assert nearest_look([("w", 0, 9), ("v", 0, 600)], [Hit(caption("here", 2, 4))], 60) == ("v", 0, 60)
