"""BackgroundWatch: one pass over the video feeds every sense; what they see is stored as it settles."""

from __future__ import annotations

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from videochat.devices import BUDGET
from videochat.errors import InvalidArgument, VideoChatError
from videochat.frames import SAMPLE_RATE, AudioBlock, Frame, Sampling
from videochat.intervals import clock, clock_range, merge_intervals, missing_intervals
from videochat.media import Video
from videochat.memory import Gap, VideoCaptions
from videochat.records import Caption
from videochat.tools import PerceptionTool, Settled
from videochat.tools.refine import CaptionRefiner

# Items a sense may lag behind the decoder before the decoder waits: memory is bounded by this, not by length.
_QUEUE_LENGTH = 8
# Pictures may end this long before the sound does without that being worth a word.
_SHORTFALL_SECONDS = 1.0

Progress = Callable[[float], None]
"""Called with the second up to which the video has been read."""


@dataclass
class WatchReport:
    """What a watch did."""

    video_name: str
    start_seconds: float
    end_seconds: float
    captions_added: int = 0
    """Captions that were not stored before."""
    by_tool: dict[str, int] = field(default_factory=dict)
    """New captions by tool."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Tools that had nothing to do, and why."""
    gaps: list[Gap] = field(default_factory=list)
    """Stretches that could not be seen."""
    already_watched: bool = False
    """Whether everything asked for had been watched before."""
    seconds: float = 0.0
    """How long it took."""
    preset: str | None = None
    """The line-up that watched, where it has a name."""

    def __str__(self) -> str:
        when = clock_range(self.start_seconds, self.end_seconds)
        if self.already_watched:
            return f"{self.video_name} {when} had been watched before."
        by = f" with the preset {self.preset}" if self.preset else ""
        lines = [f"Watched {self.video_name} {when}{by} in {self.seconds:.1f} s: {self.captions_added} new captions."]
        lines += [f"  {tool}: {count}" for tool, count in self.by_tool.items()]
        lines += [f"  {tool}: nothing to do, {reason}" for tool, reason in self.skipped.items()]
        lines += [
            f"  {gap.source} missed {clock_range(gap.start_seconds, gap.end_seconds)}: {gap.reason}"
            for gap in self.gaps
        ]
        return "\n".join(lines)


def watch(
    video: Video,
    tools: Sequence[PerceptionTool],
    stored: VideoCaptions,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    *,
    progress: Progress | None = None,
    models_gb: float | None = None,
) -> WatchReport:
    """Run senses over a range of a video and store what they see.

    What was watched before by the same version of a sense is not watched again. A sense that fails leaves a
    gap from its last settled mark on, and the others go on; the next watch tries the gap again. One pass over the
    video feeds all senses; where their models do not fit into memory together, there is a pass for each group that
    does, and the models of a group are freed before the next.

    Args:
        video: what to watch.
        tools: the senses.
        stored: where captions go.
        start_seconds: first moment.
        end_seconds: first moment no longer; None for the end.
        progress: told how far the video has been read, a few times a second.
        models_gb: how many gigabytes models may take together; None for most of the device's memory. A model that
            is larger runs alone.

    Raises:
        InvalidArgument: the range holds nothing, or the budget is none.
        MissingDependency: the weights of a sense are not on this machine; nothing has been decoded then.
        StoreError: the captions cannot be written.
    """
    began = time.perf_counter()
    start, end = video.span(start_seconds, end_seconds)
    report = WatchReport(video.name, start, end)
    jobs: list[_Job] = []
    for tool in tools:
        if reason := tool.unfit(video):
            report.skipped[tool.name] = reason
            continue
        tool.prepare()
        version = tool.version(video)
        stored.drop_other_versions(tool.source, version)
        spans = missing_intervals(stored.watched(tool.source, version), start, end)
        jobs += [_Job(tool, version, span) for span in spans]
        report.by_tool[tool.name] = 0
    report.already_watched = not jobs
    for job in jobs:
        stored.clear_gaps(job.tool.source, *job.span)
    groups = _groups([tool for tool in tools if tool.name in report.by_tool], models_gb)
    for number, group in enumerate(groups):
        part = [job for job in jobs if job.tool in group]
        if part:
            _Watch(video, part, stored, report, progress).run()
        if number < len(groups) - 1:
            for tool in group:
                tool.close()
    stored.index()
    report.captions_added = sum(report.by_tool.values())
    report.gaps = [gap for gap in stored.gaps() if gap.start_seconds < end and gap.end_seconds > start]
    report.seconds = time.perf_counter() - began
    return report


