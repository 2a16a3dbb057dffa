from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.fakes.tiny_embed import GOLDEN, need
from videochat.embed_model.recipe import ALIGNMENT, INSTRUCTION, learning_rate_factor


@pytest.mark.material
def test_learning_rates_are_upstreams():
    for case in json.loads(need(GOLDEN / "sampling_and_schedule.json").read_text())["lr"].values():
        warmup, total = case["steps_per_epoch"] * case["warmup_epochs"], case["steps_per_epoch"] * case["epochs"]
        rates = [
            case["base_lr"] * learning_rate_factor(step, warmup, total, case["min_lr_multi"])
            for step in range(len(case["lr"]))
        ]
        assert rates == pytest.approx(case["lr"], rel=1e-12)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"learning_rate": 0}, {"floor": 2}, {"lora_rank": 4, "learn": "all"}, {"batch": 0}]
)
def test_recipes_that_make_no_sense(change):
    with pytest.raises(ValueError, match="recipe|lora_rank"):
        replace(ALIGNMENT, **change)


def test_the_learning_rate_rises_and_falls_and_never_below_its_floor():
    shares = [learning_rate_factor(step, 10, 110, 0.05) for step in range(110)]
    assert shares[0] == 0.05
    assert shares[5] == 0.5
    assert max(shares) == shares[10] == 1.0
    assert shares[60] == pytest.approx(0.5)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[-1] == 0.05


def test_the_papers_numbers():
    assert (ALIGNMENT.learning_rate, ALIGNMENT.epochs, ALIGNMENT.frames, ALIGNMENT.batch) == (1e-4, 1, 4, 32)
    assert (INSTRUCTION.learning_rate, INSTRUCTION.epochs, INSTRUCTION.frames, INSTRUCTION.batch) == (2e-5, 3, 8, 1)
