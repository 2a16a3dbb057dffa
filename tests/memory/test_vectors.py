"""Vectors in memory are compared exactly, within kinds and times."""

from __future__ import annotations

import numpy as np
import pytest

from videochat.memory.vectors import Vectors, pack


@pytest.fixture
def vectors() -> Vectors:
    vectors = Vectors()
    vectors.extend([(1, 0.0, 4.0, "speech", pack([1, 0])), (2, 4.0, 8.0, "ocr", pack([1, 1]))])
    vectors.extend([(3, 8.0, 12.0, "speech", pack([0, 1])), (4, 0.0, 12.0, "summary", pack([1, 0]))])
    return vectors


def test_packed_vectors_have_unit_length_and_half_precision() -> None:
    packed = np.frombuffer(pack([3.0, 4.0]), np.float16)
    assert packed.tolist() == pytest.approx([0.6, 0.8], abs=1e-3)
    assert np.frombuffer(pack([0.0, 0.0]), np.float16).tolist() == [0.0, 0.0]


def test_nearest_are_ranked_by_cosine(vectors: Vectors) -> None:
    assert vectors.nearest([1.0, 0.0], 9) == pytest.approx({1: 1.0, 2: 0.7071, 3: 0.0}, abs=1e-3)
    assert list(vectors.nearest([0.0, 1.0], 2)) == [3, 2]
    assert len(vectors) == 4
    assert vectors.bytes == 4 * 2 * 4


def test_nearest_keep_to_kinds_and_times(vectors: Vectors) -> None:
    assert list(vectors.nearest([1.0, 0.0], 9, ["summary"])) == [4]
    assert list(vectors.nearest([1.0, 0.0], 9, None, 4.0, 8.0)) == [2]
    assert vectors.nearest([1.0, 0.0], 9, []) == {}
    assert Vectors().nearest([1.0], 9) == {}


def test_cosines_of_given_captions(vectors: Vectors) -> None:
    assert vectors.cosines([1.0, 0.0], [2, 99]) == pytest.approx({2: 0.7071}, abs=1e-3)