def _groups(tools: Sequence[PerceptionTool], models_gb: float | None) -> list[list[PerceptionTool]]:
    """Return senses in groups whose models fit into memory together; what has no model is in the first."""
    if models_gb is not None and not models_gb > 0:
        raise InvalidArgument(f"models_gb must be above 0, got {models_gb!r}.")
    groups: list[list[PerceptionTool]] = [[tool for tool in tools if tool.weights is None]]
    sizes = {tool.weights: tool.memory_bytes() for tool in tools if tool.weights is not None}
    if not sizes:
        return groups
    budget = BUDGET.left(None if models_gb is None else models_gb * 1e9, besides=sizes)
    taken = 0
    # Senses of one model are loaded once, so they stay together.
    for weights, size in sizes.items():
        if taken and taken + size > budget:
            groups.append([])
            taken = 0
        taken += size
        groups[-1] += [tool for tool in tools if tool.weights == weights]
    return groups


def refine(video: Video, refiner: CaptionRefiner, stored: VideoCaptions) -> int:
    """Condense all that is stored of a video into lines for stretches and for the whole, beside the originals.

    Lines made from other captions than are stored now are replaced.

    Returns:
        How many lines were written.
    """
    captions = [caption for caption in stored.between() if caption.source != refiner.source]
    digest = hashlib.blake2b("".join(sorted(caption.id for caption in captions)).encode(), digest_size=8)
    end = video.duration_seconds
    lines = list(refiner.refine(captions, video, 0.0, end))
    stored.drop_other_versions(refiner.source, digest.hexdigest())
    return stored.record(lines, source=refiner.source, version=digest.hexdigest(), watched=(0.0, end))


@dataclass
class _Job:
    """One sense over one stretch that it has not watched yet."""

    tool: PerceptionTool
    version: str
    span: tuple[float, float]
    inbox: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(_QUEUE_LENGTH))
    settled: float = 0.0
    fed: bool = False
    """Whether it was told that nothing more comes."""
    done: bool = False

    def __post_init__(self) -> None:
        self.settled = self.span[0]

    def wants(self, seconds: float) -> bool:
        return not self.done and self.span[0] - 1e-6 <= seconds < self.span[1] - 1e-6


_END = object()


