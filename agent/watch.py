"""watch(): run senses over a range of a video and store what they see, except what was watched before."""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from videochat.agent.pipeline import Job, Pipeline, Progress
from videochat.agent.speakers import join_speakers
from videochat.devices import BUDGET
from videochat.errors import check_number
from videochat.intervals import Interval, clock_range, merge_intervals, missing_intervals
from videochat.media import Video
from videochat.memory import Gap, VideoCaptions
from videochat.renamed import keywords
from videochat.tools import PerceptionTool
from videochat.tools.refine import CaptionRefiner

_SAME_SECONDS = 1e-3


@dataclass
class WatchReport:
    """What a watch did."""

    video_name: str
    start_seconds: float
    end_seconds: float
    captions_added: int = 0
    """Captions that were not stored before."""
    by_sense: dict[str, int] = field(default_factory=dict)
    """New captions by name of the sense."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Senses that had nothing to do, and why."""
    gaps: list[Gap] = field(default_factory=list)
    """Stretches that could not be seen."""
    already_watched: bool = False
    """Whether everything asked for had been watched before."""
    seconds: float = 0.0
    """How long it took."""
    preset: str | None = None
    """The line-up that watched, where it has a name."""
    remarks: list[str] = field(default_factory=list)
    """What was chosen or guessed on the way, such as which of several subtitles were read."""

    @property
    def by_tool(self) -> dict[str, int]:
        """What `by_sense` was called in the previous release."""
        warnings.warn(
            "WatchReport.by_tool is now .by_sense; the old name goes with the next release.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.by_sense

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; for one release also under the old name `by_tool`."""
        return asdict(self) | {"by_tool": dict(self.by_sense)}

    def _repr_html_(self) -> str:
        first, *rest = str(self).splitlines()
        return f"<p>{escape(first)}</p><ul>{''.join(f'<li>{escape(line.strip())}</li>' for line in rest)}</ul>"

    def __str__(self) -> str:
        when = clock_range(self.start_seconds, self.end_seconds)
        if self.already_watched:
            return f"{self.video_name} {when} had been watched before."
        by = f" with the preset {self.preset}" if self.preset else ""
        lines = [f"Watched {self.video_name} {when}{by} in {self.seconds:.1f} s: {self.captions_added} new captions."]
        lines += [f"  {sense}: {count}" for sense, count in self.by_sense.items()]
        lines += [f"  {sense}: nothing to do, {reason}" for sense, reason in self.skipped.items()]
        lines += [f"  {remark}" for remark in self.remarks]
        lines += [
            f"  {gap.source} missed {clock_range(gap.start_seconds, gap.end_seconds)}: {gap.reason}"
            for gap in self.gaps
        ]
        return "\n".join(lines)


def _size(video: Video) -> int | None:
    """Return the bytes of a video's file; None where there is none, or it is a folder that grows."""
    return video.path.stat().st_size if video.path.is_file() else None


@keywords(tools="senses")
def watch(
    video: Video,
    senses: Sequence[PerceptionTool],
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
        senses: what watches.
        stored: where captions go.
        start_seconds: first moment.
        end_seconds: first moment no longer; None for the end.
        progress: told how far the watch is, as a second of the video, a few times a second.
        models_gb: how many gigabytes models may take together; None for most of the device's memory. A model that
            is larger runs alone.

    Raises:
        InvalidArgument: the range holds nothing, or the budget is none.
        MissingDependency: the weights of a sense are not on this machine; nothing has been decoded then.
        StoreInUse: another process is watching a part of the range with one of the senses.
        StoreError: the captions cannot be written.
    """
    began = time.perf_counter()
    start, end = video.span(start_seconds, end_seconds)
    report = WatchReport(video.name, start, end)
    size = _size(video)
    fit: list[tuple[PerceptionTool, str]] = []
    for sense in senses:
        if reason := sense.unfit(video):
            report.skipped[sense.name] = reason
            if sense.kind == "speech":
                # Subtitles that came since say what was heard before; what those said that are gone is gone too.
                stored.drop_other_versions(sense.source, "")
            continue
        sense.prepare()
        fit.append((sense, sense.version(video)))
        report.remarks += [f"{sense.name}: {remark}" for remark in sense.remarks(video)]
        report.by_sense[sense.name] = 0
    jobs = _jobs(fit, stored, (start, end))
    report.already_watched = bool(fit) and not jobs
    if jobs:
        first, last = min(job.span[0] for job in jobs), max(job.span[1] for job in jobs)
        with stored.watching({sense.source for sense, _ in fit}, min(start, first), max(end, last)):
            _watch(video, fit, stored, report, progress, models_gb)
        join_speakers(stored)
        stored.publish()
    if _size(video) != size:
        report.remarks.append("the file changed while it was watched and is another video now; watch it again")
    report.captions_added = sum(report.by_sense.values())
    report.gaps = [gap for gap in stored.gaps() if gap.start_seconds < end and gap.end_seconds > start]
    report.seconds = time.perf_counter() - began
    return report


def _jobs(fit: Sequence[tuple[PerceptionTool, str]], stored: VideoCaptions, span: Interval) -> list[Job]:
    return [
        Job(sense, version, part)
        for sense, version in fit
        for part in _unwatched(stored.watched(sense.source, version), stored.tails(sense.source), span)
    ]


def _unwatched(watched: Sequence[Interval], tails: Sequence[Interval], span: Interval) -> list[Interval]:
    """Return what a sense has to watch of a range, in order.

    What it said of a stretch depends on what it saw before, and at the end of the stretch on what it would have seen
    next (whether a shot goes on). So what borders on what is missing is watched again: what was watched after it as a
    whole, and the open end (`tails`) of what was watched before it.
    """
    parts = []
    for start, end in missing_intervals(watched, *span):
        before = next((a for a, b in tails if abs(b - start) < _SAME_SECONDS), start)
        after = next((b for a, b in watched if abs(a - end) < _SAME_SECONDS), end)
        parts.append((before, after))
    return merge_intervals(parts)


def _watch(
    video: Video,
    fit: Sequence[tuple[PerceptionTool, str]],
    stored: VideoCaptions,
    report: WatchReport,
    progress: Progress | None,
    models_gb: float | None,
) -> None:
    for sense, version in fit:
        stored.drop_other_versions(sense.source, version)
    for start, end, reason in video.gaps:
        if start < report.end_seconds and end > report.start_seconds:
            stored.record_gap(Gap("file", start, end, reason))
    jobs = _jobs(fit, stored, (report.start_seconds, report.end_seconds))
    for job in jobs:
        stored.reopen(job.sense.source, *job.span)
        stored.clear_gaps(job.sense.source, *job.span)
    groups = group_by_memory([sense for sense, _ in fit], models_gb)
    first, last = min(job.span[0] for job in jobs), max(job.span[1] for job in jobs)
    for number, group in enumerate(groups):

        def tell(share: float, before: int = number) -> None:
            if progress is not None:
                progress(first + (last - first) * (before + share) / len(groups))

        if part := [job for job in jobs if job.sense in group]:
            pipeline = Pipeline(video, part, stored, tell)
            pipeline.run()
            for name, count in pipeline.added.items():
                report.by_sense[name] += count
        if number < len(groups) - 1:
            for sense in group:
                sense.close()
                BUDGET.release(sense)


def group_by_memory(senses: Sequence[PerceptionTool], models_gb: float | None) -> list[list[PerceptionTool]]:
    """Return senses in groups whose models fit into memory together; those without a model are in the first.

    Args:
        senses: what watches.
        models_gb: gigabytes for the models of a group; None for what is left of the device's budget.

    Raises:
        InvalidArgument: `models_gb` is not positive.
    """
    if models_gb is not None:
        check_number("models_gb", models_gb, above=0)
    groups: list[list[PerceptionTool]] = [[sense for sense in senses if sense.weights is None]]
    sizes = {sense.weights: sense.memory_bytes() for sense in senses if sense.weights is not None}
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
        groups[-1] += [sense for sense in senses if sense.weights == weights]
    return groups


def refine(video: Video, refiner: CaptionRefiner, stored: VideoCaptions) -> int:
    """Condense all that is stored of a video into lines for stretches and for the whole, beside the originals.

    Lines made from other captions than are stored now are replaced.

    Args:
        video: the video.
        refiner: the language model that condenses.
        stored: the captions of the video.

    Returns:
        How many lines were written.
    """
    captions = [caption for caption in stored.between() if caption.source != refiner.source]
    digest = hashlib.blake2b("".join(sorted(caption.id for caption in captions)).encode(), digest_size=8)
    end = video.duration_seconds
    lines = list(refiner.refine(captions, video, 0.0, end))
    stored.drop_other_versions(refiner.source, digest.hexdigest())
    return stored.record(lines, source=refiner.source, version=digest.hexdigest(), watched=(0.0, end))
