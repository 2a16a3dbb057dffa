"""Search and lists over all videos."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.stored_captions import captions, found
from videochat.memory import CaptionStore
from videochat.records import Caption


def test_words_vectors_filters_and_languages_over_all_videos(library: CaptionStore) -> None:
    library.add([Caption("world", 0, 1, "speech", "我们先倒牛奶", "t")])
    assert found(library, "roses", k=1) == ["Water the roses in the evening."]
    assert found(library, "牛奶", k=1, by="lexical") == ["我们先倒牛奶"]
    assert found(library, "bake", k=1, kinds=["ocr"]) == ["BAKE 40 MINUTES"]
    assert set(found(library, "the", k=50, start_seconds=8.5)) == {
        "Then pour the milk into the bowl.",
        "BAKE 40 MINUTES",
        "Cut the hedge with care.",
        "one shot of 5.0 s",
    }
    assert library.search("milk", kinds=[]) == []


def test_what_another_store_writes_or_forgets_is_seen(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as first, CaptionStore(tmp_path) as second:
        first.add(captions())
        assert found(second, "milk", k=1, by="lexical") == ["Then pour the milk into the bowl."]
        first.captions_of("kitchen").replace([captions()[5].id], [], {})
        assert found(second, "milk", by="lexical") == []
        first.forget("kitchen")
        assert second.search("cake") == []
        assert second.videos() == []


def test_many_videos_are_searched_through_chroma_and_few_one_by_one(store: CaptionStore) -> None:
    store.add([Caption(f"v{i}", 0, 1, "speech", f"number{i} of many", "t") for i in range(30)])
    many = [f"v{i}" for i in range(25)]
    assert found(store, "number7", k=1) == found(store, "number7", k=1, video_ids=many) == ["number7 of many"]
    assert "number29 of many" not in found(store, "number29", k=99, video_ids=many)


def test_what_was_not_written_to_chroma_is_written_before_a_search(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        # As after a kill: in the journal, not in Chroma.
        (extra,) = captions(rows=[(20, 21, "speech", "Serve it with raspberries.")])
        store.captions_of("kitchen").write(lambda _: [{"event": "caption"} | extra.as_dict() | {"caption": extra}])
        store.captions_of("kitchen")._unpublished.clear()
    with CaptionStore(tmp_path) as store:
        assert store.search("raspberries", k=1)[0].similarity > 0, "found by likeness, not only by words"
        assert extra.id in store.vectorstore().get()["ids"]
