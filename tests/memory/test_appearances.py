"""Who and what appears, counted once."""

from __future__ import annotations

import pytest

from videochat.memory import CaptionStore, appearances
from videochat.memory.appearances import coloured, colours_meant, first_captions
from videochat.records import Caption


def test_things_are_counted_once() -> None:
    def thing(start: float, end: float, name: str, track: int | None, source: str = "yolo") -> Caption:
        return Caption("film", start, end, "objects", name, source, box=(0, 0, 9, 9), track_id=track)

    seen = appearances(
        [
            thing(0, 60, "person", 1),
            thing(60, 90, "person", 1),
            thing(10, 20, "person", 2),
            thing(5, 8, "Car", 3),
            thing(30, 31, "car", 4),
            thing(0, 1, "car", 1, "other detector"),
            thing(40, 42, "dog", None),
            thing(41, 43, "dog", None),
            Caption("film", 0, 9, "speech", "person", "test"),
        ]
    )
    assert [(a.name, a.count, a.at_once, a.first_seconds, a.last_seconds) for a in seen] == [
        ("person", 2, 2, 0, 90),
        ("car", 2, 1, 5, 31),
        ("dog", 2, 2, 40, 43),
    ]
    assert seen[1].spans == ((5, 8), (30, 31))
    captions = [c for a in seen for c in a.captions]
    assert [a.name for a in appearances(captions, "Cars")] == ["car"]
    assert [a.name for a in appearances(captions, "people")] == ["person"]
    assert appearances(captions, "giraffe") == []


def test_a_stored_video_is_asked_for_its_objects_only(store: CaptionStore) -> None:
    stored = store.captions_of("street")
    stored.record(
        [
            Caption("street", 0, 4, "objects", "car", "yolo", box=(0, 0, 9, 9), track_id=1),
            Caption("street", 2, 8, "objects", "car", "yolo", box=(0, 0, 9, 9), track_id=2),
            Caption("street", 0, 8, "speech", "A car.", "speech"),
        ]
    )
    (cars,) = appearances(stored)
    assert str(cars) == "car: 2 seen, 2 at once, from 00:00 to 00:08"
    assert cars.as_dict()["seconds"] == 8
    assert appearances([]) == []


def test_things_of_a_colour_are_told_apart() -> None:
    def car(start: float, track: int, colour: str) -> Caption:
        attributes = {"colour": colour} if colour else {}
        box = (0.0, 0.0, 9.0, 9.0)
        return Caption("film", start, start + 2, "objects", "car", "yolo", None, box, track, attributes=attributes)

    (cars,) = appearances([car(0, 1, "white"), car(5, 2, "red"), car(6, 3, "cyan"), car(9, 4, "")])
    assert coloured(cars, {"green"}) is None
    red = coloured(cars, {"red"})
    assert red is not None
    assert (red.name, red.count, red.spans) == ("car", 1, ((5, 7),))
    assert [c.track_id for c in first_captions([*cars.captions[::-1], car(2, 1, "white")])] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("question", "colours"),
    [
        ("is there a blue car?", {"blue": {"blue", "cyan"}}),
        ("gibt es ein rotes auto?", {"rotes": {"red"}}),
        ("y a-t-il une voiture blanche ?", {"blanche": {"white"}}),
        ("有红色的车吗", {"红色": {"red"}}),
        ("a silver car", {"silver": {"grey", "white"}}),
        ("is she bored?", {}),
        ("the greenhouse", {}),
    ],
)
def test_words_for_colours(question: str, colours: dict[str, set[str]]) -> None:
    assert colours_meant(question) == colours
