"""Half-open intervals of seconds."""

from __future__ import annotations

import pytest

from videochat.intervals import merge_intervals


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([], []),
        ([(0, 1)], [(0, 1)]),
        ([(2, 3), (0, 1)], [(0, 1), (2, 3)]),
        ([(0, 1), (1, 2)], [(0, 2)]),
        ([(0, 9), (2, 3)], [(0, 9)]),
        ([(1, 1)], []),
    ],
)
def test_merge_intervals(spans: list[tuple[float, float]], merged: list[tuple[float, float]]) -> None:
    assert merge_intervals(spans) == merged
