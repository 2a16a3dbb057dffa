"""One search over a few videos."""

from __future__ import annotations

from tests.fakes.stored_captions import found
from videochat.memory import CaptionStore


def test_a_few_videos_are_searched_alike_with_and_without_the_library(library: CaptionStore) -> None:
    for query in ("roses", "pour the milk", "bake"):
        assert found(library, query, k=1, video_ids=["kitchen", "garden"]) == found(library, query, k=1)


def test_the_best_of_all_the_videos_come_first(library: CaptionStore) -> None:
    hits = library.search("roses and milk", k=2, video_ids=["kitchen", "garden"])
    assert {hit.caption.video_id for hit in hits} == {"kitchen", "garden"}
    assert hits[0].score >= hits[1].score
    assert len(library.search("milk", k=100, video_ids=["kitchen", "garden"])) == 9


def test_filters_hold_over_a_few_videos(library: CaptionStore) -> None:
    hits = library.search("bake", video_ids=["kitchen", "garden"], kinds=["ocr"], start_seconds=9)
    assert [hit.caption.text for hit in hits] == ["BAKE 40 MINUTES"]
    assert library.search("bake", video_ids=["kitchen", "garden"], kinds=[]) == []