class _Watch:
    """The threads of one watch: a reader for pictures, one for sound, and one for each sense.

    Senses hand captions to this thread, the only one that writes.
    """

    def __init__(
        self, video: Video, jobs: list[_Job], stored: VideoCaptions, report: WatchReport, progress: Progress | None
    ) -> None:
        self.video, self.jobs, self.stored, self.report, self.progress = video, jobs, stored, report, progress
        self.outbox: queue.Queue[tuple[_Job, Any]] = queue.Queue(64)
        self.stop = threading.Event()
        self.position = min((job.span[0] for job in jobs), default=0.0)

    def run(self) -> None:
        by_tool: dict[int, list[_Job]] = {}
        for job in self.jobs:
            by_tool.setdefault(id(job.tool), []).append(job)
        threads = [threading.Thread(target=self._perceive, args=(jobs,), daemon=True) for jobs in by_tool.values()]
        pictures = [job for job in self.jobs if isinstance(job.tool.needs, Sampling)]
        sounds = [job for job in self.jobs if job.tool.needs == "sound"]
        for jobs, read in ((pictures, self._read_pictures), (sounds, self._read_sound)):
            if jobs:
                threads.append(threading.Thread(target=self._feed, args=(jobs, read), daemon=True))
        for thread in threads:
            thread.start()
        try:
            self._store()
        finally:
            # Also on Ctrl-C: what has settled is stored, and nobody waits for a queue that is not read.
            self.stop.set()
            for thread in threads:
                while thread.is_alive():
                    self._drain()
                    thread.join(0.05)

    def _store(self) -> None:
        held: dict[int, list[Caption]] = {id(job): [] for job in self.jobs}
        open_jobs = len(self.jobs)
        while open_jobs:
            if self.progress:
                self.progress(self.position)
            try:
                job, item = self.outbox.get(timeout=0.2)
            except queue.Empty:
                continue
            if isinstance(item, Caption):
                held[id(job)].append(item)
            elif isinstance(item, Gap):
                self.stored.record_gap(item)
            elif isinstance(item, Settled):
                job.settled = min(max(item.seconds, job.settled), job.span[1])
                self.report.by_tool[job.tool.name] += self.stored.record(
                    held[id(job)],
                    source=job.tool.source,
                    version=job.version,
                    watched=(job.span[0], job.settled) if job.settled > job.span[0] else None,
                )
                held[id(job)] = []
            else:
                open_jobs -= 1
                if isinstance(item, BaseException):
                    self._give_up(job, item)

    def _give_up(self, job: _Job, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        reason = str(error) if isinstance(error, VideoChatError) else f"{type(error).__name__}: {error}"
        self.stored.record_gap(Gap(job.tool.source, job.settled, job.span[1], reason))

    def _perceive(self, jobs: list[_Job]) -> None:
        """Run one sense over its stretches; captions, marks and, last, the end or error go to the outbox."""
        for job in jobs:
            stream = () if job.tool.needs == "subtitles" else self._stream(job)
            ending: Any = _END
            try:
                for item in job.tool.perceive(stream, self.video, *job.span):
                    self.outbox.put((job, item))
            except BaseException as error:
                ending = error
            job.done = True
            self.outbox.put((job, ending))

    def _stream(self, job: _Job) -> Iterator[Any]:
        while True:
            try:
                item = job.inbox.get(timeout=0.2)
            except queue.Empty:
                item = None
            if self.stop.is_set():
                raise _Stopped
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            if item is not None:
                yield item

    def _feed(self, jobs: list[_Job], read: Callable[[list[_Job], float, float], None]) -> None:
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

    def _read_pictures(self, jobs: list[_Job], start: float, end: float) -> None:
        samplings: dict[Sampling, list[_Job]] = {}
        for job in jobs:
            if isinstance(job.tool.needs, Sampling) and job.span[0] < end and job.span[1] > start:
                samplings.setdefault(job.tool.needs, []).append(job)
        wanted = list(samplings.items())
        last = start
        for index, frame in self.video.sample([sampling for sampling, _ in wanted], start, end):
            self._give(wanted[index][1], frame)
            last = max(last, frame.end_seconds)
        if end - last > _SHORTFALL_SECONDS:
            reason = f"the pictures of the file end at {clock(last)}, or cannot be decoded from there on"
            self.outbox.put((jobs[0], Gap("pictures", last, end, reason)))

    def _read_sound(self, jobs: list[_Job], start: float, end: float) -> None:
        for sound in self.video.audio(start, end):
            self.position = max(self.position, sound.seconds)
            for job in jobs:
                first, last = (
                    min(max(round((at - sound.seconds) * SAMPLE_RATE), 0), len(sound.samples)) for at in job.span
                )
                if first < last and not job.done:
                    part = sound.samples[first:last]
                    self._put(job, AudioBlock(sound.seconds + first / SAMPLE_RATE, part))
            self._end([job for job in jobs if job.span[1] <= sound.end_seconds])

    def _give(self, jobs: Iterable[_Job], frame: Frame) -> None:
        self.position = max(self.position, frame.seconds)
        for job in jobs:
            if job.wants(frame.seconds):
                self._put(job, frame)
            elif frame.seconds >= job.span[1] - 1e-6:
                # At once: its sense may have another stretch, and takes nothing of that before this one ends.
                self._end([job])

    def _end(self, jobs: Iterable[_Job], ending: Any = _END) -> None:
        for job in jobs:
            if not job.fed:
                job.fed = True
                self._put(job, ending)

    def _put(self, job: _Job, item: Any) -> None:
        while not job.done:
            if self.stop.is_set():
                raise _Stopped
            try:
                job.inbox.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def _drain(self) -> None:
        while not self.outbox.empty():
            self.outbox.get_nowait()


class _Stopped(Exception):
    """The watch ends before the video does."""
