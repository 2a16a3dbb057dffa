"""Clustered errors against formulas worked out by hand."""

from __future__ import annotations

import math
import random

import pytest

from videochat.evaluation.statistics import clustered_mean, paired_difference


def test_without_clusters_it_is_the_usual_error() -> None:
    values = [1, 0, 0, 1, 1, 1, 0, 1]
    found = clustered_mean(values, range(8))
    mean = sum(values) / 8
    assert found.mean == mean
    assert found.error == pytest.approx(math.sqrt(mean * (1 - mean) / 7))


def test_questions_of_one_video_count_as_less() -> None:
    # Two videos, all right and all wrong: the error is that of two values.
    found = clustered_mean([1, 1, 1, 0, 0, 0], "aaabbb")
    assert found.error == pytest.approx(math.sqrt(2 * (1.5**2) * 2) / 6)
    assert found.half_width == pytest.approx(12.706 * math.sqrt(2 * (1.5**2) * 2) / 6, rel=1e-3)
    assert clustered_mean([1, 0, 1, 0, 1, 0], "aabbcc").error == pytest.approx(0.0)


def test_one_cluster_has_no_error() -> None:
    found = clustered_mean([1, 0], "aa")
    assert (found.mean, found.error, found.low, found.high) == (0.5, None, None, None)


def test_a_paired_difference_is_tighter_than_two_intervals() -> None:
    dice = random.Random(0)
    one = [float(dice.random() < 0.6) for _ in range(200)]
    two = [value if dice.random() < 0.9 else 1 - value for value in one]
    found = paired_difference(one, two, range(200))
    assert found.mean == pytest.approx(sum(one) / 200 - sum(two) / 200)
    alone = clustered_mean(one, range(200))
    assert found.half_width is not None
    assert alone.half_width is not None
    assert found.half_width < alone.half_width


def test_the_interval_covers_what_it_says() -> None:
    dice, inside, rounds = random.Random(1), 0, 400
    for _ in range(rounds):
        values: list[float] = []
        clusters: list[int] = []
        for video in range(30):
            part = 0.5 + dice.choice((-0.3, 0.3))
            values += [float(dice.random() < part) for _ in range(6)]
            clusters += [video] * 6
        found = clustered_mean(values, clusters)
        assert found.half_width is not None
        inside += abs(found.mean - 0.5) <= found.half_width
    assert inside / rounds == pytest.approx(0.95, abs=0.03)
