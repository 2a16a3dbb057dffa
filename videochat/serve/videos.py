"""ServedVideos: which videos a server offers, who answers questions about them, and how far they have been watched."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from videochat.agent import VideoAgent
from videochat.agent.watch import WatchReport
from videochat.errors import InvalidArgument, MediaError, StoreError, UnknownName, VideoChatError, first_line
from videochat.home import home
from videochat.live_recording import LiveRecording, open_video
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.memory.retrieval import find_moments
from videochat.memory.store_records import Hit
from videochat.playback import Playback, playback_of
from videochat.tools import PerceptionTool

_MOST_AGENTS = 32
log = logging.getLogger("videochat.serve")
_FEW = 20  # so many are searched one by one; of more, where they are the whole store, none is opened for it
_PATIENCE_SECONDS = 0.3  # of the list of videos with a store that is busy


class ServedVideo:
    """One video that is served.

    Args:
        id_: `Video.id`.
        name: what people call it; no two of a server are the same.
        path: its file.
        duration_seconds: how long it is; None where that is not known yet.
    """

    def __init__(self, id_: str, name: str, path: Path, duration_seconds: float | None) -> None:
        self.id, self.name, self.path, self.duration_seconds = id_, name, path, duration_seconds
        self._guard = threading.Lock()
        self._video: Video | None = None
        self._opened: tuple[int, int, int] | None = None  # what the file was like then
        self._playback: Playback | None = None

    @property
    def video(self) -> Video:
        """The opened video.

        Raises:
            MediaError: its file is gone, or is another one now.
        """
        with self._guard:
            if self._video is None:
                video = open_video(self.path)
                if video.id != self.id:
                    raise MediaError(f"The file of {self.name!r} has changed since it was watched; add it again.")
                self._video, self._opened = video, _mark(self.path)
            return self._video

    @property
    def playback(self) -> Playback:
        """How a browser plays it."""
        if self._playback is None:
            self._playback = playback_of(self.video)
        return self._playback

    @property
    def is_there(self) -> bool:
        """Whether its file is still where it was, with what was in it."""
        mark = _mark(self.path)
        with self._guard:
            if mark is None or self._video is None or isinstance(self._video, LiveRecording) or mark == self._opened:
                return mark is not None
            with contextlib.suppress(MediaError):
                if open_video(self.path).id == self.id:
                    self._opened = mark  # touched, or copied over itself
            return mark == self._opened

    def refresh(self) -> None:
        """See how long a recording has become."""
        if isinstance(self._video, LiveRecording):
            self._video.refresh()
            self.duration_seconds = self._video.duration_seconds


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced; None where there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return now.st_ino, now.st_size, now.st_mtime_ns


class ServedVideos:
    """The videos of a server, their agents, and one watch at a time.

    Args:
        videos: paths of files to serve.
        memory: a `CaptionStore`, or the place of one; None for the user's own.
        preset: line-up of senses, as of `VideoAgent`.
        llm: the language model, as of `VideoAgent`.
        video_model: what looks at ranges again, as of `VideoAgent`.
        library: whether all videos of the memory are served too.
        folders: files below them may be added by whoever may ask.

    Raises:
        MediaError: a video cannot be read.
        InvalidArgument: a folder is none.
    """

    def __init__(
        self,
        videos: Iterable[str | os.PathLike[str]] = (),
        *,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        llm: Any = None,
        video_model: str | None = None,
        library: bool = False,
        folders: Sequence[str | os.PathLike[str]] = (),
    ) -> None:
        self.uploads = home() / "uploads"
        """Where files that were sent are kept."""
        self.folders = [Path(folder).expanduser().resolve() for folder in folders]
        for folder in self.folders:
            if not folder.is_dir():
                raise InvalidArgument(f"--folder needs a folder that is there, got {str(folder)!r}.")
        self._owns_memory = not isinstance(memory, CaptionStore)
        self.memory = memory if isinstance(memory, CaptionStore) else CaptionStore(memory)
        """The store of the captions."""
        self._preset, self._llm, self._video_model = preset, llm, video_model
        self._turn = threading.Lock()
        self._guard = threading.RLock()
        self._served: dict[str, ServedVideo] = {}
        self._agents: dict[tuple[str, ...], VideoAgent] = {}
        self._counters = ThreadPoolExecutor(4, "videochat-count")
        self._counting: dict[str, Future[int]] = {}
        self._counts: dict[str, int] = {}
        for path in videos:
            self.agent([self._add(open_video(path)).id])
        if library:
            for stored in self.memory.videos():
                # An address was fetched once; its file lies in the data folder under another name.
                if stored.path and stored.id not in self._served and not re.match("https?://", stored.path):
                    self._keep(stored.id, stored.name, Path(stored.path), stored.duration_seconds)
                    self._counts[stored.id] = stored.captions

    def all(self) -> list[ServedVideo]:
        """Return what is served, in the order in which it came."""
        with self._guard:
            return list(self._served.values())

    def get(self, name: str) -> ServedVideo:
        """Return a video by id or name.

        Raises:
            UnknownName: none of that name is served.
        """
        for served in self.all():
            if name in (served.id, served.name):
                return served
        raise UnknownName("video", name[:200], [served.name for served in self.all()])

    def add(self, path: str | os.PathLike[str]) -> ServedVideo:
        """Serve a file below one of the folders, and begin to watch it.

        Raises:
            PermissionError: it is not below a folder that was allowed; the same whether it is there or not.
            MediaError: it is no video.
        """
        try:
            file = Path(path).expanduser().resolve()
        except (OSError, ValueError, RuntimeError):
            file = None
        already = next((served for served in self.all() if served.path == file), None)
        if already is not None:
            return already
        if file is None or not any(file.is_relative_to(folder) for folder in [*self.folders, self.uploads.resolve()]):
            allowed = "; start the server with --folder DIR to allow those below it" if not self.folders else ""
            raise PermissionError(f"Files there may not be added{allowed}.")
        served = self._add(Video(file))
        self.agent([served.id])
        return served

    def _add(self, video: Video) -> ServedVideo:
        return self._keep(video.id, video.name, video.path.resolve(), video.duration_seconds)

    def _keep(self, id_: str, name: str, path: Path, seconds: float | None) -> ServedVideo:
        with self._guard:
            if id_ in self._served:
                known = self._served[id_]
                if not known.is_there:
                    known.path = path
                return known
            names = {served.name for served in self._served.values()}
            own, number = name.translate(str.maketrans("[]", "()")), 2
            while own in names:
                own, number = f"{Path(name).stem} ({number}){Path(name).suffix}", number + 1
            self._served[id_] = ServedVideo(id_, own, path, seconds)
            return self._served[id_]

    def agent(self, ids: Sequence[str]) -> VideoAgent:
        """Return who answers questions about some videos; what was not watched of them is from now on.

        Args:
            ids: `Video.id` of each.

        Raises:
            UnknownName: one is not served.
            MediaError: a file is gone.
        """
        key = tuple(sorted({self.get(id_).id for id_ in ids}))
        with self._guard:
            if key not in self._agents:
                if len(self._agents) >= _MOST_AGENTS:
                    self._close_one()
                # Models are loaded once for all; a line-up that condenses captions has a part for each video.
                first = next(iter(self._agents.values()), None)
                shared = first.senses if first is not None and first.video_set.refiner is None else self._preset
                agent = VideoAgent(
                    [self.get(id_).video for id_ in key],
                    llm=self._llm,
                    video_model=self._video_model,
                    preset=shared,
                    memory=self.memory,
                )
                agent.video_set.names = {id_: self.get(id_).name for id_ in key}
                agent.video_set.watch_turn = self._turn
                agent.start_watching().when_done(_log_watch)
                self._agents[key] = agent
            return self._agents[key]

    def _close_one(self) -> None:
        for key, agent in self._agents.items():
            if agent.watching is None or agent.watching.done:
                del self._agents[key]
                return

    def check(self) -> None:
        """Refuse where captions can be neither read nor written.

        Raises:
            StoreError: the store is gone or damaged, or its server does not answer.
        """
        for served in self.all()[:1]:
            self.memory.captions_of(served.id)
        if self.memory.lock is None:
            with self.memory.chroma.session():
                self.memory.chroma.collection_names()

    def state(self, served: ServedVideo) -> dict[str, Any]:
        """Return what a page shows of a video: name, length, captions, and how far it has been watched."""
        served.refresh()
        agent = self._agents.get((served.id,))
        watch = agent.watching if agent is not None else None
        try:
            # Of a library of thousands only what was opened is read.
            known = self._counts.get(served.id) if agent is None else None
            captions, problem = self._count(served.id) if known is None else known, ""
        except StoreError as error:
            captions, problem = 0, str(error)
        length = served.duration_seconds or 0.0
        state, seconds = "stored", length
        if not served.is_there:
            state, problem = "gone", f"The file of {served.name!r} was moved or deleted; what was noted is still here."
        elif watch is not None and not watch.done:
            state, seconds = ("watching", watch.seconds) if watch.seconds > 0 else ("waiting", 0.0)
        elif watch is not None:
            state = "watched"
            try:
                watch.wait(0)
            except Exception as error:
                state, problem = "failed", first_line(error)
        return {
            "id": served.id,
            "name": served.name,
            "duration_seconds": length,
            "state": state,
            "watched_seconds": min(seconds, length),
            "captions": captions,
            "problem": problem,
        }

    def _count(self, id_: str) -> int:
        """Return how many captions a video has; what was last known while they are being written and compared."""
        counting = self._counting.get(id_)
        if counting is None:
            counting = self._counting[id_] = self._counters.submit(lambda: self.memory.captions_of(id_).count())
        try:
            self._counts[id_] = counting.result(_PATIENCE_SECONDS)
        except TimeoutError:
            return self._counts.get(id_, 0)
        except BaseException:
            self._counting.pop(id_, None)
            raise
        self._counting.pop(id_, None)
        return self._counts[id_]

    def search(self, query: str, k: int = 24) -> list[tuple[ServedVideo, Hit]]:
        """Return the moments of all served videos that fit words best, best first.

        Raises:
            InvalidArgument: the query is empty.
        """
        by_id = {served.id: served for served in self.all()}
        stored = set(self.memory.video_ids())
        known: list[str] | None = None
        if len(by_id) <= _FEW or not stored <= by_id.keys():
            known = [id_ for id_ in by_id if id_ in stored and self.memory.captions_of(id_).known]
            if not known:
                return []
        hits = find_moments(self.memory, query, k=k, video_ids=known)
        return [(by_id[hit.caption.video_id], hit) for hit in hits if hit.caption.video_id in by_id]

    def captions(self, served: ServedVideo) -> list[dict[str, Any]]:
        """Return all that was noted of a video, in temporal order, summaries aside."""
        found = self.memory.captions_of(served.id).between(0.0, math.inf)
        return [
            {
                "id": caption.id,
                "start_seconds": caption.start_seconds,
                "end_seconds": caption.end_seconds,
                "kind": caption.kind,
                "text": caption.text,
            }
            for caption in found
        ]

    def close(self) -> None:
        """End watching and let go of everything; what was seen is kept."""
        with self._guard:
            for agent in self._agents.values():
                if agent.watching is not None:
                    agent.watching.stop()
            for agent in self._agents.values():
                try:
                    agent.close()
                except VideoChatError:
                    continue
            self._agents.clear()
        self._counters.shutdown(wait=False, cancel_futures=True)
        if self._owns_memory:
            self.memory.close()


def _log_watch(reports: list[WatchReport], error: BaseException | None) -> None:
    if error is not None:
        log.error("a video could not be watched: %s", first_line(error))
    for report in reports:
        if not report.already_watched:
            facts = {"video": report.video_name, "captions": report.captions_added, "gaps": len(report.gaps)}
            log.info("watched", extra={"facts": facts | {"seconds": round(report.seconds, 1)}})
