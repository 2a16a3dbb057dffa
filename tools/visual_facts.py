"""Visual facts: light, colours, and what moves, as measurements that anyone can check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.records import AttributeValue, Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.colours import colour_shares

_TOUCHING_SECONDS = 0.01
# People ask about seconds, and an answer can be no more exact than what it rests on.
_WINDOW_SECONDS = 2.0

_COLOUR_SHARE = 0.12
_FADE = 0.2
_HARDLY = 0.01
_STILL_PER_SECOND = 0.01
_MOVING_PIXELS_PER_SECOND = 0.03
# The picture in so many rows and columns; where this share of its parts with texture stands still, the camera does.
_CELLS, _CELL_TEXTURE, _STILL_CELLS = 5, 0.02, 0.2
# Windows that differ by no more than this say the same: shares of lightness, of the picture in a colour, of it that
# moves (where little does, and else), picture widths a second, and how far apart what moves is.
_SAME_LIGHT, _SAME_COLOUR = 0.05, 0.1
_SAME_MOVING, _SAME_IF_MOVING, _SAME_PLACE = 0.02, 0.1, 0.2
_SAME_SPEED = 0.03
# What stays for an hour is told every minute, and a watch that is interrupted goes on from there.
_MOST_SECONDS = 60.0
# Of smaller pictures OpenCV's DIS raises an error or, where they are wide, ends the process.
_MIN_FLOW_HEIGHT, _MIN_FLOW_WIDTH = 32, 12


class VisualFacts(PerceptionTool):
    """Lightness, dominant colours, and optical flow (OpenCV's DIS) split into camera and subject.

    Every statement is a measurement: no object is named. Windows of two seconds in which the same is measured are one
    caption; what cannot be measured, such as the camera before a plain wall, is not said.
    """

    name: ClassVar[str] = "visual_facts"
    kind: ClassVar[Kind] = "measure"
    sees: ClassVar[str] = "light, dominant colours, camera and subject motion, exact to two seconds"

    def __init__(self) -> None:
        self.needs: Needs = Sampling(every_seconds=0.2, max_side=256)

    def usual_source(self) -> str:
        """Return the library, and the length of a window."""
        return f"opencv-facts per {_WINDOW_SECONDS:g} s"

    def version(self, video: Video) -> str:
        """Return the library, and that its captions are of the kind `measure`, as long as the same is measured."""
        return f"{self.source} as merged measures"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for windows of two seconds of the video's own time, as long as the same is measured.

        Its attributes are the phrases `light`, `colours`, `camera` and `motion`, and the numbers `lightness` (mean,
        in [0, 1]), `camera_speed` (picture widths a second) and `moving_share` (of the picture, in [0, 1]); what could
        not be measured is left out.
        """
        run: list[_Window] = []
        for window in _windows(stream):
            if run and not _goes_on(run, window):
                yield self._caption(run, video)
                yield Settled(window.start_seconds)
                run = []
            run.append(window)
        if run:
            yield self._caption(run, video)
        yield Settled(end_seconds)

    def _caption(self, run: Sequence[_Window], video: Video) -> Caption:
        window = _joined(run)
        phrases = {"light": window.light(), "colours": window.colours()} | window.motion()
        said = {topic: phrase for topic, phrase in phrases.items() if phrase}
        return Caption(
            video.id,
            window.start_seconds,
            window.end_seconds,
            self.kind,
            "; ".join(f"{topic}: {phrase}" for topic, phrase in said.items()),
            self.source,
            attributes=said | window.numbers(),
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

    def take_in(self, other: _Window) -> None:
        """Add the measurements of the window after this one."""
        self.end_seconds = other.end_seconds
        self._lightness += other._lightness
        self._colours += other._colours
        self._camera += other._camera
        self._moving += other._moving
        self._centres += other._centres

    def light(self) -> str:
        mean, first, last = self.lightness(), self._lightness[0], self._lightness[-1]
        if self._fades():
            return f"from {_lightness_word(first)} ({first:.0%}) to {_lightness_word(last)} ({last:.0%})"
        return f"{_lightness_word(mean)} (mean lightness {mean:.0%})"

    def colours(self) -> str:
        top = sorted(self._colour_means().items(), key=lambda item: -item[1])[:4]
        return ", ".join(f"{name} {share:.0%}" for name, share in top if share >= _COLOUR_SHARE)

    def motion(self) -> dict[str, str]:
        """Return the phrases `camera` and `motion`, without what could not be measured."""
        said = {}
        if (way := self.camera_way()) == "still":
            said["camera"] = way
        elif way == "unsteady":
            said["camera"] = f"unsteady ({self.camera_speed():.0%} of the picture width a second)"
        elif way:
            said["camera"] = f"moves {way} ({np.linalg.norm(self._drift()):.0%} of the picture width a second)"
        if self._moving and self.moving() < _HARDLY:
            said["motion"] = "hardly anything moves"
        elif self._moving:
            x, y = self.place()
            across = "left" if x < 0.4 else "right" if x > 0.6 else "centre"
            height = "upper " if y < 0.35 else "lower " if y > 0.65 else ""
            said["motion"] = f"{self.moving():.0%} of the picture moves, around the {height}{across}"
        return said

    def numbers(self) -> dict[str, AttributeValue]:
        """Return the measurements; see `VisualFacts.perceive`."""
        found: dict[str, AttributeValue] = {"lightness": round(self.lightness(), 3)}
        if self._camera:
            found["camera_speed"] = round(self.camera_speed(), 3)
        if self._moving:
            found["moving_share"] = round(self.moving(), 3)
        return found

    def is_like(self, other: _Window) -> bool:
        """Whether the same is measured in both."""
        colours, others = self._colour_means(), other._colour_means()
        if abs(self.lightness() - other.lightness()) > _SAME_LIGHT or self._fades() or other._fades():
            return False
        if any(abs(colours.get(n, 0.0) - others.get(n, 0.0)) > _SAME_COLOUR for n in colours.keys() | others.keys()):
            return False
        if min(len(self._lightness), len(other._lightness)) == 1:
            return True  # one picture says nothing of motion
        if self.camera_way() != other.camera_way() or bool(self._moving) != bool(other._moving):
            return False
        if self._camera and abs(self.camera_speed() - other.camera_speed()) > _SAME_SPEED:
            return False
        if not self._moving or abs(self.moving() - other.moving()) <= _SAME_MOVING:
            return True
        apart = np.abs(self.place() - other.place()).max()
        moves = min(self.moving(), other.moving()) >= _HARDLY
        return bool(moves and abs(self.moving() - other.moving()) <= _SAME_IF_MOVING and apart <= _SAME_PLACE)

    def lightness(self) -> float:
        return float(np.mean(self._lightness))

    def moving(self) -> float:
        return float(np.median(self._moving))

    def place(self) -> np.ndarray:
        """Return the middle of what moves, (x, y) in [0, 1]."""
        return np.asarray(np.mean(self._centres, axis=0)) if self._centres else np.array([0.5, 0.5])

    def camera_way(self) -> str:
        """Return where the camera moves, or `still` or `unsteady`; empty where that cannot be measured."""
        if not self._camera:
            return ""
        speed, (dx, dy) = self.camera_speed(), -self._drift()
        if speed < _STILL_PER_SECOND:
            return "still"
        if np.hypot(dx, dy) <= 0.6 * speed:
            return "unsteady"
        return ("right" if dx > 0 else "left") if abs(dx) >= abs(dy) else ("down" if dy > 0 else "up")

    def camera_speed(self) -> float:
        return float(np.median(np.linalg.norm(np.array(self._camera), axis=1)))

    def _drift(self) -> np.ndarray:
        return np.asarray(np.array(self._camera).mean(axis=0))

    def _colour_means(self) -> dict[str, float]:
        # In an order that every process has: of two that cover as much, the first is named first.
        names = sorted({name for shares in self._colours for name in shares})
        return {name: float(np.mean([s.get(name, 0.0) for s in self._colours])) for name in names}

    def _fades(self) -> bool:
        return abs(self._lightness[-1] - self._lightness[0]) > _FADE


def _windows(stream: Iterable[Frame]) -> Iterator[_Window]:
    window: _Window | None = None
    for frame in stream:
        number = int(frame.seconds / _WINDOW_SECONDS + 1e-6)
        if window is not None and number != window.number:
            yield window
            window = None
        window = window or _Window(number, frame.seconds)
        window.add(frame)
    if window is not None:
        yield window


def _goes_on(run: Sequence[_Window], window: _Window) -> bool:
    """Whether the window after a run says the same.

    The first of the run is compared as well: what changes slowly changes.
    """
    first, last = run[0], run[-1]
    follows = abs(window.start_seconds - last.end_seconds) < _TOUCHING_SECONDS
    short = window.end_seconds - first.start_seconds <= _MOST_SECONDS + _TOUCHING_SECONDS
    return follows and short and first.is_like(window) and last.is_like(window)


def _joined(run: Sequence[_Window]) -> _Window:
    """Return windows that follow each other as one."""
    whole = _Window(run[0].number, run[0].start_seconds)
    for window in run:
        whole.take_in(window)
    return whole


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
    import cv2

    return colour_shares(cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA))


_engine: list[Any] = []


def _flow_engine() -> Any:
    import cv2

    if not _engine:
        _engine.append(cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST))
    return _engine[0]
