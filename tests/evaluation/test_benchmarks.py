"""The figures of each publisher's script on predictions made by hand, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.benchmark_files import MINIATURES
from videochat.evaluation.benchmarks import BENCHMARKS, Figures
from videochat.evaluation.predictions import Prediction
from videochat.evaluation.scoring import score_all

Said = tuple[str, list[tuple[float, float]]]


def figures(name: str, folder: Path, said: Sequence[str | Said], status: str = "grounded") -> Figures:
    """Return the official figures of answers, in the order of the questions."""
    items = BENCHMARKS[name].read(MINIATURES[name](folder), None).items
    predictions = {}
    for item, one in zip(items, said, strict=True):
        text, cited = one if isinstance(one, tuple) else (one, [])
        predictions["x", item.id] = Prediction("x", item.id, text, status, tuple(cited))
    return BENCHMARKS[name].official(score_all(items, predictions)["x"])


def test_video_mme_counts_what_its_script_reads(tmp_path: Path) -> None:
    # Right: A, B, A, B, A, B. The second holds no letter of A to D and is not counted; of the fourth the script takes
    # the C of "Correct", of the fifth the B of "Both".
    said = ["The best answer is A.", "no idea", "A. red", "Correct: B", "Both, so A", "(B)"]
    found = figures("video-mme", tmp_path, said)
    assert found == {"overall": 60.0, "short": 100.0, "medium": 50.0, "long": 50.0}


def test_lvbench_counts_a_question_in_each_of_its_types(tmp_path: Path) -> None:
    assert figures("lvbench", tmp_path, ["B", "(A) Ann"]) == {
        "overall": 50.0,
        "entity recognition": 50.0,
        "reasoning": 100.0,
    }


def test_egoschema_scores_the_public_subset(tmp_path: Path) -> None:
    assert figures("egoschema", tmp_path, ["C", "B", "A"]) == {"accuracy": 50.0}


def test_next_qa(tmp_path: Path) -> None:
    # Right: A B C D E A; causal 1 of 2, temporal 2 of 3, descriptive 0 of 1.
    found = figures("next-qa", tmp_path, ["A", "A", "C", "D", "A", "B"])
    assert found == {"Acc_C": 50.0, "Acc_T": pytest.approx(200 / 3), "Acc_D": 0.0, "Acc": 50.0}


def test_next_gqa(tmp_path: Path) -> None:
    # 0-10 for 0-10: both 1. 22-26 for 5-10, 20-30: IoU .4, IoP 1. 30-40 for 40-50: they touch, both 0.
    found = figures("next-gqa", tmp_path, [("B", [(0, 10)]), ("A", [(22, 26)]), ("B", [(30, 40)])])
    third = 100 / 3
    assert found == pytest.approx(
        {
            "Acc@QA": 2 * third,
            "Acc@GQA": third,
            "mIoP": 2 * third,
            "IoP@0.3": 2 * third,
            "IoP@0.5": 2 * third,
            "mIoU": 140 / 3,
            "IoU@0.3": 2 * third,
            "IoU@0.5": third,
        }
    )


def test_mvbench_is_the_mean_of_tasks_and_its_checker_is_told_apart(tmp_path: Path) -> None:
    found = figures("mvbench", tmp_path, ["(B) It stands.", "(A) It falls.", "(D) 0"])
    assert found["mean of tasks"] == 75.0
    assert found["upstream's checker, which takes an empty answer for right"] == pytest.approx(200 / 3)
    found = figures("mvbench", tmp_path, ["", "(", ")"])
    assert found["mean of tasks"] == 0.0
    assert found["upstream's checker, which takes an empty answer for right"] == 100.0


def test_mlvu_is_the_mean_of_tasks(tmp_path: Path) -> None:
    found = figures("mlvu", tmp_path, ["A", "B", "A", "B"])
    assert found == {
        "mean of tasks": pytest.approx((200 / 3 + 100) / 2),
        "ego": 100.0,
        "plotQA": pytest.approx(200 / 3),
    }


def test_cg_bench_compares_sets_of_intervals(tmp_path: Path) -> None:
    # 0-10 and 25-30 of 0-10, 20-30: 15 of 20 s; 10-20 of 5-15: 5 of 15 s.
    found = figures("cg-bench", tmp_path, [("I", [(0, 10), (25, 30)]), ("A", [(10, 20)])])
    assert found == pytest.approx(
        {"long-acc": 50.0, "mIoU": 100 * (0.75 + 1 / 3) / 2, "rec@IoU": 80.0, "acc@IoU": 50.0}
    )


def test_tvqa(tmp_path: Path) -> None:
    # 1-5 of 1-9: .5; 10-13 of 10-20: .3, right but not grounded.
    found = figures("tvqa", tmp_path, [("D", [(1, 5)]), "A", ("D", [(10, 13)])])
    assert found == pytest.approx({"accuracy": 200 / 3, "mIoU": 40.0, "ASA": 50.0})


def test_ones_own_and_natural(tmp_path: Path) -> None:
    assert figures("jsonl", tmp_path, ["(B) milk", "Tea.", "A cat jumps."]) == {}
    found = figures("natural", tmp_path, [("The milk", [(15, 16)]), "Yes."])
    assert found == {"all": 50.0, "answers": 100.0, "honest refusals": 0.0}


def test_retrieval(tmp_path: Path) -> None:
    found = figures("retrieval", tmp_path, [("", [(0, 4), (12, 16)])])
    assert found == {"R@1": 0.0, "R@5": 100.0, "MRR": 50.0}


def test_senses(tmp_path: Path) -> None:
    # "ask not that" for "ask not what"; three of four words, and one too many.
    found = figures("senses", tmp_path, ["ask not that", "How to make / the end"])
    assert found == {"speech, word error rate": pytest.approx(100 / 3), "ocr, words found": 75.0}
