"""How often the right moment is found, without a language model.

    python benchmarks/retrieval.py benchmarks/retrieval_questions.json ../shared/material [--kept-apart] [--json]

Watches every clip that the questions name (found anywhere below the material directory) with the builtin preset and,
where a `yolo*.pt` lies below the directory and ultralytics is installed, a detector; then asks each question inside
its clip and over all clips at once. Texts are embedded by the sentence-transformers model below the directory, else
by the builtin embedder; `--embeddings` and `--detector` name others. A retrieved caption is right when at least half
of it lies in a span of the question. Prints R@1, R@5 and MRR for vectors alone, words alone, hybrid (which reads
times, order and senses out of the question) and a random order, with how far hybrid is above vectors alone:
95 % intervals by bootstrap over questions. Questions that the clip does not answer are left out: they have no
right moment. `--store DIR` keeps the captions for the next run. `--kept-apart` asks only the questions on which no
weight was found: half of retrieval_questions.json, and 48 of retrieval_questions_2.json, whose questions were written
by somebody who had not seen the code, a third of them in other languages.
"""

import argparse
import json
import random
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from videochat.agent import VideoAgent
from videochat.memory import CaptionStore
from videochat.memory.retrieval import recall, recall_library
from videochat.records import Caption
from videochat.tools import PRESETS, PerceptionTool, make_tool

DEPTH = 50
SHUFFLES = 200
METHODS = ("dense", "lexical", "hybrid", "random")
MEASURES = ("R@1", "R@5", "MRR")
Scores = dict[str, float]


@dataclass
class Question:
    """A question with the spans of seconds that answer it."""

    video_id: str
    text: str
    spans: list[tuple[float, float]]
    type: str
    language: str

    def is_right(self, caption: Caption) -> bool:
        """Whether at least half of a caption lies in a span of the question."""
        length = caption.end_seconds - caption.start_seconds
        return caption.video_id == self.video_id and any(
            min(end, caption.end_seconds) - max(start, caption.start_seconds) >= length / 2 for start, end in self.spans
        )


def score(question: Question, ranking: Iterable[Caption]) -> Scores:
    """Return the measures of one ranking."""
    rank = next((i for i, caption in enumerate(ranking, 1) if question.is_right(caption)), 0)
    return {"R@1": float(rank == 1), "R@5": float(1 <= rank <= 5), "MRR": 1 / rank if rank else 0.0}


def score_random(question: Question, captions: list[Caption], dice: random.Random) -> Scores:
    """Return the mean measures of shuffled captions."""
    rounds = [score(question, dice.sample(captions, len(captions))) for _ in range(SHUFFLES)]
    return {measure: mean(r[measure] for r in rounds) for measure in MEASURES}


def mean(values: Iterable[float]) -> float:
    """Return the mean; 0 of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0


def interval(differences: list[float], dice: random.Random, rounds: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean."""
    means = sorted(mean(dice.choices(differences, k=len(differences))) for _ in range(rounds))
    return means[int(0.025 * rounds)], means[int(0.975 * rounds)]


def senses(detector: Path | None) -> list[str | PerceptionTool]:
    """Return the senses of the builtin preset, and a detector where there is one."""
    more: list[str | PerceptionTool] = [] if detector is None else [make_tool("objects", model=detector)]
    return [*PRESETS["builtin"].tools, *more]


def watch(
    store: CaptionStore, clips: list[dict[str, Any]], material: Path, detector: Path | None, kept_apart: bool
) -> tuple[list[Question], dict[str, float]]:
    """Watch the clips; return the questions that have an answer, and the videos' lengths."""
    questions: list[Question] = []
    durations: dict[str, float] = {}
    for clip in clips:
        path = next(
            (p for p in (material / clip["video"], *sorted(material.rglob(Path(clip["video"]).name))) if p.is_file()),
            None,
        )
        if path is None:
            sys.exit(f"There is no {clip['video']} below {material}.")
        agent = VideoAgent(path, memory=store, llm="extractive", preset=senses(detector))
        print(agent.watch(), file=sys.stderr)
        durations[agent.video.id] = agent.video.duration_seconds
        questions += [
            Question(
                agent.video.id,
                q["question"],
                [(s, e) for s, e in q["spans"]],
                q.get("type", ""),
                q.get("language", "en"),
            )
            for q in clip["questions"]
            if q.get("answerable", True) and q["spans"] and (q.get("kept_apart") or not kept_apart)
        ]
    return questions, durations


def rankings(store: CaptionStore, question: Question, duration: float, pooled: bool) -> dict[str, list[Caption]]:
    """Return what each method retrieves for a question, best first."""
    where = None if pooled else [question.video_id]
    found = {
        method: [hit.caption for hit in store.search(question.text, k=DEPTH, video_ids=where, by=by)]
        for method, by in (("dense", "dense"), ("lexical", "lexical"))
    }
    if pooled:
        hybrid = recall_library(store, question.text, k=DEPTH)
    else:
        hybrid = recall(store.captions_of(question.video_id), question.text, duration_seconds=duration, k=DEPTH)
    return found | {"hybrid": [hit.caption for hit in hybrid.hits]}


