"""Captions of a few imagined videos, and what tests of the memory ask of a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from videochat.memory import CaptionStore
from videochat.records import AttributeValue, Caption, Kind

KITCHEN: list[tuple[float, float, Kind, str]] = [
    (0, 4, "shot", "one shot of 4.0 s"),
    (0, 2, "ocr", "WELCOME / TO THE KITCHEN"),
    (1, 3, "speech", "Today we bake a chocolate cake."),
    (3, 6, "speech", "First, melt the butter slowly."),
    (4, 9, "shot", "one shot of 5.0 s"),
    (6, 9, "speech", "Then pour the milk into the bowl."),
    (9, 12, "ocr", "BAKE 40 MINUTES"),
]
GARDEN: list[tuple[float, float, Kind, str]] = [
    (0, 5, "speech", "Water the roses in the evening."),
    (5, 9, "speech", "Cut the hedge with care."),
]
FILM_SECONDS = 7200.0
FILM_TITLES = ["THE OPENING", "THE KITCHEN", "THE HARBOUR", "GARDEN PARTY", "NIGHT TRAIN", "THE LIBRARY"]


def captions(video_id: str = "kitchen", rows: Sequence[tuple[float, float, Kind, str]] = KITCHEN) -> list[Caption]:
    """Return rows as captions of a video."""
    return [Caption(video_id, start, end, kind, text, "test") for start, end, kind, text in rows]


def detailed_caption(video_id: str = "kitchen") -> Caption:
    """Return a caption in which every field has a value, with an attribute of each type."""
    attributes: dict[str, AttributeValue] = {
        "event": "shot",
        "lightness": 0.25,
        "count": 3,
        "whole": 2.0,
        "words_known": False,
    }
    box = (1, 2, 30.5, 40)
    return Caption(video_id, 2, 3, "dense_caption", "a bowl", "m", 0.5, box, 3, "en", attributes)


def fill(store: CaptionStore) -> None:
    """Store two videos, `kitchen` and `garden`, with their names and lengths."""
    store.add([*captions(), *captions("garden", GARDEN)])
    store.captions_of("kitchen").set_facts(name="kitchen.mp4", path="/films/kitchen.mp4", duration_seconds=12.0)
    store.captions_of("garden").set_facts(name="garden.mp4", duration_seconds=9.0)


def film(minutes: int, first: int = 0) -> Iterator[Caption]:
    """Yield the captions of a film: a title every twenty minutes, a remark every ten seconds."""
    for minute in range(first, minutes):
        at = 60.0 * minute
        if minute % 20 == 0:
            yield Caption("film", at, at + 6, "ocr", FILM_TITLES[minute // 20 % 6], "ocr")
        for i in range(6):
            text = f"Remark {i} of minute {minute} about stones and rivers."
            yield Caption("film", at + 10 * i, at + 10 * i + 5, "speech", text, "subtitles")
        yield Caption("film", at, at + 60, "tags", "light: bright; colours: white 90%", "facts")


def texts(found: Sequence[Caption]) -> list[str]:
    """Return the texts of captions."""
    return [caption.text for caption in found]


def found(store: CaptionStore, query: str, **filters: Any) -> list[str]:
    """Return the texts that a search finds, best first."""
    return [hit.caption.text for hit in store.search(query, **filters)]
