"""What the task `videochat_citations` of lmms-eval asks and how it scores; it stands alone, in lmms-eval's environment.

A citation is `[MM:SS-MM:SS]` or `[MM:SS]` in the text, as the endpoint of `videochat serve` writes it and as any other
model may be told to. Scored is the first one: whether it shares a moment with a true span, its intersection over the
hull of both, and the part of it that lies in the span.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lmms_eval.tasks._task_utils.mcq_extract import extract_mcq_answer

Document = Mapping[str, Any]
_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d\d)"
_CITATION = re.compile(rf"\[[^\[\]]*?{_CLOCK}(?:\s*-\s*{_CLOCK})?\]")
_ASK = "Answer with the letter of the best option, then write in brackets when that is seen or heard: [MM:SS-MM:SS]."


def with_options(dataset: Any) -> Any:
    """Return the questions that have options."""
    return dataset.filter(lambda document: bool(document.get("options")))


def video(document: Document) -> list[str]:
    """Return the path of the video: below VIDEOCHAT_VIDEOS, or the working directory."""
    return [str(Path(os.environ.get("VIDEOCHAT_VIDEOS", ".")).resolve() / document["video"])]


def question(document: Document, lmms_eval_specific_kwargs: object = None) -> str:
    """Return the question with its options in lines."""
    options = [f"{chr(65 + number)}. {option}" for number, option in enumerate(document["options"])]
    return "\n".join([document["question"], *options, _ASK])


def first_citation(text: str) -> tuple[float, float] | None:
    """Return the seconds of the first citation of an answer; None where there is none."""
    if (match := _CITATION.search(text)) is None:
        return None
    numbers = [int(group or 0) for group in match.groups()]
    start, end = (3600 * h + 60 * m + s for h, m, s in (numbers[:3], numbers[3:]))
    return (float(start), float(end)) if match[5] else (float(start), start + 1.0)


def scores(document: Document, results: Sequence[str]) -> dict[str, float | None]:
    """Return what one answer is worth; citations only where spans are known."""
    text = results[0] if results else ""
    letters = [chr(65 + number) for number in range(len(document["options"]))]
    said = re.sub(r"\[[^\[\]]*\d[^\[\]]*\]", " ", text)
    right = float(extract_mcq_answer(said, choices=letters) == document["answer"])
    spans = document.get("spans") or []
    if not spans:
        return {"accuracy": right, "citation_hit": None, "citation_iou": None, "citation_iop": None}
    cited = first_citation(text)
    hit = iou = iop = 0.0
    for start, end in spans if cited else []:
        shared = min(end, cited[1]) - max(start, cited[0])
        hit = max(hit, float(shared > 0))
        iou = max(iou, shared / (max(end, cited[1]) - min(start, cited[0])))
        iop = max(iop, shared / (cited[1] - cited[0]))
    return {"accuracy": right, "citation_hit": hit, "citation_iou": iou, "citation_iop": iop}


def mean_of_located(values: Sequence[float | None]) -> float:
    """Return the mean over the questions whose spans are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else 0.0
