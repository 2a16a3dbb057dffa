"""BatchWorker: opens and watches the videos of a batch, one after another, with models that are loaded once.

What it returns is plain data, so that it may work in another process or on another machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from videochat.agent.watch import WatchReport
from videochat.agent.watcher import Watcher
from videochat.errors import LLMError, MissingDependency, StoreError, StoreInUse, UnknownName, VideoChatError
from videochat.media import Video
from videochat.memory import Gap
from videochat.object_stores import is_object
from videochat.tools import at_rate

BatchProgress = Callable[[str, float, float], None]
"""Called with a video's name, the second reached and its length; what it raises ends the watch."""


@dataclass(frozen=True)
class Opened:
    """A video that can be watched."""

    video_id: str
    """`Video.id`."""
    name: str
    """What it is called."""
    duration_seconds: float
    """How long it is."""
    reached_seconds: float
    """The second up to which every sense has watched it."""


@dataclass(frozen=True)
class Failed:
    """Why something was not done, as a sentence."""

    reason: str
    """What was given, what was expected, what to do."""
    kind: str
    """Name of the error's class."""
    fatal: bool = False
    """Whether every other video would fail for the same reason."""


class BatchWorker:
    """Opens and watches videos, one after another.

    Args:
        make: returns the line-up of senses and the memory; called once, at the first video.
        fps: pictures per second for the senses that sample at a rate; None for each one's own rate.
        progress: told how far a video has been watched.
    """

    def __init__(
        self, make: Callable[[], Watcher], *, fps: float | None = None, progress: BatchProgress | None = None
    ) -> None:
        self._make, self._fps, self._progress = make, fps, progress
        self._made: Watcher | None = None
        self._open: tuple[str, Video] | None = None

    @property
    def _watcher(self) -> Watcher:
        if self._made is None:
            self._made = self._make()
            if self._fps is not None:
                self._made.senses = [at_rate(sense, self._fps) for sense in self._made.senses]
        return self._made

    def open(self, source: str) -> Opened | Failed:
        """Open a video, and say how far it has been watched.

        Args:
            source: path or address.
        """
        try:
            watcher = self._watcher
        except VideoChatError as error:
            return Failed(str(error), type(error).__name__, fatal=True)
        try:
            video = Video(source)
            self._open = source, video
            return Opened(video.id, video.name, video.duration_seconds, watcher.reached(video))
        except (VideoChatError, OSError) as error:
            return _failed(error)

    def watch(self, source: str, start_seconds: float, end_seconds: float, last: bool) -> WatchReport | Failed:
        """Watch a range of a video.

        Args:
            source: path or address.
            start_seconds: first moment.
            end_seconds: first moment no longer.
            last: whether nothing of the video follows, so that its summaries are made.
        """
        try:
            video = self._video(source)
            tell = self._progress

            def progress(seconds: float) -> None:
                if tell is not None:
                    tell(video.name, seconds, video.duration_seconds)

            report = self._watcher.watch(video, start_seconds, end_seconds, progress=progress, summarized=last)
        except (VideoChatError, OSError) as error:
            return _failed(error)
        if last and is_object(source):
            # Of ten thousand objects no disk keeps a copy of each.
            self._open = None
            video.path.unlink(missing_ok=True)
        return report

    def give_up(self, source: str, start_seconds: float, end_seconds: float, reason: str) -> Failed | None:
        """Remember that a range could not be watched, for every sense that has not watched it.

        Args:
            source: path or address.
            start_seconds: first moment.
            end_seconds: first moment no longer.
            reason: why.
        """
        try:
            video = self._video(source)
            stored = self._watcher.captions_of(video)
            for sense in self._watcher.senses:
                if not sense.unfit(video):
                    stored.record_gap(Gap(sense.source, start_seconds, end_seconds, reason))
            stored.publish()
        except (VideoChatError, OSError) as error:
            return _failed(error)
        return None

    def _video(self, source: str) -> Video:
        if self._open is None or self._open[0] != source:
            self._open = source, Video(source)
        return self._open[1]


_FATAL = (StoreError, MissingDependency, LLMError, UnknownName)


def _failed(error: VideoChatError | OSError) -> Failed:
    fatal = isinstance(error, _FATAL) and not isinstance(error, StoreInUse)
    return Failed(str(error), type(error).__name__, fatal)
