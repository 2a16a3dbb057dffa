"""How well times are read out of questions, and how rarely content is taken for a time.

    python benchmarks/times.py [benchmarks/time_questions.json] [--kept-apart] [--show]

Half of the questions name a place on the time line of a video, in one of many ways and five languages; the others have
numbers, clock times, verses, scores, prices and words such as "first" or "end" in their content. A moment is right
within 1.1 seconds; "at the beginning", "halfway" and "at the end" within a tenth of the video or 5 seconds. All were
written by somebody who had not seen the code; those kept apart were not looked at when the words of
memory/query_words.toml were chosen.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from videochat.memory.query import Query

SLACK_SECONDS = 1.1


def is_right(item: dict[str, Any]) -> bool:
    """Whether the span of a question is read as it was meant, or none where there is none."""
    duration, wanted = item["duration_seconds"], item["span"]
    found = Query.parse(item["question"], duration).span
    if wanted is None or found is None:
        return wanted is found
    vague = wanted[0] == wanted[1] and wanted[0] in (0, duration / 2, duration)
    slack = max(5.01, 0.11 * duration) if vague else SLACK_SECONDS
    return abs(found[0] - wanted[0]) <= slack and abs(found[1] - wanted[1]) <= slack


def main() -> None:
    """Read every question and print how many are right, by language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="?", default=Path(__file__).with_name("time_questions.json"))
    parser.add_argument("--kept-apart", action="store_true", help="only questions that nobody looked at")
    parser.add_argument("--show", action="store_true", help="print each question that is read wrong")
    options = parser.parse_args()
    items = json.loads(options.questions.read_text(encoding="utf-8"))
    items = [item for item in items if item.get("kept_apart") or not options.kept_apart]
    for language in ("all", *sorted({item["language"] for item in items})):
        some = [item for item in items if language in ("all", item["language"])]
        named = [is_right(item) for item in some if item["span"] is not None]
        content = [is_right(item) for item in some if item["span"] is None]
        print(f"{language:<4} named times read: {sum(named)} of {len(named)}; ", end="")
        print(f"content taken for a time: {len(content) - sum(content)} of {len(content)}")
    if options.show:
        for item in items:
            if not is_right(item):
                found = Query.parse(item["question"], item["duration_seconds"])
                print(f"{item['question']}\n    wanted {item['span']}, read {found.span or found.past_end}")


if __name__ == "__main__":
    main()