def evaluate(
    store: CaptionStore, questions: list[Question], durations: dict[str, float], pooled: bool
) -> dict[str, list[Scores]]:
    """Return, by method, the measures of every question."""
    dice = random.Random(0)
    everything = [caption for video_id in durations for caption in store.between(video_id)]
    results: dict[str, list[Scores]] = defaultdict(list)
    for question in questions:
        found = rankings(store, question, durations[question.video_id], pooled)
        for method, ranking in found.items():
            results[method].append(score(question, ranking[:DEPTH]))
        pool = everything if pooled else [c for c in everything if c.video_id == question.video_id]
        results["random"].append(score_random(question, pool, dice))
    return results


def summary(results: dict[str, list[Scores]], keep: Callable[[int], bool]) -> dict[str, Scores]:
    """Return the mean measures by method, over the questions that are kept."""
    return {
        method: {
            measure: round(mean(s[measure] for i, s in enumerate(results[method]) if keep(i)), 3)
            for measure in MEASURES
        }
        for method in METHODS
    }


def main() -> None:
    """Watch, ask, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("material", type=Path)
    parser.add_argument("--embeddings", help="builtin, or a sentence-transformers model or folder")
    parser.add_argument("--detector", help="none, or the .pt file of a detector")
    parser.add_argument("--store", help="keep the captions in this directory")
    parser.add_argument("--kept-apart", action="store_true", help="only questions on which no weight was found")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--show", action="store_true", help="print each question with what hybrid found first")
    options = parser.parse_args()
    clips = json.loads(options.questions.read_text())["clips"]
    models = sorted(found.parent for found in options.material.rglob("modules.json"))
    embeddings = options.embeddings or (str(models[0]) if models else "builtin")
    detectors = sorted(options.material.rglob("yolo*.pt")) if find_spec("ultralytics") else []
    detector = detectors[0] if detectors else None
    if options.detector:
        detector = None if options.detector == "none" else Path(options.detector)
    with (
        tempfile.TemporaryDirectory() as folder,
        CaptionStore(options.store or folder, embeddings=embeddings) as store,
    ):
        questions, durations = watch(store, clips, options.material, detector, options.kept_apart)
        results = {
            "in_clip": evaluate(store, questions, durations, pooled=False),
            "pooled": evaluate(store, questions, durations, pooled=True),
        }
        if options.show:
            show(store, questions, durations, results["in_clip"])
    if options.json:
        print(json.dumps({name: summary(result, lambda _: True) for name, result in results.items()}, indent=2))
        return
    print(f"embeddings {Path(embeddings).name}, detector {detector.name if detector else 'none'}")
    report(questions, results)


def show(
    store: CaptionStore, questions: list[Question], durations: dict[str, float], results: dict[str, list[Scores]]
) -> None:
    """Print what hybrid found first inside each clip."""
    for i, question in enumerate(questions):
        first = rankings(store, question, durations[question.video_id], False)["hybrid"][:1]
        right = " ".join(f"{results[m][i]['MRR']:.2f}" for m in METHODS[:3])
        print(f"{right} {question.type:<9} {question.text}\n      {question.spans} {first and str(first[0])[:110]}")


def report(questions: list[Question], results: dict[str, dict[str, list[Scores]]]) -> None:
    """Print tables: all questions, then by type, and the margin of hybrid over vectors alone."""
    dice = random.Random(0)
    print(f"{len(questions)} questions with an answer")
    for name, result in results.items():
        print(f"\n{name:<20}{''.join(f'{m:>22}' for m in METHODS)}\n{'':<20}{'   R@1    R@5    MRR  ' * len(METHODS)}")
        languages = sorted({q.language for q in questions} - {"en"})
        for kind in ("all", *sorted({q.type for q in questions}), *languages):
            chosen = {i for i, q in enumerate(questions) if kind in ("all", q.type, q.language)}
            table = summary(result, chosen.__contains__)
            row = "".join("".join(f"{table[m][x]:>7.2f}" for x in MEASURES) + " " for m in METHODS)
            print(f"{f'{kind} ({len(chosen)})':<20}{row}")
        for kind in ("all", *sorted({q.type for q in questions})):
            for measure in MEASURES:
                pairs = zip(questions, result["hybrid"], result["dense"], strict=True)
                differences = [h[measure] - d[measure] for q, h, d in pairs if kind in ("all", q.type)]
                low, high = interval(differences, dice)
                print(f"hybrid - dense, {kind}, {measure}: {mean(differences):+.3f} [{low:+.3f}, {high:+.3f}]")


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main()
