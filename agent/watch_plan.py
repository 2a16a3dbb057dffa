"""plan_watch: what a batch would do, how long it may take, which models it uses and whom it contacts; does nothing."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from videochat.agent.chat_models import ChatModel
from videochat.agent.watch_videos import Sources
from videochat.agent.watcher import Watcher, line_up_of
from videochat.errors import StoreError, VideoChatError
from videochat.hub import is_here
from videochat.intervals import clock, missing_intervals
from videochat.media import Video
from videochat.memory import CaptionStore, SentenceTransformerEmbeddings, WordEmbeddings
from videochat.sources import Source, find_sources
from videochat.tools import PerceptionTool, at_rate


@dataclass
class PlannedVideo:
    """What there is to do of one video."""

    source: str
    """The path or address that was given."""
    name: str
    """What it is called."""
    duration_seconds: float | None = None
    """How long it is; None where it was not opened."""
    left: dict[str, float] = field(default_factory=dict)
    """Seconds that are not watched yet, by name of the sense; empty where nothing is left, or it was not opened."""
    costs: list[str] = field(default_factory=list)
    """What would be asked of services that may cost money."""
    error: str | None = None
    """Why it cannot be watched."""

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.name}: {self.error}"
        if self.duration_seconds is None:
            return f"{self.name}: not opened, since nothing is fetched for a plan"
        if not self.left:
            return f"{self.name}: watched before"
        most = max(self.left.values())
        rest = "" if most >= self.duration_seconds - 1e-3 else f"{clock(most)} left of "
        return f"{self.name}: {rest}{clock(self.duration_seconds)} by {', '.join(self.left)}"


@dataclass
class WatchPlan:
    """What a batch would do."""

    videos: list[PlannedVideo]
    """In the order given."""
    models: list[str]
    """What each sense runs, and whether it is on this machine."""
    contacts: list[str]
    """Whom the batch contacts over a network; empty for nobody."""
    pace: float | None
    """Seconds for a second of video, as these senses took before; None where none has been watched with them."""

    @property
    def seconds(self) -> float:
        """How much video is left to watch, where it was opened."""
        return sum(max(video.left.values(), default=0.0) for video in self.videos)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"seconds": self.seconds}

    def __str__(self) -> str:
        unknown = sum(video.error is None and video.duration_seconds is None for video in self.videos)
        wrong = sum(video.error is not None for video in self.videos)
        done = sum(not video.left for video in self.videos) - unknown - wrong
        if self.pace is None:
            takes = "how long it takes is known once one was watched with these senses"
        else:
            takes = f"about {clock(self.seconds * self.pace)} at the pace of earlier watches, one after another"
        counts = [f"{len(self.videos)} videos", f"{done} watched before"]
        counts += [f"{unknown} not opened"] if unknown else []
        counts += [f"{wrong} cannot be watched"] if wrong else []
        return "\n".join(
            [
                *map(str, self.videos),
                *(cost for video in self.videos for cost in video.costs),
                f"{', '.join(counts)}; {clock(self.seconds)} to watch: {takes}.",
                *(f"Model: {model}" for model in self.models),
                said_of_network(self.contacts),
            ]
        )


def plan_watch(
    sources: Sources,
    *,
    preset: str | Sequence[str | PerceptionTool] | None = None,
    clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
    memory: CaptionStore | str | os.PathLike[str] | None = None,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    fps: float | None = None,
) -> WatchPlan:
    """Say what `watch_videos` would do; nothing is watched, fetched or asked.

    Args, and what is raised, as of `watch_videos`.
    """
    watcher = Watcher(preset=preset, clip_captions=clip_captions, memory=memory)
    try:
        if fps is not None:
            watcher.senses = [at_rate(sense, fps) for sense in watcher.senses]
        models = [_model(sense) for sense in watcher.senses if sense.weights is not None]
        found = find_sources(sources)
        videos = [_planned(watcher, source, start_seconds, end_seconds) for source in found]
        return WatchPlan(videos, models, contacts(watcher, found), _pace(watcher))
    finally:
        if not isinstance(memory, CaptionStore):
            watcher.memory.close()


def contacts(watcher: Watcher, sources: Iterable[Source]) -> list[str]:
    """Return whom a watch of these videos contacts over a network.

    Args:
        watcher: the senses and the memory.
        sources: the videos.
    """
    hosts = dict.fromkeys(_host(source.text) for source in sources if source.is_address)
    found = [f"{host} for videos" for host in hosts]
    found += [f"{service} for {sense.name}" for sense in watcher.senses if (service := sense.service) is not None]
    found += [
        f"the hub, to learn why {sense.weights.model} cannot be had"
        for sense in watcher.senses
        if sense.weights is not None and not is_here(sense.weights)
    ]
    embedder = watcher.memory.embedder
    if not isinstance(embedder.embeddings, SentenceTransformerEmbeddings | WordEmbeddings):
        found.append(f"the embeddings {embedder.name}")
    if watcher.memory.lock is None:
        found.append(f"{watcher.memory.chroma.name} for captions")
    return found


def said_of_network(contacted: Sequence[str]) -> str:
    """Return the sentence that says whom a run contacts."""
    return f"Network: {'; '.join(contacted) if contacted else 'nobody is contacted'}."


def _host(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or parts.netloc}"


def _model(sense: PerceptionTool) -> str:
    where = "on this machine"
    if sense.weights is not None and not is_here(sense.weights):
        where = "not on this machine"
    return f"{sense.weights} for {sense.name}, {where}"


def _planned(watcher: Watcher, source: Source, start: float, end: float | None) -> PlannedVideo:
    if source.problem or source.is_address:
        return PlannedVideo(source.text, source.text, error=source.problem or None)
    try:
        video = Video(source.text)
        planned = PlannedVideo(source.text, video.name, video.duration_seconds)
        stored, span = watcher.captions_of(video), video.span(start, end)
        for sense in watcher.senses:
            if not sense.unfit(video):
                spans = missing_intervals(stored.watched(sense.source, sense.version(video)), *span)
                if spans:
                    planned.left[sense.name] = sum(b - a for a, b in spans)
        planned.costs = watcher.costs(video, start, end)
    except StoreError:
        raise
    except (VideoChatError, OSError) as error:
        return PlannedVideo(source.text, source.text, error=str(error))
    return planned


def _pace(watcher: Watcher) -> float | None:
    line_up = line_up_of(watcher.senses)
    paces = [
        video.pace
        for video in watcher.memory.videos()
        if video.pace is not None and 0 < video.pace < 1e6 and video.line_up == line_up
    ]
    return statistics.median(paces) if paces else None
