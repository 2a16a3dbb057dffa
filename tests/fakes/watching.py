"""Senses whose pace and failures a test decides, for watches."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from videochat.audio import AudioBlock
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.records import Caption, Kind
from videochat.tools import PerceptionTool, Settled
from videochat.tools.base import Needs


class Notes(PerceptionTool):
    """A sense for tests: one caption for each picture it gets, settled at once.

    Args:
        name: what to call it.
        every_seconds: which pictures it wants; None for all.
        before: called with each picture's second before it is noted; may raise, or wait.
    """

    name = "notes"
    kind: ClassVar[Kind] = "tags"
    sees = "pictures, one by one"

    def __init__(
        self,
        name: str = "notes",
        every_seconds: float | None = 1.0,
        before: Callable[[float], object] = lambda _: None,
    ) -> None:
        self.name = name  # type: ignore[misc]  # several of them in one watch
        self.source = name
        self.needs: Needs = Sampling(every_seconds, max_side=32)
        self.before = before
        self.runs = 0

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        self.runs += 1
        for frame in stream:
            self.before(frame.seconds)
            text = f"picture at {frame.seconds:.2f}"
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
            yield Settled(frame.end_seconds)
        yield Settled(end_seconds)


class Ears(PerceptionTool):
    """A sense for tests: one caption for each stretch of sound it gets."""

    kind: ClassVar[Kind] = "speech"
    sees = "sound, piece by piece"
    needs: Needs = "sound"

    def __init__(self, name: str) -> None:
        self.name = self.source = name  # type: ignore[misc]  # several of them in one watch

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for sound in stream:
            end = round(sound.end_seconds, 3)
            yield Caption(video.id, round(sound.seconds, 3), end, self.kind, "sound", self.source)
        yield Settled(end_seconds)


class BellRinger(PerceptionTool):
    """A sense for tests: one caption for each second of the video, no faster than it is let."""

    name = "bells"
    kind: ClassVar[Kind] = "clip_caption"
    sees = "that a second has passed"

    def __init__(self) -> None:
        self.needs: Needs = Sampling(every_seconds=1.0, max_side=64)
        self.source = "bells"
        self.allowed = threading.Semaphore(0)
        """Released once for each second that it may see."""

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for frame in stream:
            while not self.allowed.acquire(timeout=0.05):
                pass
            text = f"the bell rings {round(frame.seconds)} times"
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
            yield Settled(frame.end_seconds)


class KilledOnce(Notes):
    """A sense for tests that kills its process, once, at the sixth second of a video.

    Args:
        mark: path of a file that is written before.
    """

    def __init__(self, mark: str) -> None:
        super().__init__("killed once", before=self._kill)
        self.mark = Path(mark)

    def _kill(self, seconds: float) -> None:
        if seconds >= 6 and not self.mark.exists():
            self.mark.write_text(str(int(signal.SIGKILL)))
            os.kill(os.getpid(), signal.SIGKILL)


def failing_at(seconds: float, error: BaseException) -> Callable[[float], None]:
    def fail(now: float) -> None:
        if now >= seconds:
            raise error

    return fail


class Interrupt:
    """A progress that presses Ctrl-C once, when the video has been read up to a second."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, seconds: float) -> None:
        if seconds >= self.seconds:
            self.seconds = float("inf")
            raise KeyboardInterrupt


def ids(stored: VideoCaptions) -> list[str]:
    """Return the ids of all captions of a video, in temporal order."""
    return [caption.id for caption in stored.between()]
