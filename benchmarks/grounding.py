"""How many planted lies the local check of an answer finds, and how many true sentences it doubts.

    python benchmarks/grounding.py benchmarks/lies.json [--embeddings DIR] [--kept-apart] [--show]

The file holds captions of invented videos, lies about them (wrong object, number, time, name, negation, order), and
true sentences; each cites as a language model would. A sentence is doubted when its answer would not come out
`grounded`: a citation does not resolve, or the check of `agent/grounding.py` finds a problem. `--embeddings` names a
sentence-transformers model that compares words by meaning; without it only equal words count. `--kept-apart` takes
the half on which nothing was found. With `--judge` a second call judges as well, by a script that knows which entries
are lies and gets a picture of each cited moment; doubted is then what does not come out `grounded`, or is marked.
"""

import argparse
import json
import re
from collections import defaultdict
from functools import partial
from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage

from videochat.agent.assessment import assess
from videochat.agent.citations import Evidence
from videochat.agent.grounding import check_sentences, likeness_of
from videochat.agent.verification import MARK
from videochat.memory.embeddings import resolve_embedder
from videochat.records import Caption


def verdicts(messages: list[BaseMessage], *, true: bool) -> AIMessage:
    """Answer as a judge who knows whether the statements are true, and sees their pictures."""
    statements = re.findall(r"^Statement (\d+):", messages[-1].text, re.M)
    pictures = [block for block in messages[-1].content if isinstance(block, dict) and block.get("type") == "image"]
    if not pictures:
        raise ValueError("the judge was sent no pictures")
    return AIMessage("\n".join(f"{number}: {'CONFIRMED' if true else 'REJECTED'}" for number in statements))


def main() -> None:
    """Check every sentence and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lies", type=Path)
    parser.add_argument("--embeddings", default="builtin")
    parser.add_argument("--kept-apart", action="store_true")
    parser.add_argument("--open", action="store_true", help="only the other half")
    parser.add_argument("--judge", action="store_true", help="with a second call, and pictures")
    parser.add_argument("--show", action="store_true", help="print what comes out wrong")
    options = parser.parse_args()
    data = json.loads(options.lies.read_text())
    likeness = likeness_of(resolve_embedder(options.embeddings, say=print))
    videos = {}
    for video in data["videos"]:
        evidence = Evidence()
        for item in sorted(video["captions"], key=lambda item: item["number"]):
            caption = Caption(
                video["name"], item["start_seconds"], item["end_seconds"], item["kind"], item["text"], "planted"
            )
            evidence.numbers[caption.id] = item["number"]
            evidence.captions[item["number"]] = caption
        videos[video["name"]] = video["duration_seconds"], evidence
    doubted: dict[str, list[bool]] = defaultdict(list)
    for item in data["sentences"]:
        apart = bool(item.get("kept_apart"))
        if (options.kept_apart and not apart) or (options.open and apart):
            continue
        duration, evidence = videos[item["video"]]
        checks = check_sentences(item["text"], evidence, duration_seconds=duration, likeness=likeness)
        judge = partial(verdicts, true=item["true"]) if options.judge else None
        assessed = assess(item["text"], evidence, checks, ask=judge, picture=lambda _: b"jpeg")
        problems = [] if assessed.status == "grounded" else [assessed.status, *assessed.notes]
        problems += ["marked"] if MARK in assessed.checked.text else []
        groups = ["true sentences"] if item["true"] else ["lies", f"lies: {item['lie']}"]
        if not item["true"] and item.get("citing") not in ("bracket_time", "missing_number"):
            groups.append("lies whose citations exist")
        for group in groups:
            doubted[group].append(bool(problems))
        if options.show and bool(problems) == item["true"]:
            print(f"{item['lie'] or 'true'}: {item['text']}\n      {'; '.join(problems)}")
    for group, found in sorted(doubted.items()):
        print(f"{group:<28} doubted {sum(found):>3} of {len(found):>3}  {sum(found) / len(found):.0%}")


if __name__ == "__main__":
    main()
