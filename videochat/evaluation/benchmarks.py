"""Benchmarks: what is read for each, and the figures that its publisher's own script prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from videochat.evaluation import readers
from videochat.evaluation.extraction import first_letter, upstream_mvbench_holds
from videochat.evaluation.items import Reading
from videochat.evaluation.scoring import Score, located_rank
from videochat.evaluation.word_errors import aligned, words_of

Figures = dict[str, float]
"""By name, in percent."""


@dataclass(frozen=True)
class Benchmark:
    """A set of questions, how it is read, and how its publisher scores it."""

    name: str
    title: str
    read: Callable[[Path, Path | None], Reading]
    """Takes the data folder and the file that was named, if one was."""
    official: Callable[[Sequence[Score]], Figures]
    """The publisher's figures of one contender."""


def _percent(values: Sequence[float]) -> float:
    return 100 * fmean(values) if values else 0.0


def _grouped(scores: Sequence[Score], name: str) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        for value in dict.fromkeys(value for key, value in score.item.groups if key == name):
            found.setdefault(value, []).append(score)
    return found


def _accuracy(scores: Sequence[Score]) -> float:
    return _percent([score.right for score in scores])


def _video_mme(scores: Sequence[Score]) -> Figures:
    """The first of the letters A to D that an answer holds; what holds none is left out of the count."""

    def accuracy(among: Sequence[Score]) -> float:
        said = [(score, first_letter(score.prediction.text)) for score in among if not score.prediction.problem]
        right = [letter == score.item.letters[score.item.right or 0] for score, letter in said if letter]
        return _percent(right)

    figures = {"overall": accuracy(scores)}
    by_length = _grouped(scores, "duration")
    return figures | {name: accuracy(by_length[name]) for name in ("short", "medium", "long") if name in by_length}


def _by_type(scores: Sequence[Score]) -> Figures:
    """Accuracy over all, and by type; a question counts in each of its types."""
    return {"overall": _accuracy(scores)} | {
        name: _accuracy(found) for name, found in sorted(_grouped(scores, "type").items())
    }


def _overall(scores: Sequence[Score]) -> Figures:
    return {"accuracy": _accuracy(scores)}


def _none(scores: Sequence[Score]) -> Figures:
    """Nobody else scores it."""
    return {}


def _next_qa(scores: Sequence[Score]) -> Figures:
    """Accuracy of causal, temporal and descriptive questions, by the first letter of their type, and of all."""
    figures = {}
    by_type = _grouped(scores, "type")
    for letter in "CTD":
        found = [score for name, group in by_type.items() if name.startswith(letter) for score in group]
        if found:
            figures[f"Acc_{letter}"] = _accuracy(found)
    return figures | {"Acc": _accuracy(scores)}


def _next_gqa(scores: Sequence[Score]) -> Figures:
    """An answer is grounded if half of the predicted interval lies in a true one."""
    ious, iops = [score.iou for score in scores], [score.iop for score in scores]
    figures = {
        "Acc@QA": _accuracy(scores),
        "Acc@GQA": _percent([score.right * (iop >= 0.5) for score, iop in zip(scores, iops, strict=True)]),
    }
    for name, values in (("IoP", iops), ("IoU", ious)):
        figures[f"m{name}"] = _percent(values)
        for least in (0.3, 0.5):
            figures[f"{name}@{least}"] = _percent([float(value >= least) for value in values])
    return figures


def _by_task(scores: Sequence[Score]) -> Figures:
    """The mean over tasks, whatever number of questions each has."""
    tasks = {name: _accuracy(found) for name, found in sorted(_grouped(scores, "task").items())}
    return {"mean of tasks": sum(tasks.values()) / len(tasks) if tasks else 0.0} | tasks


