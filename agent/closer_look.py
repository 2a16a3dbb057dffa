"""CloserLook: a sense again over a range of a video, more densely than the first time."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Sequence
from typing import Protocol

from videochat.agent.watch import WatchReport
from videochat.devices import BUDGET
from videochat.errors import InvalidArgument, VideoChatError
from videochat.frames import Sampling
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.memory.query import Query
from videochat.records import Caption
from videochat.tools import PerceptionTool, at_rate, make_tool

# One look takes about this many pictures at most, whatever the range.
_MOST_PICTURES = 240
_USUAL_RATE = 4.0

# Looks of all agents together: their models share a device.
_LOOKING = threading.RLock()


class WatchedVideos(Protocol):
    """What a look needs of a `VideoSet`."""

    senses: list[PerceptionTool]

    def captions_of(self, video: Video) -> VideoCaptions:
        """Return the captions of a video."""

    def watch(
        self, video: Video, start_seconds: float, end_seconds: float, *, senses: Sequence[PerceptionTool]
    ) -> WatchReport:
        """Run senses over a range and store what they see."""


class CloserLook:
    """Runs senses again over short ranges; models that one look has loaded serve the next.

    Args:
        videos: the videos, their senses and their captions.
    """

    def __init__(self, videos: WatchedVideos) -> None:
        self._videos = videos
        self._used: dict[str, PerceptionTool] = {}

    def sense_names(self) -> list[str]:
        """Return the names of the senses of the line-up whose rate can be raised."""
        return [sense.name for sense in self._rated()]

    def look(
        self,
        video: Video,
        start_seconds: float,
        end_seconds: float,
        *,
        question: str = "",
        tool: str | None = None,
        rate: float | None = None,
    ) -> tuple[list[Caption], str]:
        """Run a sense over a range and store what it sees.

        Args:
            video: where to look.
            start_seconds: first moment.
            end_seconds: first moment no longer.
            question: what is to be found out; without `tool` it decides which sense looks.
            tool: name of a sense, of the line-up or any other whose weights are here.
            rate: pictures per second; None for four, fewer in a long range.

        Returns:
            What the sense says of the range now, in temporal order, and a sentence on how it looked.

        Raises:
            UnknownName: there is no such sense.
            InvalidArgument: the range holds nothing, or no sense of the line-up can look again.
            MissingDependency: its weights are not on this machine.
            VideoChatError: the sense failed.
        """
        start, end = video.span(start_seconds, end_seconds)
        names = [tool] if tool else self._names_for(Query.parse(question, video.duration_seconds))
        wanted = rate or _USUAL_RATE
        # Powers of two: what is seen at each rate is stored, and there are odd rates without end.
        fps = 2.0 ** min(math.ceil(math.log2(wanted)), math.floor(math.log2(_MOST_PICTURES / (end - start))))
        found: list[Caption] = []
        with _LOOKING:
            senses = [self._at_rate(name, fps) for name in names]
            report = self._videos.watch(video, start, end, senses=senses)
        stored = self._videos.captions_of(video)
        for sense in senses:
            failed = [gap for gap in report.gaps if gap.source == sense.source]
            if failed:
                raise VideoChatError(f"The sense {sense.name!r} could not see this range: {failed[0].reason}")
            if sense.name in report.skipped:
                raise InvalidArgument(f"The sense {sense.name!r} has nothing to do here: {report.skipped[sense.name]}.")
            found += [c for c in stored.between(start, end, [sense.kind]) if c.source == sense.source]
        how = f"looked with {', '.join(names)} at {fps:.3g} pictures a second"
        if fps < wanted:
            how += f" (at most {_MOST_PICTURES} pictures; take a shorter range for a higher rate)"
        return sorted(found, key=lambda c: (c.start_seconds, c.end_seconds)), how

    def close(self) -> None:
        """Free the models of the senses that looked."""
        for sense in self._used.values():
            sense.close()
            BUDGET.release(sense)

    def _rated(self) -> list[PerceptionTool]:
        return [
            sense
            for sense in self._videos.senses
            if isinstance(sense.needs, Sampling) and sense.needs.every_seconds is not None
        ]

    def _names_for(self, query: Query) -> list[str]:
        """Return the names of the senses that a question means; all that can look again if it means none."""
        able = {sense.name: sense.kind for sense in self._rated()}
        if not able:
            raise InvalidArgument("No sense of this line-up can look again at a rate; name another as `tool`.")
        return [name for name, kind in able.items() if kind in query.kinds] or list(able)

    def _at_rate(self, name: str, fps: float) -> PerceptionTool:
        """Return a sense for looks only: a watch in the background may be using the one of the line-up.

        The next look takes over what this one has loaded, at whatever rate.
        """
        if name not in self._used:
            line_up = {sense.name: sense for sense in self._videos.senses}
            sense = copy.copy(line_up[name]) if name in line_up else make_tool(name)
            sense.prepare()
            self._used[name] = sense
        self._used[name] = at_rate(self._used[name], fps)
        return self._used[name]
