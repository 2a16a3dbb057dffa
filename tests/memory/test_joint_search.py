"""One search over a few videos."""

from __future__ import annotations

from tests.fakes.stored_captions import found
from videochat.memory import CaptionStore


def test_a_few_videos_are_searched_alike_with_and_without_the_library(library: CaptionStore) -> None:
    for query in ("roses", "pour the milk", "bake"):
        assert found(library, query, k=1, video_ids=["kitchen", "garden"]) == found(library, query, k=1)
