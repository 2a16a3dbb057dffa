"""What the extractive answerer reaches on a hundred questions, held against the last entry of history.jsonl.

    python -m benchmarks.regression [--folder build/regression] [--record]

Draws the clips of `clips.py`, watches them with the preset builtin (with Whisper base and all-MiniLM-L6-v2 of the extra
`offline`), asks `questions.jsonl` and prints the table. Ends with status 1 when a score fell by more than its 95 %
interval, or a citation is invented. `--record` appends to the history; do so where a fall or a rise is meant. The
questions are there to notice change: nobody tunes the product on them.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.regression.clips import draw_clips
from videochat.contenders import Contender
from videochat.evaluation.benchmarks import BENCHMARKS
from videochat.evaluation.history import Entry, append_history, read_history
from videochat.evaluation.report import section, write
from videochat.evaluation.run import Settings, evaluate
from videochat.evaluation.scoring import score_all

HERE = Path(__file__).parent
HISTORY = HERE / "history.jsonl"
QUESTIONS = HERE / "questions.jsonl"


def main() -> int:
    """Draw, ask, compare and print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep clips, captions and report here (default: nothing is kept)")
    parser.add_argument("--record", action="store_true", help="append the result to the history")
    options = parser.parse_args()
    began = time.monotonic()
    folder = options.folder or Path(tempfile.mkdtemp())
    try:
        return run(folder, record=options.record, began=began)
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, *, record: bool, began: float) -> int:
    """Run the benchmark in a folder; return the exit status."""
    draw_clips(folder / "clips")
    out = folder / "results.jsonl"
    out.unlink(missing_ok=True)  # it is the code of now that is asked
    contenders = [Contender.of("extractive"), Contender.of("blind:extractive")]
    settings = Settings(
        BENCHMARKS["jsonl"], folder / "clips", out, contenders, questions=QUESTIONS, jobs=2, preset="builtin"
    )
    found = evaluate(settings)
    shown = section(found)
    write([shown], folder / "results")
    for table in shown.tables:
        print(table.title)
        for row in (table.head, *table.rows):
            print("  " + " | ".join(row))
    for remark in shown.remarks:
        print(remark)
    about = found.results.runs[-1]
    scores = score_all(found.items, found.results.predictions)["extractive"]
    entry = Entry.of(scores, about["date"][:10], about["commit"])
    history = read_history(HISTORY)
    falls = entry.falls(history[-1], found.items) if history else []
    if found.missing or len(scores) < len(found.items):
        falls.append(f"{len(found.items) - len(scores)} questions were not answered")
    print(f"{len(found.items)} questions, {time.monotonic() - began:.0f} s")
    if record:
        append_history(HISTORY, entry)
    for fall in falls:
        print(f"FELL: {fall}", file=sys.stderr)
    return int(bool(falls) and not record)


if __name__ == "__main__":
    sys.exit(main())
