"""Colours are called as people call them."""

import numpy as np
import pytest

from videochat.tools.colours import colour_of, colour_shares, shares_in_box


def plain(rgb, size=(40, 60)):
    return np.full((*size, 3), rgb, np.uint8)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((200, 20, 20), "red"),
        ((230, 120, 20), "orange"),
        ((110, 70, 30), "brown"),
        ((240, 220, 40), "yellow"),
        ((30, 150, 40), "green"),
        ((40, 190, 220), "cyan"),
        ((30, 60, 200), "blue"),
        ((120, 40, 180), "purple"),
        ((230, 60, 150), "pink"),
        ((10, 10, 12), "black"),
        ((128, 128, 128), "grey"),
        ((245, 245, 245), "white"),
    ],
)
def test_one_colour(rgb, name):
    assert colour_shares(plain(rgb)) == {name: 1.0}
    assert colour_of(colour_shares(plain(rgb))) == name


def test_paint_goes_before_glass_and_tyres_and_what_is_many_coloured_has_none():
    assert colour_of({"black": 0.6, "red": 0.3, "grey": 0.1}) == "red"
    assert colour_of({"black": 0.6, "red": 0.1, "grey": 0.3}) == "black"
    assert colour_of({"red": 0.2, "blue": 0.2, "green": 0.2, "black": 0.2, "grey": 0.2}) == ""
    assert colour_of({}) == ""


def test_only_the_middle_of_a_box_counts_and_a_box_without_pixels_tells_nothing():
    image = plain((30, 150, 40), (100, 100))
    image[40:60, 40:60] = (200, 20, 20)
    assert shares_in_box(image, (30.0, 30.0, 70.0, 70.0)) == {"red": 1.0}
    assert shares_in_box(image, (0.0, 0.0, 1.0, 1.0)) == {}
    assert shares_in_box(image, (-50.0, -50.0, -10.0, -10.0)) == {}


def test_white_is_white_in_dim_light():
    image = plain((90, 90, 90), (100, 100))
    image[:50] = (170, 170, 170)
    assert set(shares_in_box(image, (0.0, 0.0, 100.0, 40.0))) == {"white"}
    assert set(shares_in_box(plain((60, 60, 60)), (0.0, 0.0, 60.0, 40.0))) == {"grey"}
