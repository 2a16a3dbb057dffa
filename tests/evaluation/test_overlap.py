"""Overlap of intervals, by hand."""

from __future__ import annotations

import pytest

from videochat.evaluation.overlap import best_iou_iop, iou_iop, overlap, set_iou


@pytest.mark.parametrize(
    ("span", "gold", "iou", "iop"),
    [
        ((0, 10), (0, 10), 1.0, 1.0),
        ((0, 5), (0, 10), 0.5, 1.0),
        ((5, 15), (0, 10), 1 / 3, 0.5),
        ((3, 3), (0, 10), 0.0, 1.0),
        ((13, 13), (0, 10), 0.0, 0.0),
        ((20, 30), (0, 10), -1 / 3, -1.0),
    ],
)
def test_iou_and_iop_as_next_gqa(span: tuple[float, float], gold: tuple[float, float], iou: float, iop: float) -> None:
    assert iou_iop(span, gold) == pytest.approx((iou, iop))


def test_the_best_of_several_and_nothing() -> None:
    assert best_iou_iop((0, 5), [(100, 200), (0, 10)]) == (0.5, 1.0)
    assert best_iou_iop((300, 310), [(0, 10)]) == (0.0, 0.0)
    assert best_iou_iop(None, [(0, 10)]) == (0.0, 0.0)
    assert best_iou_iop((1, 2), []) == (0.0, 0.0)


def test_sets() -> None:
    assert set_iou([(0, 10), (5, 15)], [(0, 15)]) == 1.0
    assert set_iou([(0, 4)], [(6, 8)]) == 0.0
    assert set_iou([], []) == 0.0
    assert overlap((0, 4), (6, 8)) == 0.0
