"""A run of `videochat evaluate` that is killed again and again, beside one that is not: is it the same table?

    python -m benchmarks.evaluate_kills FOLDER [--kills 5] [--memory DIR]

Draws the clips of `benchmarks/regression` into FOLDER and asks its hundred questions, as a process of its own, of a
scripted model behind a local server that speaks OpenAI's protocol through the real client: with tools, with one
retrieval, blind and with subtitles alone. The model knows a part of the answers, more of them where it is shown the
video, refuses some, and says now and then "either A or B" or nothing. Once without, once with `kill -9` after a random
number of answers. Prints whether the tables are equal, and leaves both reports in FOLDER. `--memory` spares the watch.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.regression.__main__ import QUESTIONS
from benchmarks.regression.clips import draw_clips
from tests.fakes.openai_server import OpenAIServer, Reply
from videochat.evaluation.report import section
from videochat.evaluation.run import load


class KnowingServer(OpenAIServer):
    """Answers alike whoever asks when: by the words of the question, and whether the video was shown."""

    def __init__(self, questions: list[dict[str, Any]]) -> None:
        super().__init__()
        self._questions = sorted(questions, key=lambda row: -len(row["question"]))

    def reply(self, request: dict[str, Any]) -> Reply:
        """Return the answer to the question that the last message holds."""
        asked = " ".join(_texts(message) for message in request["messages"][-3:])
        if "Statement 1:" in asked:
            return "1: CONFIRMED"
        found = next((row for row in self._questions if row["question"] in asked and _offered(row, asked)), None)
        if found is None:
            return "The video does not show this."
        shown = "<video>" in asked
        chance = int(hashlib.blake2b(f"{found['id']} {shown}".encode(), digest_size=4).hexdigest(), 16) / 2**32
        cites = " [1]" if shown else " [09:50-09:55]"
        if chance > 0.98:
            return ""
        if chance > 0.95:
            return "I think it's either A or B."
        if chance > (0.85 if shown else 0.4):
            return f"(A) I would guess.{cites}" if found.get("options") else f"At noon, I would guess.{cites}"
        if found.get("refuses"):
            return "The video does not show this."
        return f"({found['answer']}){cites}" if found.get("options") else f"{found['says'][0][0]}{cites}."


def _texts(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def _offered(row: dict[str, Any], asked: str) -> bool:
    return all(option in asked for option in row.get("options", ()))


def main() -> int:
    """Run, kill, resume, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--memory")
    options = parser.parse_args()
    draw_clips(options.folder / "clips")
    questions = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    with KnowingServer(questions).running() as address:
        environment = os.environ | {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "test", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "videochat.cli", "evaluate", "jsonl", "--data", str(options.folder / "clips")]
        command += ["--questions", str(QUESTIONS), "--llm", "openai:scripted", "--preset", "builtin", "--jobs", "2"]
        command += ["--price-in", "0.4", "--price-out", "1.6"]
        command += ["--memory", options.memory or str(options.folder / "memory")]
        began = time.monotonic()
        whole, parts = options.folder / "whole.jsonl", options.folder / "parts.jsonl"
        subprocess.run([*command, "--out", str(whole)], env=environment, check=True)
        took = time.monotonic() - began
        dice = random.Random(22)
        for number in range(options.kills):
            process = subprocess.Popen([*command, "--out", str(parts)], env=environment, stdout=subprocess.DEVNULL)
            wanted = _lines(parts) + dice.randrange(5, 80)
            while process.poll() is None and _lines(parts) < wanted:
                time.sleep(0.02)
            ended = process.poll() is not None
            process.kill()
            process.wait()
            print(f"kill {number + 1}: {_lines(parts)} lines{', but it had ended' if ended else ''}", flush=True)
        subprocess.run([*command, "--out", str(parts)], env=environment, check=True, stdout=subprocess.DEVNULL)
    same = _tables(whole) == _tables(parts)
    print(f"The tables are {'the same' if same else 'DIFFERENT'}; without kills it took {took:.0f} s.")
    return int(not same)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _tables(out: Path) -> list[Any]:
    tables: list[Any] = section(load(out)).as_dict()["tables"]
    for table in tables:
        for row in table["rows"]:
            row.pop("seconds (median)", None)
    return tables


if __name__ == "__main__":
    sys.exit(main())
