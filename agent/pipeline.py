"""Pipeline: the threads and queues of one decoding pass that feeds all senses; captions are stored as they settle."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from videochat.audio import LONGEST_PAUSE_SECONDS, SAMPLE_RATE, AudioBlock
from videochat.errors import VideoChatError
from videochat.frames import Frame, Sampling
from videochat.intervals import Interval, clock, merge_intervals
from videochat.media import Video
from videochat.memory import Gap, VideoCaptions
from videochat.records import Caption
from videochat.tools import PerceptionTool, Settled
from videochat.tools.base import Missed

# Items a sense may lag behind the decoder before the decoder waits: memory is bounded by this, not by length.
_QUEUE_LENGTH = 8
_OUTBOX_LENGTH = 64
# Pictures may end this long before the sound does without that being worth a word.
_SHORTFALL_SECONDS = 1.0

# After Ctrl-C a sense has this long to end; one that computes in one long call ends after that, on its own.
_STOP_SECONDS = 1.5

Progress = Callable[[float], None]
"""Called with how far a watch is, as a second of the video: what counts is the sense that has most to do yet."""


@dataclass
class Job:
    """One sense over one stretch that it has not watched yet."""

    sense: PerceptionTool
    version: str
    """Of the sense, for this video."""
    span: Interval
    """Seconds to watch."""
    inbox: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(_QUEUE_LENGTH))
    """Frames or sound on their way to the sense."""
    settled: float = 0.0
    """Second up to which its captions are complete."""
    reached: float = 0.0
    """Second that its sense has taken last."""
    fed: bool = False
    """Whether it was told that nothing more comes."""
    done: bool = False
    """Whether the sense has ended."""

    def __post_init__(self) -> None:
        self.settled = self.reached = self.span[0]

    def position(self) -> float:
        """Return the second up to which its sense has come."""
        if self.done:
            return self.span[1]
        return self.settled if self.sense.reads_ahead else self.reached

    def wants(self, seconds: float) -> bool:
        """Whether a picture of that second is for its sense."""
        return not self.done and self.span[0] - 1e-6 <= seconds < self.span[1] - 1e-6


_END = object()


class Pipeline:
    """One decoding pass over a video that feeds several senses.

    There is a thread that reads pictures, one that reads sound, and one for each sense. Senses hand their captions
    to the thread that calls `run`, the only one that writes.

    Args:
        video: what to watch.
        jobs: what each sense has to watch of it.
        stored: where captions go.
        progress: told a few times a second which share of the pass is done, in [0, 1], by the sense that has most to
            do yet; what it raises ends the pass.
    """

    def __init__(
        self, video: Video, jobs: Sequence[Job], stored: VideoCaptions, progress: Callable[[float], None] | None
    ) -> None:
        self.video, self.jobs, self.stored, self.progress = video, jobs, stored, progress
        self.added: Counter[str] = Counter()
        """New captions by name of the sense."""
        self._outbox: queue.Queue[tuple[Job, Any]] = queue.Queue(_OUTBOX_LENGTH)
        self._stop = threading.Event()
        self._by_sense: dict[int, list[Job]] = {}
        for job in jobs:
            self._by_sense.setdefault(id(job.sense), []).append(job)

    def run(self) -> None:
        """Watch until every job has ended; what has settled is stored also if it is interrupted.

        Raises:
            StoreError: captions cannot be written.
        """
        threads = [threading.Thread(target=self._perceive, args=(jobs,)) for jobs in self._by_sense.values()]
        pictures = [job for job in self.jobs if isinstance(job.sense.needs, Sampling)]
        sounds = [job for job in self.jobs if job.sense.needs == "sound"]
        for jobs, read in ((pictures, self._read_pictures), (sounds, self._read_sound)):
            if jobs:
                threads.append(threading.Thread(target=self._feed, args=(jobs, read)))
        for thread in threads:
            thread.start()
        until = math.inf
        try:
            self._store()
        except KeyboardInterrupt:
            until = time.monotonic() + _STOP_SECONDS
            raise
        finally:
            # What has settled is stored, and no thread waits for a queue that is not read.
            self._stop.set()
            for job in self.jobs:
                job.sense.interrupt()
            for thread in threads:
                while thread.is_alive() and time.monotonic() < until:
                    self._drain()
                    thread.join(0.05)

    def _share(self) -> float:
        """Return which share of its stretches the sense has seen that has most to do yet, in [0, 1]."""
        return min(
            sum(job.position() - job.span[0] for job in jobs) / sum(job.span[1] - job.span[0] for job in jobs)
            for jobs in self._by_sense.values()
        )

    def _store(self) -> None:
        held: dict[int, list[Caption]] = {id(job): [] for job in self.jobs}
        open_jobs = len(self.jobs)
        while open_jobs:
            if self.progress:
                self.progress(self._share())
            try:
                job, item = self._outbox.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(item, Caption):
                held[id(job)].append(self.video.stamped(item))
            elif isinstance(item, Gap):
                self.stored.record_gap(item)
            elif isinstance(item, Missed):
                gap = Gap(job.sense.source, item.start_seconds, item.end_seconds, item.reason)
                self.stored.record_gap(gap)
            elif isinstance(item, Settled):
                before, job.settled = job.settled, min(max(item.seconds, job.settled), job.span[1])
                # The last mark of a stretch settles what is open only because no more of the video is shown.
                cut_off = before < job.settled == job.span[1] < self.video.duration_seconds - 1e-3
                self.added[job.sense.name] += self.stored.record(
                    held[id(job)],
                    source=job.sense.source,
                    version=job.version,
                    watched=(job.span[0], job.settled) if job.settled > job.span[0] else None,
                    tail=(before, job.settled) if cut_off else None,
                )
                held[id(job)] = []
            else:
                open_jobs -= 1
                if isinstance(item, BaseException):
                    self._give_up(job, item)
        if self.progress:
            self.progress(1.0)

    def _give_up(self, job: Job, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        gone = isinstance(error, FileNotFoundError) and not self.video.path.exists()
        reason = str(error) if isinstance(error, VideoChatError) else f"{type(error).__name__}: {error}"
        reason = f"{self.video.name} was moved or deleted meanwhile" if gone else reason
        self.stored.record_gap(Gap(job.sense.source, job.settled, job.span[1], reason))

    def _perceive(self, jobs: list[Job]) -> None:
        """Run one sense over its stretches; captions, marks and, last, the end or error go to the outbox."""
        for job in jobs:
            stream = () if job.sense.needs == "subtitles" else self._stream(job)
            ending: Any = _END
            try:
                for item in job.sense.perceive(stream, self.video, *job.span):
                    self._outbox.put((job, item))
            except BaseException as error:
                ending = error
            job.done = True
            self._outbox.put((job, ending))

    def _stream(self, job: Job) -> Iterator[Any]:
        while True:
            try:
                item = job.inbox.get(timeout=0.2)
            except queue.Empty:
                item = None
            if self._stop.is_set():
                raise _Stopped
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            if item is not None:
                job.reached = min(max(item.seconds, job.reached), job.span[1])
                yield item

    def _feed(self, jobs: list[Job], read: Callable[[list[Job], float, float], None]) -> None:
        """Read each stretch that any of the jobs wants, once, and hand it to those that want it."""
        ending: Any = _END
        try:
            for start, end in merge_intervals(job.span for job in jobs):
                read(jobs, start, end)
                self._end([job for job in jobs if job.span[1] <= end])
        except _Stopped:
            return  # the senses look at the same flag
        except Exception as error:
            ending = error
        with contextlib.suppress(_Stopped):
            self._end(jobs, ending)

    def _read_pictures(self, jobs: list[Job], start: float, end: float) -> None:
        samplings: dict[Sampling, list[Job]] = {}
        for job in jobs:
            if isinstance(job.sense.needs, Sampling) and job.span[0] < end and job.span[1] > start:
                samplings.setdefault(job.sense.needs, []).append(job)
        wanted = sorted(samplings.items(), key=lambda item: item[0].every_seconds or 0.0)
        last, step = start, wanted[0][0].every_seconds or 0.0
        for index, frame in self.video.sample([sampling for sampling, _ in wanted], start, end):
            self._give(wanted[index][1], frame)
            if index == 0 and frame.seconds - last > step + _SHORTFALL_SECONDS:
                reason = f"nothing between {clock(last)} and {clock(frame.seconds)} is in the file or can be decoded"
                self._outbox.put((jobs[0], Gap("pictures", last, frame.seconds, reason)))
            last = max(last, frame.end_seconds)
        if end - last > _SHORTFALL_SECONDS:
            reason = f"the pictures of the file end at {clock(last)}, or cannot be decoded from there on"
            self._outbox.put((jobs[0], Gap("pictures", last, end, reason)))

    def _read_sound(self, jobs: list[Job], start: float, end: float) -> None:
        heard = start
        for sound in self.video.audio(start, end):
            heard = sound.end_seconds
            for job in jobs:
                first, last = (
                    min(max(round((at - sound.seconds) * SAMPLE_RATE), 0), len(sound.samples)) for at in job.span
                )
                if first < last and not job.done:
                    part = sound.samples[first:last]
                    self._put(job, AudioBlock(sound.seconds + first / SAMPLE_RATE, part))
            self._end([job for job in jobs if job.span[1] <= sound.end_seconds])
        if end - heard > LONGEST_PAUSE_SECONDS:
            reason = f"there is no sound for more than a day after {clock(heard)}; what comes later is not heard"
            self._outbox.put((jobs[0], Gap("sound", heard, end, reason)))

    def _give(self, jobs: Iterable[Job], frame: Frame) -> None:
        for job in jobs:
            if job.wants(frame.seconds):
                self._put(job, frame)
            elif frame.seconds >= job.span[1] - 1e-6:
                # At once: its sense may have another stretch, and takes nothing of that before this one ends.
                self._end([job])

    def _end(self, jobs: Iterable[Job], ending: Any = _END) -> None:
        for job in jobs:
            if not job.fed:
                job.fed = True
                self._put(job, ending)

    def _put(self, job: Job, item: Any) -> None:
        while not job.done:
            if self._stop.is_set():
                raise _Stopped
            try:
                job.inbox.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def _drain(self) -> None:
        while not self._outbox.empty():
            self._outbox.get_nowait()


class _Stopped(Exception):
    """The watch ends before the video does."""
