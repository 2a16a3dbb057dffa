"""watch_videos: many videos watched in this process, with models that are loaded once."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from videochat.agent.batch import Batch, VideoResult, Worker
from videochat.agent.batch_worker import BatchProgress, BatchWorker
from videochat.agent.chat_models import ChatModel
from videochat.agent.watcher import Watcher
from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore
from videochat.sources import Source, find_sources
from videochat.tools import PerceptionTool

_STOP_SECONDS = 3.0

Sources = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Source]
"""Paths of videos and folders, patterns, addresses: one or several."""


def watch_videos(
    sources: Sources,
    *,
    preset: str | Sequence[str | PerceptionTool] | None = None,
    clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
    memory: CaptionStore | str | os.PathLike[str] | None = None,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    fps: float | None = None,
    jobs: int = 1,
    models_gb: float | None = None,
    progress: BatchProgress | None = None,
) -> Iterator[VideoResult]:
    """Watch many videos and yield what became of each; one that fails stops none of the others.

    What was watched before is not watched again, so a batch that was killed is begun again and goes on. Captions are
    in the memory as soon as they are made: `VideoAgent(videos, memory=...)` asks them, also meanwhile.

    Args:
        sources: paths of videos and folders, patterns (`lectures/**/*.mp4`), addresses: one or several.
        preset: as of `VideoAgent`.
        clip_captions: as of `VideoAgent`.
        memory: a `CaptionStore`, the directory of one, or the address of a Chroma server; None for the user's own.
        start_seconds: first moment of each video.
        end_seconds: first moment no longer; None for the end.
        fps: pictures per second for the senses that sample at a rate; None for each one's own rate.
        jobs: how many videos at once, each with models of its own.
        models_gb: gigabytes for the senses' models together, of each job; None for most of the device's memory.
        progress: called with a video's name, the second reached and its length, a few times a second.

    Raises:
        InvalidArgument: `jobs` is not positive, or senses that are objects would have to work for two at once.
        UnknownName: no such preset or tool.
        StoreError: the memory cannot be opened, or no longer be written.
        MissingDependency: the weights of a sense are not on this machine.
    """
    if not isinstance(jobs, int) or jobs < 1:
        raise InvalidArgument(f"jobs must be a whole number of at least 1, got {jobs!r}.")
    line_up: Any = copy.copy(preset) if isinstance(preset, str | None) else list(preset)
    if jobs > 1 and not isinstance(line_up, str | None) and not all(isinstance(each, str) for each in line_up):
        raise InvalidArgument("Senses that are objects work for one video at a time; give their names, or jobs=1.")
    store = memory if isinstance(memory, CaptionStore) else CaptionStore(memory)

    def make(describes: Any) -> Watcher:
        return Watcher(preset=line_up, clip_captions=describes, memory=store, models_gb=models_gb)

    # A mistake in the names is found here, not at the first video.
    first = make(clip_captions)
    # Before it is loaded: each has a model of its own.
    copies = [copy.deepcopy(clip_captions) for _ in range(jobs - 1)]
    watchers = [first, *(make(each) for each in copies)]
    batch = _Local(watchers, fps, progress)
    found = find_sources(sources)
    return batch.run(found, start_seconds, end_seconds, store if store is not memory else None)


class _Local:
    """Workers in this process: one in the thread that calls, or several in threads of their own."""

    def __init__(self, watchers: Sequence[Watcher], fps: float | None, progress: BatchProgress | None) -> None:
        self._watchers = watchers
        self._stop = threading.Event()

        def tell(name: str, seconds: float, length: float) -> None:
            if self._stop.is_set():
                # As Ctrl-C does where there is one thread: the senses have a moment to end, and what settled is stored.
                raise KeyboardInterrupt
            if progress is not None:
                progress(name, seconds, length)

        workers = [BatchWorker(partial(_itself, made), fps=fps, progress=tell) for made in watchers]
        self._threads = ThreadPoolExecutor(len(workers), "videochat-batch") if len(workers) > 1 else None
        self._workers: list[Worker] = [_Here(worker, self._threads) for worker in workers]

    def run(
        self, sources: Sequence[Source], start: float, end: float | None, owned: CaptionStore | None
    ) -> Iterator[VideoResult]:
        try:
            yield from Batch(self._workers, sources, start_seconds=start, end_seconds=end).run()
        finally:
            self._stop.set()
            if self._threads is not None:
                self._threads.shutdown(wait=False, cancel_futures=True)
                wait([here.last for here in self._workers if isinstance(here, _Here) and here.last], _STOP_SECONDS)
            for watcher in self._watchers:
                watcher.free(*watcher.senses, watcher.refiner)
            if owned is not None:
                owned.close()


class _Here:
    """A worker of this process; without threads its calls are done at once."""

    def __init__(self, worker: BatchWorker, threads: ThreadPoolExecutor | None) -> None:
        self._worker, self._threads = worker, threads
        self.last: Future[Any] | None = None

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        run = getattr(self._worker, method)
        if self._threads is not None:
            self.last = self._threads.submit(run, *arguments)
            return self.last
        future: Future[Any] = Future()
        try:
            future.set_result(run(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def renew(self) -> None:
        """Nothing: what failed here is no reason to load the models again."""


def _itself(watcher: Watcher) -> Watcher:
    return watcher
