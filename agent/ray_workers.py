"""Workers on Ray: one actor for each GPU, or for each group of cores, with the models that it loaded once."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from videochat.agent.batch import Batch, VideoResult, Worker
from videochat.agent.batch_worker import BatchWorker
from videochat.agent.watch_videos import Sources
from videochat.agent.watcher import Watcher
from videochat.errors import InvalidArgument, MissingDependency
from videochat.sources import find_sources
from videochat.tools import PerceptionTool, make_tools

if TYPE_CHECKING:
    from collections.abc import Callable

_CORES = 4
"""Of a worker without a GPU: decoding takes one, models the others."""
_TRIES = 3
_RANGE_SECONDS = 600.0
_STORE_BYTES = 100 * 2**20
"""Of Ray's own store on one machine: only short records pass through it."""


def watch_on_ray(
    sources: Sources,
    *,
    memory: str,
    preset: str | Sequence[str | PerceptionTool] | None = None,
    clip_captions: PerceptionTool | str | None = None,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    fps: float | None = None,
    workers: int | None = None,
    range_seconds: float = _RANGE_SECONDS,
    models_gb: float | None = None,
) -> Iterator[VideoResult]:
    """Watch many videos on a Ray cluster, or on this machine, and yield what became of each.

    The cluster is the one of `RAY_ADDRESS`, else Ray is started on this machine. Every worker must see the videos
    under the paths that are given, or they are addresses (`https://`, `s3://`, `gs://`), and must have the package
    and its weights. Captions go to a Chroma server; what was watched is known there, so after the death of a worker
    another goes on, and after that of the program the next one.

    Args:
        sources: as of `watch_videos`.
        memory: address of the Chroma server, `http://host:port`, as every worker reaches it.
        preset: as of `VideoAgent`; senses that are objects are sent to the workers.
        clip_captions: as of `VideoAgent`.
        start_seconds: first moment of each video.
        end_seconds: first moment no longer; None for the end.
        fps: pictures per second for the senses that sample at a rate; None for each one's own rate.
        workers: how many, sharing the cluster evenly; None for one for each GPU, or for each four cores.
        range_seconds: how much of a video is handed to a worker at once.
        models_gb: gigabytes for the models of a worker together.

    Raises:
        MissingDependency: Ray is not installed, or the weights of a sense are not on a worker's machine.
        InvalidArgument: the memory is no server, or a number is none.
        UnknownName: no such preset or tool.
        StoreError: the server cannot be reached for minutes.
    """
    if find_spec("ray") is None:
        raise MissingDependency("Workers on Ray need the extra `ray`: pip install 'videochat[ray]'.")
    if not str(memory).startswith(("http://", "https://")):
        raise InvalidArgument(
            f"Workers on several machines need one Chroma server, as memory='http://host:8000' (`chroma run --path "
            f"DIR`), got {memory!r}."
        )
    if range_seconds <= 0 or (workers is not None and (not isinstance(workers, int) or workers < 1)):
        raise InvalidArgument(f"workers and range_seconds must be above 0, got {workers!r} and {range_seconds!r}.")
    if preset is not None:
        make_tools(preset)  # a mistake in the names is found here, not on every machine
    make = partial(Watcher, preset=preset, clip_captions=clip_captions, memory=memory, models_gb=models_gb)
    found = find_sources(sources)

    def run() -> Iterator[VideoResult]:
        with ray_workers(make, fps=fps, count=workers) as actors:
            yield from Batch(
                actors,
                found,
                start_seconds=start_seconds,
                end_seconds=end_seconds,
                range_seconds=range_seconds,
                tries=_TRIES,
            ).run()

    return run()


@contextlib.contextmanager
def ray_workers(
    make: Callable[[], Watcher], *, fps: float | None = None, count: int | None = None
) -> Iterator[list[Worker]]:
    """Give workers on Ray; Ray is ended where it was started for them.

    Args:
        make: returns the line-up and the memory of a worker; it is sent to the workers.
        fps: as of `BatchWorker`.
        count: how many; None for one for each GPU, or for each four cores.
    """
    # Before it is imported: Ray else tells its makers of each cluster that is started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray: Any = import_module("ray")  # its types know fewer options than it does
    started = not ray.is_initialized()
    if started:
        own = {} if os.environ.get("RAY_ADDRESS") else {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **own)
    try:
        number, options = share(ray.cluster_resources(), count)
        actor = ray.remote(**options)(BatchWorker)
        yield [_RayWorker(partial(actor.remote, make, fps=fps)) for _ in range(number)]
    finally:
        if started:
            ray.shutdown()


def share(resources: dict[str, float], count: int | None) -> tuple[int, dict[str, float]]:
    """Return how many workers a cluster has room for, and what of it each takes.

    Args:
        resources: cores (`CPU`) and GPUs (`GPU`) of the cluster.
        count: how many are wanted; None for one for each GPU, or for each four cores.
    """
    cores, gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    if count is None:
        count = int(gpus) or max(int(cores // _CORES), 1)
    parts = {"num_cpus": cores / count} | ({"num_gpus": gpus / count} if gpus else {})
    # Ray takes ten-thousandths of one, else whole ones; rounded up, the last worker would find no room.
    return count, {name: math.floor(part * 1e4) / 1e4 if part < 1 else math.floor(part) for name, part in parts.items()}


class _RayWorker:
    """One actor, and another in its place after it has died."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._actor = make()

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        future: Future[Any] = getattr(self._actor, method).remote(*arguments).future()
        return future

    def renew(self) -> None:
        import ray

        with contextlib.suppress(Exception):
            ray.kill(self._actor)
        self._actor = self._make()
