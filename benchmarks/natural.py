"""How many natural questions are answered right, judged by a program.

    python benchmarks/natural.py benchmarks/natural_questions.json ../shared/material [--kept-apart] [--show]

Watches every clip that the questions name with the builtin preset (which hears words where the extra `offline` is) and,
where a `yolo*.pt` lies below the material and ultralytics is installed, a detector; texts are embedded by the
sentence-transformers model below it, else by the builtin embedder. Each question is asked as a person would, in a
conversation of its own (after the earlier questions that `after` names), without a language model or with
`--llm provider:model`. An answer is right when

- where `refuses` is set: its status is `not_found`;
- else: it is not `not_found`, every group of `says` has a pattern that its text holds, none of `never` does, and its
  first citation shares a moment with one of the spans in `cites`.

`says`, `never`: regular expressions, in any case. Prints the share of right answers by type and language, and apart
from it that of honest refusals. `--store DIR` keeps the captions for the next run.
"""

import argparse
import json
import re
import sys
import tempfile
import warnings
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from videochat.agent import VideoAgent
from videochat.memory import CaptionStore
from videochat.records import Answer
from videochat.tools import make_tool, make_tools


def faults(answer: Answer, right: dict[str, Any]) -> list[str]:
    """Return why an answer is not right; empty if it is."""
    patterns = [*right.get("says", []), *([pattern] for pattern in right.get("never", []))]
    says = [any(re.search(p, answer.text, re.I) for p in group) for group in patterns]
    wanted, held = len(right.get("says", [])), []
    if right.get("refuses"):
        held = [] if answer.status == "not_found" else ["answers what nothing answers"]
    elif answer.status == "not_found":
        held = ["refuses"]
    held += [f"does not say {group}" for group, found in zip(patterns[:wanted], says, strict=False) if not found]
    held += [f"says {group}" for group, found in zip(patterns[wanted:], says[wanted:], strict=True) if found]
    spans = right.get("cites")
    if spans and not right.get("refuses"):
        first = answer.citations[0] if answer.citations else None
        if first is None or not any(first.start_seconds < end and start < first.end_seconds for start, end in spans):
            held.append(f"cites {first and f'{first.start_seconds:.1f}-{first.end_seconds:.1f}'}, not {spans}")
    return held


def main() -> None:
    """Watch, ask, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("material", type=Path)
    parser.add_argument("--llm", default="extractive", help="provider:model; without it no language model")
    parser.add_argument("--embeddings", help="builtin, or a sentence-transformers model or folder")
    parser.add_argument("--detector", help="none, or the .pt file of a detector")
    parser.add_argument("--store", help="keep the captions in this directory")
    parser.add_argument("--kept-apart", action="store_true", help="only questions on which nothing was found")
    parser.add_argument("--open", action="store_true", help="only the other ones")
    parser.add_argument("--show", action="store_true", help="print every answer that is not right")
    options = parser.parse_args()
    models = sorted(found.parent for found in options.material.rglob("modules.json"))
    detectors = sorted(options.material.rglob("yolo*.pt")) if find_spec("ultralytics") else []
    detector = detectors[0] if detectors and options.detector is None else options.detector
    senses = make_tools("builtin")
    if detector and detector != "none":
        senses.append(make_tool("objects", model=detector))
    results: dict[str, list[bool]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        embeddings = options.embeddings or (str(models[0]) if models else "builtin")
        store = CaptionStore(options.store or folder, embeddings=embeddings)
        for clip in json.loads(options.questions.read_text())["clips"]:
            agent = VideoAgent(options.material / clip["video"], memory=store, llm=options.llm, preset=senses)
            agent.watch()
            for number, asked in enumerate(clip["questions"]):
                apart = bool(asked.get("kept_apart"))
                if (options.kept_apart and not apart) or (options.open and apart):
                    continue
                for earlier in asked.get("after") or ():
                    agent.ask(earlier, thread=str(number))
                answer = agent.ask(asked["question"], thread=str(number))
                wrong = faults(answer, asked["answer"])
                refusing = "honest refusals" if asked["answer"].get("refuses") else "answers"
                for group in ("all", refusing, asked["type"], asked["language"]):
                    results[group].append(not wrong)
                if wrong and options.show:
                    text = answer.text.replace("\n", "\n      ")
                    print(f"{clip['video']}: {asked.get('after') or ''} {asked['question']}\n      {text}")
                    print(f"      {answer.status}; {'; '.join(wrong)}")
        store.close()
    for group, right in results.items():
        print(f"{group:<16} {sum(right):>3} of {len(right):>3}  {sum(right) / len(right):.0%}")


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    sys.exit(main())
