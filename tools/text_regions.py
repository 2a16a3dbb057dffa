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
# Around the parts of a mosaic their margins are mirrored: on plain ground a strip of texture looks like a line of text.
_MIN_BORDER = 12


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
    filled = cv2.blur(cv2.bitwise_and(rising, falling) * 255, _WINDOW)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((filled > 255 * _GOES_ON).astype(np.uint8))
    windows = np.bincount(labels[filled > 255 * _FILLED], minlength=count)
    found = []
    for number in range(1, count):
        if windows[number] >= _MIN_WINDOWS:
            x, y, w, h = (int(value) for value in boxes[number][:4])
            found.append(padded((x, y, x + w, y + h), _MARGIN + h // 3, _MARGIN, width, height))
    return found


def padded(region: Region, beside: int, above: int, width: int, height: int) -> Region:
    """Return a region with margins left and right, and above and below, within the picture."""
    x1, y1, x2, y2 = region
    return max(x1 - beside, 0), max(y1 - above, 0), min(x2 + beside, width), min(y2 + above, height)


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
        import cv2

        self._places: list[tuple[Region, int, int]] = []  # the part, and where it begins here
        cells = []
        for region in sorted(regions, key=lambda r: r[1] - r[3]):
            x1, y1, x2, y2 = region
            # Words on one line stand apart by less than this.
            beside, above = (max(_MIN_BORDER, (y2 - y1) // 3), _MIN_BORDER) if len(regions) > 1 else (0, 0)
            borders = (above, above, beside, beside)
            cells.append(
                (region, beside, above, cv2.copyMakeBorder(image[y1:y2, x1:x2], *borders, cv2.BORDER_REFLECT_101))
            )
        area = sum(cell.shape[0] * cell.shape[1] for *_, cell in cells)
        wide = max([cell.shape[1] for *_, cell in cells] + [round(1.3 * area**0.5)])
        x = y = row = 0
        self.image = np.full((sum(cell.shape[0] for *_, cell in cells), wide, 3), 127, np.uint8)
        for region, beside, above, cell in cells:
            height, width = cell.shape[:2]
            if x and x + width > wide:
                x, y, row = 0, y + row, 0
            self.image[y : y + height, x : x + width] = cell
            self._places.append((region, x + beside, y + above))
            x, row = x + width, max(row, height)
        self.image = self.image[: y + row]

    def in_picture(self, corners: np.ndarray) -> np.ndarray:
        """Return corners of a line that was found here, shape (n, 2), as places in the picture, cut at its part."""
        x, y = corners.mean(axis=0)

        def distance(place: tuple[Region, int, int]) -> float:
            (x1, y1, x2, y2), left, top = place
            return float(max(left - x, x - (left + x2 - x1), 0) + max(top - y, y - (top + y2 - y1), 0))

        (x1, y1, x2, y2), left, top = min(self._places, key=distance)
        moved = corners + np.array([x1 - left, y1 - top])
        return np.asarray(np.clip(moved, (x1, y1), (x2, y2)))
