"""A text detector is shown the parts of a picture that may hold text, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from videochat.tools.text_regions import Mosaic, joined, padded, stroke_regions


def drawn(text: str, size: int, where: tuple[int, int], width: int = 640, height: int = 360) -> np.ndarray:
    image = Image.new("L", (width, height), 60)
    ImageDraw.Draw(image).text(where, text, fill=220, font=ImageFont.load_default(size))
    return np.asarray(image)


@pytest.mark.parametrize("size", [10, 14, 20, 28, 36])
def test_a_line_of_text_lies_in_one_region(size: int) -> None:
    gray = drawn("Room 204, second floor", size, (100, 200))
    (region,) = stroke_regions(gray)
    ys, xs = np.nonzero(gray != 60)
    x1, y1, x2, y2 = region
    assert x1 <= xs.min() <= xs.max() < x2
    assert y1 <= ys.min() <= ys.max() < y2
    assert (x2 - x1) * (y2 - y1) < 0.35 * gray.size


def test_flat_soft_and_edged_pictures_have_none() -> None:
    assert stroke_regions(np.full((360, 640), 128, np.uint8)) == []
    soft = np.linspace(0, 255, 640).astype(np.uint8)[None].repeat(360, axis=0)
    assert stroke_regions(soft) == []
    halves = np.zeros((360, 640), np.uint8)
    halves[:, 320:] = 255
    assert stroke_regions(halves) == []


def test_overlapping_regions_become_one() -> None:
    assert joined([(0, 0, 10, 10), (20, 0, 30, 10), (8, 5, 22, 9), (50, 50, 60, 60)]) == [
        (0, 0, 30, 10),
        (50, 50, 60, 60),
    ]


def test_a_margin_stays_in_the_picture() -> None:
    assert padded((5, 5, 80, 45), 10, 4, 100, 50) == (0, 1, 90, 49)


def test_a_mosaic_shows_each_part_and_knows_where_it_was() -> None:
    image = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    regions = [(10, 20, 60, 40), (100, 5, 290, 25), (200, 150, 220, 190)]
    mosaic = Mosaic(image, regions)
    assert mosaic.image.shape[0] * mosaic.image.shape[1] < 0.5 * 200 * 300
    for x1, y1, x2, y2 in regions:
        part = image[y1:y2, x1:x2]
        height, width = part.shape[:2]
        (top, left) = next(
            (y, x)
            for y in range(mosaic.image.shape[0] - height + 1)
            for x in range(mosaic.image.shape[1] - width + 1)
            if np.array_equal(mosaic.image[y : y + height, x : x + width], part)
        )
        corners = np.array([[left, top], [left + width, top], [left + width, top + height], [left, top + height]])
        assert mosaic.in_picture(corners).tolist() == [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]
