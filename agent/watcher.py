"""Watcher: a line-up of senses that watches one video after another, and the memory of what they see."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol
from weakref import WeakKeyDictionary

from videochat.agent.chat_models import ChatModel, resolve_llm
from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.pipeline import Progress
from videochat.agent.video_answerer import VideoAnswerer
from videochat.agent.watch import WatchReport, refine, watch
from videochat.devices import BUDGET
from videochat.errors import MissingDependency, StoreError, check_number
from videochat.intervals import missing_intervals
from videochat.live_recording import LiveRecording
from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions
from videochat.memory.summaries import summarize
from videochat.renamed import keywords
from videochat.tools import PerceptionTool, at_rate, best_present, make_refiner, make_tool, make_tools
from videochat.watch_bar import notebook_bar

# Two agents on one memory must not watch one video at the same time: all would be seen twice.
_LOCKS: WeakKeyDictionary[CaptionStore, dict[tuple[str, str], threading.RLock]] = WeakKeyDictionary()
_GUARD = threading.Lock()
_MOST_PLACES = 100


class _Closes(Protocol):
    def close(self) -> None: ...


class Watcher:
    """A line-up of senses, whose models are loaded once, and the memory of what they see.

    Args:
        preset: name of a line-up of senses, or a list of tool names and tools; None for the richest whose weights
            are on this machine and that suits it; nothing is downloaded.
        clip_captions: a further sense, `ClipCaptioner`, or its model; None for none.
        memory: a `CaptionStore`, or the place of one; None for the user's own.
        summary_llm: a chat model that writes the summaries where one is sent or browsed, also by name; None: extracts.
        models_gb: how many gigabytes the models of a watch may take together; None for most of the device's memory.

    Raises:
        InvalidArgument: `models_gb` is not positive.
        UnknownName: no such preset or tool.
        StoreError: the memory cannot be opened.
    """

    def __init__(
        self,
        *,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        summary_llm: ChatModel | str | None = None,
        models_gb: float | None = None,
    ) -> None:
        if models_gb is not None:
            check_number("models_gb", models_gb, above=0)
        chosen = best_present() if preset is None else preset
        self.preset = chosen if isinstance(chosen, str) else None
        """Name of the line-up; None for one of the user's own."""
        self.senses = make_tools(chosen)
        if isinstance(clip_captions, PerceptionTool):
            self.senses.append(clip_captions)
        elif clip_captions is not None:
            self.senses.append(make_tool("clip_captions", model=clip_captions))
        self.refiner = make_refiner(chosen)
        self.models_gb = models_gb
        self.memory = memory if isinstance(memory, CaptionStore) else CaptionStore(memory)
        writer = resolve_llm(summary_llm) if isinstance(summary_llm, str) else summary_llm
        self.summary_llm = None if isinstance(writer, ExtractiveAnswerer | VideoAnswerer) else writer

    def as_it_is_now(self, video: Video) -> Video:
        """Return a video, opened anew if its file was replaced: it is another video then."""
        return Video(video.path) if video.is_replaced() else video

    def name_of(self, video: Video) -> str:
        """Return what a video is called."""
        return video.name

    def captions_of(self, video: Video) -> VideoCaptions:
        """Return the captions of a video."""
        return self.memory.captions_of(video.id)

    @keywords(tools="senses")
    def watch(
        self,
        video: Video,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        fps: float | None = None,
        senses: Sequence[str | PerceptionTool] | None = None,
        progress: Progress | None = None,
        summarized: bool = True,
    ) -> WatchReport:
        """Run senses over a range of one video and store what they see; see `VideoAgent.watch`.

        Args:
            video: what to watch.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            fps: pictures per second for the senses that sample at a rate; None for each one's own rate.
            senses: names or senses; None for the line-up.
            progress: told how far the video has been read; None in a notebook for a bar below the cell.
            summarized: whether captions are condensed and summaries brought up to date; not worth it where the rest
                of the video follows at once.

        Raises:
            InvalidArgument: the range holds nothing.
            UnknownName: there is no such sense.
            MissingDependency: the weights of a sense are not on this machine.
        """
        chosen = self.senses if senses is None else make_tools(senses)
        if isinstance(video, LiveRecording):
            video.refresh()
            if senses is None and video.is_being_recorded():
                # Who records it watches it.
                return WatchReport(video.name, 0.0, video.duration_seconds, already_watched=True)
        video = self.as_it_is_now(video)
        stored = self.captions_of(video)  # before the lock: a process that was forked gets a sentence there
        with self.lock("watch", video):
            # A store that may not be written can be asked all the same; what else is written says so.
            with contextlib.suppress(StoreError):
                stored.set_facts(
                    name=video.name,
                    path=str(video.path.absolute()),
                    places=_places(stored, video),
                    duration_seconds=video.duration_seconds,
                    size=video.size,
                )
            if self.refiner is not None:
                self.refiner.prepare()
            if fps is not None:
                chosen = [at_rate(sense, fps) for sense in chosen]
            name = self.name_of(video)
            bar: contextlib.AbstractContextManager[Progress | None] = (
                contextlib.nullcontext(progress) if progress else notebook_bar(name, video.duration_seconds)
            )
            try:
                with bar as told:
                    report = watch(
                        video, chosen, stored, start_seconds, end_seconds, progress=told, models_gb=self.models_gb
                    )
            except MissingDependency as error:
                if senses is not None or self.preset is None:
                    raise
                raise MissingDependency(
                    f"{error} `videochat download {self.preset}` fetches all that the preset {self.preset!r} needs."
                ) from error
            if senses is None:
                report.preset = self.preset
            if not report.already_watched:
                stored.set_facts(
                    watched_at=datetime.now(UTC).isoformat(timespec="seconds"),
                    line_up=line_up_of(chosen),
                    pace=round(report.seconds / (report.end_seconds - report.start_seconds), 4),
                )
            if summarized:
                if self.refiner is not None and not report.already_watched:
                    report.captions_added += refine(video, self.refiner, stored)
                self.summarize(video)
            if not report.already_watched:
                stored.publish()
        return report

    def costs(self, video: Video, start_seconds: float = 0.0, end_seconds: float | None = None) -> list[str]:
        """Return what a watch of a video will ask of services that may cost money, a clause for each of them.

        Args:
            video: what will be watched.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.

        Raises:
            InvalidArgument: the range holds nothing.
        """
        stored, span = self.captions_of(video), video.span(start_seconds, end_seconds)
        clauses = [
            sense.forecast(video, *part)
            for sense in self.senses
            if not sense.unfit(video)
            for part in missing_intervals(stored.watched(sense.source, sense.version(video)), *span)
        ]
        return [clause for clause in clauses if clause]

    def summarize(self, video: Video, *, write: bool = False) -> None:
        """Bring a video's summaries up to date with its captions; costs nothing when they are.

        Args:
            video: which video.
            write: whether the language model may be called for it; else they are extracts until it is.
        """
        with self.lock("summarize", video):
            summarize(self.captions_of(video), video.duration_seconds, self.summary_llm if write else None)

    def reached(self, video: Video) -> float:
        """Return the second up to which every sense has seen a video."""
        stored, reached = self.captions_of(video), video.duration_seconds
        for sense in self.senses:
            if not sense.unfit(video):
                spans = stored.watched(sense.source, sense.version(video))
                reached = min(reached, spans[0][1] if spans and spans[0][0] <= 0 else 0.0)
        return reached

    def free(self, *parts: _Closes | None) -> None:
        """Free the models of parts, and what they took of the device's budget."""
        for part in parts:
            if part is not None:
                part.close()
                BUDGET.release(part)

    def close(self) -> None:
        """Free the senses' models and the memory's files."""
        self.free(*self.senses, self.refiner)
        self.memory.close()

    def lock(self, what: str, video: Video) -> threading.RLock:
        """Return what to hold while doing something to a video that two must not do at once."""
        with _GUARD:
            return _LOCKS.setdefault(self.memory, {}).setdefault((what, video.id), threading.RLock())


def line_up_of(senses: Sequence[PerceptionTool]) -> str:
    """Return senses by name, with their models and rates, sorted: what decides how long a watch takes."""
    models = (sense.weights.model if sense.weights is not None else "" for sense in senses)
    rates = (f"@{sense.fps:g}fps" if sense.fps else "" for sense in senses)
    named = zip((sense.name for sense in senses), models, rates, strict=True)
    return ", ".join(sorted(f"{name}{model and f' ({model})'}{rate}" for name, model, rate in named))


def _places(stored: VideoCaptions, video: Video) -> list[str]:
    """Return every place at which a content was found, with the one where it is now."""
    facts = stored.facts()
    known = facts.get("places", [facts["path"]] if facts.get("path") else [])
    return [*known, video.address][-_MOST_PLACES:] if video.address not in known else known
