"""Frames, blocks of sound and samplings check themselves."""

import math

import numpy as np
import pytest

from videochat.errors import InvalidArgument
from videochat.frames import Frame, Sampling, first_slot


def test_a_frame_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="uint8 of shape"):
        Frame(0, np.zeros((4, 4), np.uint8))


def test_a_frame_ends_where_it_no_longer_stands_for_anything() -> None:
    assert Frame(2.0, np.zeros((4, 6, 3), np.uint8), 0.5).end_seconds == 2.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every_seconds": 0}, "every_seconds must be at least 0.001, got 0"),
        ({"every_seconds": "a"}, "every_seconds must be a number, got 'a'"),
        ({"every_seconds": math.inf}, "every_seconds must be at least 0.001"),
        ({"max_side": 1}, "max_side must be at least 2 pixels, got 1"),
        ({"min_change": -1}, "min_change must be 0-255"),
        ({"every_seconds": None, "min_change": 3}, "0 where every picture is wanted"),
    ],
)
def test_a_sampling_says_what_is_allowed(settings: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Sampling(**settings)  # type: ignore[arg-type]  # the refusal is what is tested


@pytest.mark.parametrize(("start", "every", "slot"), [(0, 1, 0), (0.2, 1, 1), (3, 1, 3), (0.3, 0.1, 0.3)])
def test_the_first_second_of_a_grid_is_not_before_the_start(start: float, every: float, slot: float) -> None:
    assert first_slot(start, every) == pytest.approx(slot)
