"""A sample of the thousands of broken inputs: each ends in a sentence or a result, and soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz import check_answer, evidence, run_one, trial
from videochat.agent.citations import Checked, Evidence


@pytest.mark.parametrize(("kind", "count"), [("media", 40), ("subtitles", 1500), ("answers", 1000)])
def test_no_broken_input_ends_in_anything_but_a_sentence(
    kind: str, count: int, tmp_path: Path, measured: list[str]
) -> None:
    one = run_one(kind, str(tmp_path))
    tried = {number: trial(18, number, one) for number in range(count)}
    assert {number: wrong for number, (_, wrong) in tried.items() if wrong} == {}
    measured.append(f"fuzz of {kind}: slowest of {count} {max(seconds for seconds, _ in tried.values()):.2f} s")


def test_what_goes_wrong_is_found() -> None:
    class Credulous(Evidence):
        def check(self, text: str) -> Checked:
            return Checked(text, [], [])

    check_answer(evidence(), "Milk [1], and a cat [77].")
    shown = Credulous()
    _, wrong = trial(1, 1, lambda chance: check_answer(shown, "Milk [1], and a cat [77]."))
    assert "was left" in wrong
    _, wrong = trial(1, 1, lambda chance: chance.choice([]))
    assert "IndexError" in wrong
    assert trial(1, 2, lambda chance: None)[1] == ""
    first = trial(1, 3, lambda chance: int(f"x{chance.random()}"))[1]
    assert first.splitlines()[-1] == trial(1, 3, lambda chance: int(f"x{chance.random()}"))[1].splitlines()[-1]
