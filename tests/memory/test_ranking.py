"""Dense and lexical scores fused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes.stored_captions import captions
from videochat.memory import CaptionStore
from videochat.memory.ranking import SEARCH_BY, fuse, search_video


def test_both_count_and_spelling_counts_less_than_meaning() -> None:
    cosines, lexical = np.array([0.9, 0.1, 0.5]), np.array([0.0, 1.0, 0.0])
    assert fuse(cosines, lexical, True).argmax() in (0, 1)
    assert fuse(cosines, lexical, False).argmax() == 1
    assert fuse(cosines, lexical, True, "dense").tolist() == cosines.tolist()
    assert fuse(cosines, lexical, True, "lexical").tolist() == lexical.tolist()
    assert fuse(np.zeros(0), np.zeros(0), True).tolist() == []
    assert fuse(np.array([0.5, 0.5]), np.array([0.0, 1.0]), True).tolist() == [0, 1]


@pytest.mark.parametrize("by", SEARCH_BY)
def test_the_caption_that_says_it_comes_first(store: CaptionStore, by: str) -> None:
    store.add(captions())
    index, embedder = store.captions_of("kitchen").index(), store.embedder
    hits = search_video(index, "pour the milk", embedder.query("pour the milk"), index.rows(), embedder, by)
    assert hits[0].caption.text == "Then pour the milk into the bowl."
    assert len(hits) == (1 if by == "lexical" else 7)
