"""Visual facts: light, colours, and what moves, as measurements that anyone can check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.records import AttributeValue, Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

# People ask about seconds, and an answer can be no more exact than what it rests on.
_WINDOW_SECONDS = 2.0

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
_COLOUR_SHARE = 0.12
_STILL_PER_SECOND = 0.01
_MOVING_PIXELS_PER_SECOND = 0.03
# The picture in so many rows and columns; where this share of its parts with texture stands still, the camera does.
_CELLS, _CELL_TEXTURE, _STILL_CELLS = 5, 0.02, 0.2
# Of smaller pictures OpenCV's DIS raises an error or, where they are wide, ends the process.
_MIN_FLOW_HEIGHT, _MIN_FLOW_WIDTH = 32, 12


class VisualFacts(PerceptionTool):
    """Lightness, dominant colours, and optical flow (OpenCV's DIS) split into camera and subject.

    Every statement is about a window of two seconds and is a measurement: no object is named.
    """

    name: ClassVar[str] = "visual_facts"
    kind: ClassVar[Kind] = "measure"
    sees: ClassVar[str] = "light, dominant colours, camera and subject motion, every two seconds"

    def __init__(self) -> None:
        self.needs: Needs = Sampling(every_seconds=0.2, max_side=256)

    def usual_source(self) -> str:
        """Return the library, and the length of a window."""
        return f"opencv-facts per {_WINDOW_SECONDS:g} s"

    def version(self, video: Video) -> str:
        """Return the library, and that its captions are of the kind `measure`."""
        return f"{self.source} as measures"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each window of two seconds of the video's own time.

        Its attributes are the phrases `light`, `colours`, `camera` and `motion`, and the numbers `lightness` (mean,
        in [0, 1]), `camera_speed` (picture widths a second) and `moving_share` (of the picture, in [0, 1]); what could
        not be measured is left out.
        """
        window: _Window | None = None
        for frame in stream:
            number = int(frame.seconds / _WINDOW_SECONDS + 1e-6)
            if window is not None and number != window.number:
                yield self._caption(window, video)
                yield Settled(frame.seconds)
                window = None
            if window is None:
                window = _Window(number, frame.seconds)
            window.add(frame)
        if window is not None:
            yield self._caption(window, video)
        yield Settled(end_seconds)

    def _caption(self, window: _Window, video: Video) -> Caption:
        phrases = {"light": window.light(), "colours": window.colours()} | window.motion()
        return Caption(
            video.id,
            window.start_seconds,
            window.end_seconds,
            self.kind,
            "; ".join(f"{topic}: {phrase}" for topic, phrase in phrases.items()),
            self.source,
            attributes={topic: phrase for topic, phrase in phrases.items() if phrase} | window.numbers(),
        )


@dataclass
class _Window:
    """The pictures of two seconds, as measurements."""

    number: int
    start_seconds: float
    end_seconds: float = 0.0
    _lightness: list[float] = field(default_factory=list)
    _colours: list[dict[str, float]] = field(default_factory=list)
    _camera: list[np.ndarray] = field(default_factory=list)  # (dx, dy) in picture widths per second
    _moving: list[float] = field(default_factory=list)  # share of the picture that moves against the camera
    _centres: list[np.ndarray] = field(default_factory=list)  # (x, y) in [0, 1] of what moves
    _previous: tuple[float, np.ndarray] | None = None

    def add(self, frame: Frame) -> None:
        import cv2

        self.end_seconds = max(frame.end_seconds, frame.seconds + 0.001)
        gray = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
        self._lightness.append(float(gray.mean()) / 255)
        self._colours.append(_colour_shares(frame.image))
        if self._previous is not None:
            seconds, previous = self._previous
            self._add_motion(previous, gray, frame.seconds - seconds)
        self._previous = (frame.seconds, gray)

    def _add_motion(self, previous: np.ndarray, gray: np.ndarray, step_seconds: float) -> None:
        # Optical flow needs a picture of some size, and between two shots it means nothing.
        if gray.shape[0] < _MIN_FLOW_HEIGHT or gray.shape[1] < _MIN_FLOW_WIDTH:
            return
        if float(np.abs(gray.astype(np.float32) - previous).mean()) > 40:
            return
        flow = _flow_engine().calc(previous, gray, None)  # (height, width, 2) in pixels
        height, width = gray.shape
        # Flat areas have no flow to measure; they would vote for "still".
        textured = np.abs(np.gradient(previous.astype(np.float32))).max(0) > 4
        if textured.sum() < 0.02 * textured.size:
            self._camera.append(np.zeros(2))
            self._moving.append(0.0)
            return
        per_second = flow / (width * step_seconds)
        camera = _camera_flow(per_second, textured)
        rest = np.linalg.norm(per_second - camera, axis=2)
        moving = textured & (rest > _MOVING_PIXELS_PER_SECOND)
        self._camera.append(camera)
        self._moving.append(float(moving.sum()) / moving.size)
        if moving.any():
            ys, xs = np.nonzero(moving)
            self._centres.append(np.array([xs.mean() / width, ys.mean() / height]))

    def light(self) -> str:
        mean = float(np.mean(self._lightness))
        first, last = self._lightness[0], self._lightness[-1]
        if abs(last - first) > 0.2:
            return f"from {_lightness_word(first)} ({first:.0%}) to {_lightness_word(last)} ({last:.0%})"
        return f"{_lightness_word(mean)} (mean lightness {mean:.0%})"

    def colours(self) -> str:
        names = {name for shares in self._colours for name in shares}
        means = {name: float(np.mean([s.get(name, 0.0) for s in self._colours])) for name in names}
        top = sorted(means.items(), key=lambda item: -item[1])[:4]
        return ", ".join(f"{name} {share:.0%}" for name, share in top if share >= _COLOUR_SHARE)

    def motion(self) -> dict[str, str]:
        """Return the phrases `camera` and `motion`; empty where there is no second picture to compare with."""
        if not self._camera:
            return {}
        speed = self._camera_speed()
        drift = np.array(self._camera).mean(axis=0)
        if speed < _STILL_PER_SECOND:
            camera = "still"
        elif np.linalg.norm(drift) > 0.6 * speed:
            dx, dy = -drift
            way = ("right" if dx > 0 else "left") if abs(dx) >= abs(dy) else ("down" if dy > 0 else "up")
            camera = f"moves {way} ({np.linalg.norm(drift):.0%} of the picture width a second)"
        else:
            camera = f"unsteady ({speed:.0%} of the picture width a second)"
        moving = float(np.median(self._moving))
        if moving < 0.01:
            return {"camera": camera, "motion": "hardly anything moves"}
        x, y = np.mean(self._centres, axis=0) if self._centres else (0.5, 0.5)
        across = "left" if x < 0.4 else "right" if x > 0.6 else "centre"
        height = "upper " if y < 0.35 else "lower " if y > 0.65 else ""
        return {"camera": camera, "motion": f"{moving:.0%} of the picture moves, around the {height}{across}"}

    def numbers(self) -> dict[str, AttributeValue]:
        """Return the measurements; see `VisualFacts.perceive`."""
        found: dict[str, AttributeValue] = {"lightness": round(float(np.mean(self._lightness)), 3)}
        if self._camera:
            found["camera_speed"] = round(self._camera_speed(), 3)
            found["moving_share"] = round(float(np.median(self._moving)), 3)
        return found

    def _camera_speed(self) -> float:
        return float(np.median(np.linalg.norm(np.array(self._camera), axis=1)))


def _camera_flow(per_second: np.ndarray, textured: np.ndarray) -> np.ndarray:
    """Return how the camera moves, (dx, dy) in picture widths a second.

    A moving camera moves the whole picture. Where enough parts of it stand still the camera does, however large what
    passes before it.

    Args:
        per_second: flow, shape (height, width, 2), in picture widths a second.
        textured: where it can be measured, bool, shape (height, width).
    """
    height, width = textured.shape
    rows, columns = np.linspace(0, height, _CELLS + 1).astype(int), np.linspace(0, width, _CELLS + 1).astype(int)
    speeds = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            marked = textured[top:bottom, left:right]
            if marked.sum() >= _CELL_TEXTURE * marked.size:
                cell = np.median(per_second[top:bottom, left:right][marked], axis=0)
                speeds.append(float(np.linalg.norm(cell)))
    if len(speeds) >= _CELLS and np.mean(np.array(speeds) < _STILL_PER_SECOND) >= _STILL_CELLS:
        return np.zeros(2)
    return np.asarray(np.median(per_second[textured], axis=0))


def _lightness_word(mean: float) -> str:
    return "very dark" if mean < 0.1 else "dark" if mean < 0.3 else "bright" if mean > 0.6 else "medium"


def _colour_shares(image: np.ndarray) -> dict[str, float]:
    """Return the share of the picture that each named colour covers; image is RGB uint8 (height, width, 3)."""
    import cv2

    small = cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)  # hue in degrees, the others in [0, 1]
    hue, saturation, value = hsv[..., 0].ravel(), hsv[..., 1].ravel(), hsv[..., 2].ravel()
    names = np.array([name for _, name in _HUES])[
        np.searchsorted([limit for limit, _ in _HUES[:-1]], hue, side="right")
    ]
    names = np.where((names == "orange") & (value < 0.6), "brown", names)
    gray = saturation < 0.18
    names = np.where(gray, np.where(value > 0.82, "white", "grey"), names)
    names = np.where(value < 0.15, "black", names)
    found, counts = np.unique(names, return_counts=True)
    return {str(name): float(count) / names.size for name, count in zip(found, counts, strict=True)}


_engine: list[Any] = []


def _flow_engine() -> Any:
    import cv2

    if not _engine:
        _engine.append(cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST))
    return _engine[0]
