"""Frames, blocks of sound and samplings check themselves."""

import math

import numpy as np
import pytest

from videochat.errors import InvalidArgument
from videochat.frames import SAMPLE_RATE, AudioBlock, Frame, Sampling


def test_a_frame_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="uint8 of shape"):
        Frame(0, np.zeros((4, 4), np.uint8))


def test_a_frame_ends_where_it_no_longer_stands_for_anything() -> None:
    assert Frame(2.0, np.zeros((4, 6, 3), np.uint8), 0.5).end_seconds == 2.5


def test_a_block_of_sound_ends_after_its_last_sample() -> None:
    assert AudioBlock(1.0, np.zeros(SAMPLE_RATE // 2, np.float32)).end_seconds == 1.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every_seconds": 0}, "every_seconds must be at least 0.001, got 0"),
        ({"every_seconds": math.inf}, "every_seconds must be at least 0.001"),
        ({"max_side": 1}, "max_side must be at least 2 pixels, got 1"),
        ({"min_change": -1}, "min_change must be 0-255"),
        ({"every_seconds": None, "min_change": 3}, "0 where every picture is wanted"),
    ],
)
def test_a_sampling_says_what_is_allowed(settings: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Sampling(**settings)  # type: ignore[arg-type]