def _mvbench(scores: Sequence[Score]) -> Figures:
    held = [
        float(upstream_mvbench_holds(score.prediction.text, score.item.letters[score.item.right or 0]))
        for score in scores
        if not score.prediction.problem
    ]
    return _by_task(scores) | {"upstream's checker, which takes an empty answer for right": _percent(held)}


_CG_LEAST = (0.1, 0.2, 0.3, 0.4, 0.5)


def _cg_bench(scores: Sequence[Score]) -> Figures:
    """Intervals are compared as sets; rec@IoU and acc@IoU are means over the thresholds 0.1 to 0.5."""
    ious = [score.set_iou for score in scores]
    over = [fmean(iou >= least for least in _CG_LEAST) for iou in ious]
    right = [score.right * part for score, part in zip(scores, over, strict=True)]
    return {
        "long-acc": _accuracy(scores),
        "mIoU": _percent(ious),
        "rec@IoU": _percent(over),
        "acc@IoU": _percent(right),
    }


def _tvqa(scores: Sequence[Score]) -> Figures:
    """Accuracy; with spans mean IoU and ASA, the part of answers that are right with an IoU of half or more."""
    with_span = [score for score in scores if score.item.spans]
    figures = {"accuracy": _accuracy(scores)}
    if with_span:
        figures["mIoU"] = _percent([score.iou for score in with_span])
        figures["ASA"] = _percent([score.right * (score.iou >= 0.5) for score in with_span])
    return figures


def _natural(scores: Sequence[Score]) -> Figures:
    figures = {"all": _accuracy(scores)}
    for name, refuses in (("answers", False), ("honest refusals", True)):
        found = [s for s in scores if s.item.expected is not None and s.item.expected.refuses == refuses]
        if found:
            figures[name] = _accuracy(found)
    return figures


def _retrieval(scores: Sequence[Score]) -> Figures:
    """A caption is right if at least half of it lies in a true span."""
    ranks = [located_rank(score.item, score.prediction) for score in scores]
    return {
        "R@1": _percent([float(rank == 1) for rank in ranks]),
        "R@5": _percent([float(1 <= rank <= 5) for rank in ranks]),
        "MRR": _percent([1 / rank if rank else 0.0 for rank in ranks]),
    }


def _senses(scores: Sequence[Score]) -> Figures:
    """Of speech errors by words, over all clips together; of other senses the part of the words that they find."""
    figures: Figures = {}
    for name, found in sorted(_grouped(scores, "sense").items()):
        if name == "speech":
            wanted = [words_of(score.item.reference) for score in found]
            wrong = [aligned(w, words_of(s.prediction.text))[0] for w, s in zip(wanted, found, strict=True)]
            figures["speech, word error rate"] = 100 * sum(wrong) / sum(map(len, wanted))
        else:
            figures[f"{name}, words found"] = _accuracy(found)
    return figures


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("video-mme", "Video-MME", readers.read_video_mme, _video_mme),
        Benchmark("lvbench", "LVBench", readers.read_lvbench, _by_type),
        Benchmark("egoschema", "EgoSchema", readers.read_egoschema, _overall),
        Benchmark("next-qa", "NExT-QA", readers.read_next_qa, _next_qa),
        Benchmark("next-gqa", "NExT-GQA", readers.read_next_gqa, _next_gqa),
        Benchmark("mvbench", "MVBench", readers.read_mvbench, _mvbench),
        Benchmark("mlvu", "MLVU", readers.read_mlvu, _by_task),
        Benchmark("cg-bench", "CG-Bench", readers.read_cg_bench, _cg_bench),
        Benchmark("tvqa", "TVQA", readers.read_tvqa, _tvqa),
        Benchmark("jsonl", "A benchmark of one's own", readers.read_jsonl, _none),
        Benchmark("natural", "Natural questions", readers.read_natural, _natural),
        Benchmark("retrieval", "Retrieval", readers.read_retrieval, _retrieval),
        Benchmark("senses", "Senses", readers.read_senses, _senses),
    )
}
"""By the name that the command line takes."""
