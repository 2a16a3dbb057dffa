"""The captions of one video: written to its journal and to Chroma, read and searched in memory.

What other processes write is seen at the next call. Captions are in the journal before anything counts as watched, and
in Chroma with their vectors as soon as they are embedded; what a killed process left undone is done at the next write.
"""

from __future__ import annotations

import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from videochat.errors import InvalidArgument, StoreError
from videochat.intervals import Interval
from videochat.memory.chroma import Chroma
from videochat.memory.chroma_writer import send
from videochat.memory.embeddings import Embedder
from videochat.memory.journal import Event, Journal, check_event, pack, unpack
from videochat.memory.store_files import StoreLock
from videochat.memory.store_records import Gap
from videochat.memory.video_index import VideoIndex
from videochat.memory.video_state import VideoState, caption_event, vector_events
from videochat.memory.watch_locks import watching
from videochat.records import DERIVED_KINDS, Caption, Kind

_EMBED_BATCH = 256
_SOON_PUBLISHED = 2000
_PUBLISH_SECONDS = 1.0  # marks of a watch that follow each other faster are written to Chroma together


class Log(Protocol):
    """Where the events of a video come from: its journal, or a Chroma server."""

    damage: list[str]

    def read(self) -> tuple[bool, list[Event]]:
        """Return whether all must be forgotten that was read before, and the events since then."""

    def append(self, events: Sequence[Event]) -> None:
        """Append events."""

    def sent(self) -> None:
        """Take note that all events were written to Chroma; within a session."""


