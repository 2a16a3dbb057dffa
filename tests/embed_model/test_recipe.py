from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.fakes.tiny_embed import GOLDEN, need
from videochat.embed_model.recipe import ALIGNMENT, learning_rate_factor


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
