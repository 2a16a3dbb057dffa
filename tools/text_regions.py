"""Where text may be in a picture: strokes that stand close together. Cheap, so that a text detector sees only that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Region = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels of the picture; the last two are exclusive."""

# A stroke is an edge from dark to light beside one from light to dark, of at least this much (Sobel, 3 x 3).
_EDGE = 50
# Text of up to 40 pixels fills windows of 31 x 9 pixels with strokes to more than half; it goes on where a quarter is.
# Found on seven clips with drawn and real text; nothing smaller than 40 windows was text.
_WINDOW = (31, 9)
_FILLED, _GOES_ON = 0.55, 0.25
_MIN_WINDOWS = 40
_MARGIN = 12
# Between parts in a mosaic, or two words would be read as one line.
_MIN_GAP = 24


def stroke_regions(gray: np.ndarray) -> list[Region]:
    """Return where letters of up to about 40 pixels may stand, with a margin.

    Args:
        gray: uint8, shape (height, width).
    """
    import cv2

    height, width = gray.shape
    edges = cv2.Sobel(gray, cv2.CV_16S, 1, 0, ksize=3)
    beside = np.ones((1, 7), np.uint8)
    rising = cv2.dilate((edges > _EDGE).astype(np.uint8), beside)
    falling = cv2.dilate((edges < -_EDGE).astype(np.uint8), beside)
    filled = cv2.blur((rising & falling) * np.uint8(255), _WINDOW)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((filled > 255 * _GOES_ON).astype(np.uint8))
    windows = np.bincount(labels[filled > 255 * _FILLED], minlength=count)
    found = []
    for number in range(1, count):
        if windows[number] >= _MIN_WINDOWS:
            x, y, w, h = (int(value) for value in boxes[number][:4])
            found.append(padded((x, y, x + w, y + h), _MARGIN, width, height))
    return found


def padded(region: Region, margin: int, width: int, height: int) -> Region:
    """Return a region with a margin, within the picture."""
    x1, y1, x2, y2 = region
    return max(x1 - margin, 0), max(y1 - margin, 0), min(x2 + margin, width), min(y2 + margin, height)


def joined(regions: Sequence[Region]) -> list[Region]:
    """Return regions that do not overlap, which together cover the given ones."""
    parts = list(regions)
    while True:
        apart: list[Region] = []
        for x1, y1, x2, y2 in parts:
            for number, (u1, v1, u2, v2) in enumerate(apart):
                if x1 < u2 and u1 < x2 and y1 < v2 and v1 < y2:
                    apart[number] = (min(x1, u1), min(y1, v1), max(x2, u2), max(y2, v2))
                    break
            else:
                apart.append((x1, y1, x2, y2))
        if len(apart) == len(parts):
            return apart
        parts = apart


class Mosaic:
    """Parts of a picture, put together to a smaller one.

    Args:
        image: shape (height, width, 3).
        regions: its parts, at least one; they do not overlap.
    """

    def __init__(self, image: np.ndarray, regions: Sequence[Region]) -> None:
        self._places: list[tuple[Region, int, int]] = []  # the part, and where it begins here
        wide = max(
            max(x2 - x1 for x1, _, x2, _ in regions),
            round(sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in regions) ** 0.5 * 1.3),
        )
        x = y = row = right = 0
        for region in sorted(regions, key=lambda r: r[1] - r[3]):
            w, h = region[2] - region[0], region[3] - region[1]
            if x and x + w > wide:
                x, y, row = 0, y + row + _MIN_GAP, 0
            self._places.append((region, x, y))
            row, right = max(row, h), max(right, x + w)
            x += w + max(_MIN_GAP, h)
        self.image = np.full((y + row, right, 3), 127, np.uint8)
        for (x1, y1, x2, y2), left, top in self._places:
            self.image[top : top + y2 - y1, left : left + x2 - x1] = image[y1:y2, x1:x2]

    def in_picture(self, corners: np.ndarray) -> np.ndarray:
        """Return corners of a line that was found here, shape (n, 2), as places in the picture, cut at its part."""
        x, y = corners.mean(axis=0)

        def distance(place: tuple[Region, int, int]) -> float:
            (x1, y1, x2, y2), left, top = place
            return max(left - x, x - (left + x2 - x1), 0) + max(top - y, y - (top + y2 - y1), 0)

        (x1, y1, x2, y2), left, top = min(self._places, key=distance)
        moved = corners + np.array([x1 - left, y1 - top])
        return np.asarray(np.clip(moved, (x1, y1), (x2, y2)))