class VideoCaptions:
    """The captions of one video, and what was watched of it.

    Args:
        log: where its events come from.
        video_id: the video.
        embedder: what the vectors are made with.
        chroma: where captions are stored.
        lock: that of the store; None for a server.
        prepare: called before something is written.

    Raises:
        StoreError: it cannot be read, or is of a newer version.
    """

    def __init__(
        self,
        log: Log,
        video_id: str,
        embedder: Embedder,
        chroma: Chroma,
        lock: StoreLock | None,
        prepare: Callable[[], None],
    ) -> None:
        self.video_id, self.embedder, self.log = video_id, embedder, log
        self._chroma, self._lock, self._prepare = chroma, lock, prepare
        self._state = VideoState(video_id, embedder.name)
        self._guard = threading.RLock()
        self._index = VideoIndex()
        self._changes = 1
        self._indexed = 0
        self._sorted: tuple[int, list[Caption], np.ndarray, np.ndarray] | None = None
        self._published_at = time.monotonic()
        self._published: tuple[str, int, int] | None = None
        self._unpublished: list[Event] = []
        self._known_rows: set[str] | None = None
        """Of a server: what was there when it was read."""
        self._refresh()

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return self._index.bytes + 1000 * len(self._state.captions)

    @property
    def known(self) -> bool:
        """Whether anything at all is known of the video."""
        state = self.state
        return bool(state.captions or state.facts or state.watched or state.gaps)

    @property
    def state(self) -> VideoState:
        """What is known of the video now; not to be changed."""
        with self._guard:
            self._refresh()
            return self._state

    def _refresh(self) -> None:
        anew, events = self.log.read()
        if anew:
            self._state, self._index, self._indexed = VideoState(self.video_id, self.embedder.name), VideoIndex(), 0
        for event in events:
            self._state.apply(event)
        if anew and not isinstance(self.log, Journal):
            self._known_rows = set(self._state.rows())
            for event in self._unpublished:
                self._state.apply(event)
        self._changes += bool(anew or events)

    def write(self, make: Callable[[VideoState], Iterable[Event]]) -> list[Event]:
        """Write events, after what others have written.

        Args:
            make: returns the events, given what is known now; called while the store is locked.

        Returns:
            The events.

        Raises:
            StoreError: they cannot be written; then none of them counts.
        """
        self._prepare()
        with self._guard, self._chroma.waiting(), self._lock.held() if self._lock is not None else nullcontext():
            self._refresh()
            events = list(make(self._state))
            self.log.append(events)
            for event in events:
                self._state.apply(event)
            self._unpublished += events
            self._changes += bool(events)
            return events

    def _event(self, event: str, /, **fields: Any) -> Event:
        return {"event": event, "video_id": self.video_id, **fields}

    def record(
        self,
        captions: Sequence[Caption],
        *,
        source: str | None = None,
        version: str = "",
        watched: Interval | None = None,
        tail: Interval | None = None,
    ) -> int:
        """Store captions, and that `source` has watched a range of the video.

        Args:
            captions: of this video.
            source: name of the tool that has watched.
            version: of the tool; what it watched in another version no longer counts.
            watched: start and end in seconds.
            tail: the end of what was watched, where its captions depend on what lies beyond; see `tails`.

        Returns:
            How many captions were new.

        Raises:
            InvalidArgument: a caption is of another video; nothing is stored then.
            StoreError: they cannot be written.
        """
        for caption in captions:
            if caption.video_id != self.video_id:
                raise InvalidArgument(f"a caption of video {caption.video_id} does not belong to {self.video_id}")

        def make(state: VideoState) -> Iterable[Event]:
            new = {caption.id: caption for caption in captions if caption.id not in state.captions}
            yield from map(caption_event, new.values())
            if source is not None and watched is not None:
                yield self._event("watched", source=source, version=version, **_seconds(watched))
            if source is not None and tail is not None:
                yield self._event("tail", source=source, **_seconds(tail))

        added = [event["event"] for event in self.write(make)].count("caption")
        if time.monotonic() - self._published_at >= _PUBLISH_SECONDS:
            self.publish()
        return added

    def watching(self, sources: Set[str], start_seconds: float, end_seconds: float) -> AbstractContextManager[None]:
        """Hold a range for senses that watch it: no second watch of it may begin in another process.

        On a server nothing is held: rows have ids made from their content, so that two watches add up.

        Args:
            sources: names of the senses.
            start_seconds: first moment.
            end_seconds: first moment no longer.

        Raises:
            StoreInUse: when entered, another process is watching a part of it with one of these senses.
        """
        self._prepare()
        if self._lock is None:
            return nullcontext()
        return watching(self._lock, self.video_id, sources, (start_seconds, end_seconds))

    def take(self, events: Sequence[Event]) -> int:
        """Store events that were checked; return how many captions were new."""

        def make(state: VideoState) -> Iterable[Event]:
            known = set(state.captions)
            return [event for event in events if event["event"] != "caption" or event["caption"].id not in known]

        return [event["event"] for event in self.write(make)].count("caption")

    def watched(self, source: str, version: str) -> list[Interval]:
        """Return the ranges that this version of a source has watched, in order, not touching."""
        found, spans = self.state.watched.get(source, ("", []))
        return list(spans) if found == version else []

    def tails(self, source: str) -> list[Interval]:
        """Return the ends of watched ranges that a source settled only because no more was shown to it."""
        return list(self.state.tails.get(source, ()))

    def reopen(self, source: str, start_seconds: float, end_seconds: float) -> None:
        """Forget what a source has said of a range that it is about to watch again, and that it has watched it."""
        span = (start_seconds, end_seconds)
        if any(end > span[0] and start < span[1] for start, end in self.state.watched.get(source, ("", []))[1]):
            self.write(lambda _: [self._event("reopened", source=source, **_seconds(span))])

    def drop_other_versions(self, source: str, version: str) -> None:
        """Forget what another version of a source said (e.g. subtitles that were corrected since)."""

        def make(state: VideoState) -> Iterable[Event]:
            if source in state.watched and state.watched[source][0] != version:
                ids = [caption.id for caption in state.captions.values() if caption.source == source]
                return [self._event("removed", ids=ids), self._event("dropped", source=source)]
            return []

        if self.state.watched.get(source, ("", []))[0] not in ("", version):
            self.write(make)

    def record_frame_vectors(self, source: str, frames: Iterable[tuple[float, float, np.ndarray]]) -> None:
        """Store pictures as vectors: start and end in seconds, and a unit vector, of what `source` saw."""
        rows = list(frames)
        if rows:
            times, vectors = [[start, end] for start, end, _ in rows], pack([vector for *_, vector in rows])
            self.write(lambda _: [self._event("frames", source=source, times=times, vectors=vectors)])
            self.publish()

    def frame_vectors(self, source: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return starts and ends in seconds, shapes (n,), and unit vectors, float32, shape (n, d), by time."""
        rows = sorted(self.state.frames.get(source, {}).items(), key=lambda row: row[0])
        starts, ends = np.array([start for start, _ in rows]), np.array([end for _, (end, _) in rows])
        matrix = np.asarray([vector for _, (_, vector) in rows], np.float32)
        return starts, ends, matrix if rows else np.zeros((0, 0), np.float32)

    def record_gap(self, gap: Gap) -> None:
        """Remember that a range could not be seen."""
        self.write(lambda _: [self._event("gap", **vars(gap))])

    def clear_gaps(self, source: str, start_seconds: float, end_seconds: float) -> None:
        """Forget gaps of a source within a range that is about to be watched again; the rest of them stays."""
        if any(gap.source == source for gap in self.state.gaps.values()):
            span = (start_seconds, end_seconds)
            self.write(lambda _: [self._event("cleared", source=source, **_seconds(span))])

    def gaps(self) -> list[Gap]:
        """Return what could not be seen, in temporal order."""
        return sorted(self.state.gaps.values(), key=lambda gap: gap.start_seconds)

    def facts(self) -> dict[str, Any]:
        """Return what is known of the video (name, path, duration_seconds ...)."""
        return dict(self.state.facts)

    def set_facts(self, **facts: Any) -> None:
        """Remember facts about the video.

        Raises:
            InvalidArgument: one has another type than it must have.
        """
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}
        if {name: self.state.facts.get(name) for name in plain} != plain:
            event = check_event(self._event("facts", facts=plain))
            self.write(lambda _: [event])

    def between(
        self, start_seconds: float = 0.0, end_seconds: float = math.inf, kinds: Iterable[Kind] | None = None
    ) -> list[Caption]:
        """Return the captions that share a moment with `[start_seconds, end_seconds)`, in temporal order.

        Where a sense has looked again more closely, only what it said then is returned.

        Args:
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this; may be infinite.
            kinds: only these; None for all but `DERIVED_KINDS`.
        """
        with self._guard:
            self._refresh()
            if self._sorted is None or self._sorted[0] != self._changes:
                ordered = sorted(self._state.shown().values(), key=lambda c: (c.start_seconds, c.end_seconds))
                times = np.array([(c.start_seconds, c.end_seconds) for c in ordered], float).reshape(-1, 2)
                self._sorted = (self._changes, ordered, times[:, 0], times[:, 1])
            _, ordered, starts, ends = self._sorted
        wanted = None if kinds is None else set(kinds)
        found = (ordered[i] for i in np.flatnonzero((ends > start_seconds) & (starts < end_seconds)))
        return [c for c in found if (c.kind not in DERIVED_KINDS if wanted is None else c.kind in wanted)]

    def notes(self, prefix: str) -> dict[str, Any]:
        """Return what was noted under names that begin with `prefix`."""
        return {name: value for name, value in self.state.notes.items() if name.startswith(prefix)}

    def replace(self, gone: Sequence[str], captions: Sequence[Caption], notes: Mapping[str, Any]) -> None:
        """Drop captions, store others, and note values.

        Args:
            gone: ids of captions to drop.
            captions: captions to store.
            notes: values for JSON, by name; None removes one.
        """

        def make(state: VideoState) -> Iterable[Event]:
            dropped = [id_ for id_ in gone if id_ in state.captions]
            if dropped:
                yield self._event("removed", ids=dropped)
            yield from (caption_event(c) for c in captions if c.id not in state.captions or c.id in dropped)
            for name, value in notes.items():
                if value is not None or name in state.notes:
                    yield self._event("note", name=name, value=value)

        if gone or captions or notes:
            self.write(make)
            self.publish()

    def end_seconds(self) -> float:
        """Return where the last caption ends; 0 without captions."""
        return max((caption.end_seconds for caption in self.state.captions.values()), default=0.0)

    def count(self) -> int:
        """Return how many captions there are, summaries too."""
        return len(self.state.captions)

    def index(self) -> VideoIndex:
        """Return the captions with their vectors, to be ranked; those that have none yet get one."""
        with self._guard:
            self._embed()
            if self._indexed != self._changes:
                self._index.update(self._state.shown(), self._state.vectors)
                self._indexed = self._changes
            return self._index

    def _embed(self) -> None:
        """Make the vectors that are missing; they are kept in memory where they cannot be written."""
        while missing := list(self.state.bare.values())[:_EMBED_BATCH]:
            # Not under the lock of the store: a model may take long.
            made = self.embedder.documents([caption.text for caption in missing])
            if self._state.width not in (0, made.shape[1]):
                raise StoreError(
                    f"The vectors of {self.video_id} have {self._state.width} numbers, those of the embedder "
                    f"{self.embedder.name!r} {made.shape[1]}. `videochat memory rebuild --embeddings` makes them anew."
                )
            vectors = dict(zip([c.id for c in missing], unpack(made, len(missing)), strict=True))
            try:
                self.take(list(vector_events(self.video_id, self.embedder.name, vectors, vectors)))
            except StoreError:
                self._state.apply(self._event("vectors", embedder=self.embedder.name, ids=list(vectors), vectors=made))

    def publish(self) -> None:
        """Write to Chroma what is not there yet, with its vectors.

        Raises:
            StoreError: it cannot be written; what is damaged is only said, since the journal has it all.
        """
        with self._guard:
            self._embed()
            mark = self._mark()
            if mark is not None and mark == self._published and not self.log.damage:
                return
            try:
                with self._chroma.session(write=True), self._chroma.waiting():
                    self._refresh()
                    self._send()
                self._published = None if self._state.bare else self._mark()
            except StoreError as error:
                if self._lock is None or "disk is full" in str(error) or "forked" in str(error):
                    raise
                warnings.warn(f"{error} Until then captions are kept in the journal.", UserWarning, stacklevel=2)
            self._published_at = time.monotonic()

    def _mark(self) -> tuple[str, int, int] | None:
        """Return what tells whether Chroma, as it was opened last, has the whole journal."""
        return (self.log.id, self.log.end, self._chroma.openings) if isinstance(self.log, Journal) else None

    def _send(self) -> None:
        """Write to Chroma what is not there yet; within a session."""
        mark = self._chroma.call("watches", "get", ids=[self.video_id], include=["metadatas"])["metadatas"]
        sent = mark[0] if mark else {}
        if not sent and not self.known:
            return  # a foreign file, maybe
        journal = self.log if isinstance(self.log, Journal) else None
        pending, done = self._unpublished, 0
        if journal is not None:
            done = int(sent.get("journal_end", 0)) if sent.get("journal") == journal.id else 0
            other = bool(sent) and sent.get("journal") != journal.id
            if done > journal.end or journal.damage or other:
                self.salvage()
                done = 0
            pending = journal.events_from(done)
        row: dict[str, Any] = {}
        if journal is not None:
            # What another process has just written has no vector yet; it comes with the next.
            row = {"journal": journal.id, "journal_end": done if self._state.bare else journal.end}
        rows = send(self._chroma, self._state, pending, self._known_rows, row)
        if journal is not None or not self._state.bare:
            self._unpublished = []
        if journal is None and rows is not None:
            self._known_rows = rows
            self.log.sent()

    def salvage(self, *, vectors: bool = True) -> None:
        """Take back from Chroma what a damaged journal has lost; within a session.

        The journal is written anew then, so that what is damaged in it is gone.

        Args:
            vectors: whether Chroma's vectors are of the embedder that counts now.
        """
        if not isinstance(self.log, Journal):
            return
        lost = VideoState(self.video_id, self.embedder.name)
        for event in self._chroma.events(self.video_id, self.embedder.name):
            try:
                if vectors or event["event"] != "vectors":
                    lost.apply(check_event(event))
            except (ValueError, TypeError, KeyError, OverflowError):
                continue
        for event in self._state.events():
            lost.apply(check_event(event))
        self.log.replace(lost.events())
        self._refresh()

    def close(self) -> None:
        """Write to Chroma what is not there yet; much of it, as a watch that was ended leaves, at the next write."""
        if 0 < len(self._unpublished) <= _SOON_PUBLISHED or (self._unpublished and self._lock is None):
            self.publish()


def _seconds(span: Interval) -> dict[str, float]:
    return {"start_seconds": span[0], "end_seconds": span[1]}
