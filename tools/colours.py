"""Colours by name: of a picture, and of a thing in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# Hue limits in degrees. Grey, black and white are recognised by saturation and lightness, before the hue.
_HUES = (
    (15, "red"),
    (40, "orange"),
    (65, "yellow"),
    (160, "green"),
    (195, "cyan"),
    (255, "blue"),
    (290, "purple"),
    (335, "pink"),
    (360, "red"),
)
_WITHOUT_HUE = ("black", "grey", "white")
# The part of a box, on each axis, that is surely the thing and not what stands around it.
_MIDDLE = 0.5
_SIDE = 24
# People name a car by its paint where a quarter of it is painted and the rest is glass and tyres.
_PAINTED = 0.25
# The lightest in the picture is white, whatever the light is, unless the whole picture is dark.
_WHITE_PERCENTILE, _LEAST_WHITE = 98, 0.5


def colour_shares(image: np.ndarray, white: float = 1.0) -> dict[str, float]:
    """Return the share of the pixels that have each colour, by its name.

    Args:
        image: uint8 RGB, (height, width, 3).
        white: the lightness, in (0, 1], that counts as full.
    """
    import cv2

    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)  # hue in degrees, the others in [0, 1]
    hue, saturation, value = hsv[..., 0].ravel(), hsv[..., 1].ravel(), hsv[..., 2].ravel() / white
    names = np.array([name for _, name in _HUES])[
        np.searchsorted([limit for limit, _ in _HUES[:-1]], hue, side="right")
    ]
    names = np.where((names == "orange") & (value < 0.6), "brown", names)
    gray = saturation < 0.18
    names = np.where(gray, np.where(value > 0.82, "white", "grey"), names)
    names = np.where(value < 0.15, "black", names)
    found, counts = np.unique(names, return_counts=True)
    return {str(name): float(count) / names.size for name, count in zip(found, counts, strict=True)}


def shares_in_box(image: np.ndarray, box: tuple[float, float, float, float]) -> dict[str, float]:
    """Return the share of each colour in the middle of a box; nothing where the box is too small to tell.

    Args:
        image: uint8 RGB, (height, width, 3).
        box: (x1, y1, x2, y2) in its pixels.
    """
    import cv2

    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_width, half_height = (box[2] - box[0]) * _MIDDLE / 2, (box[3] - box[1]) * _MIDDLE / 2
    rows = slice(max(round(y - half_height), 0), max(round(y + half_height), 0))
    part = image[rows, max(round(x - half_width), 0) : max(round(x + half_width), 0)]
    if min(part.shape[:2]) < 2:
        return {}
    whole = cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA).max(axis=2)
    white = max(float(np.percentile(whole, _WHITE_PERCENTILE)) / 255, _LEAST_WHITE)
    return colour_shares(cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), white)


def colour_of(shares: Mapping[str, float]) -> str:
    """Return by which colour people call a thing with such shares of colours, in any unit; empty if none stands out.

    A hue goes before black, grey and white, which shade and glass have as well.
    """
    total = sum(shares.values())
    hues = {name: share for name, share in shares.items() if name not in _WITHOUT_HUE}
    for among, least in ((hues, _PAINTED), (shares, 0.4)):
        name = max(among, key=lambda n: among[n], default="")
        if name and among[name] >= least * total:
            return name
    return ""
