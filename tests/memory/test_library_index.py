"""The index over all videos: it finds without opening them, follows changes, and can be made anew."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from langchain_core.documents import Document

from tests.fakes.stored_captions import GARDEN, captions, detailed_caption, found, reachable
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.maintenance import check_store


def test_the_library_finds_in_all_videos_without_opening_them(library: CaptionStore) -> None:
    assert found(library, "roses", k=1) == ["Water the roses in the evening."]
    library.close()
    assert found(library, "milk", k=1) == ["Then pour the milk into the bowl."]
    assert not library._open_videos


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kinds": ["ocr"]}, {"WELCOME / TO THE KITCHEN", "BAKE 40 MINUTES"}),
        ({"start_seconds": 9.0}, {"BAKE 40 MINUTES"}),
        ({"end_seconds": 0.5, "kinds": ["speech"]}, {"Water the roses in the evening."}),
        ({"kinds": []}, set()),
        ({"video_ids": []}, set()),
        ({"video_ids": ["garden"]}, {text for *_, text in GARDEN}),
    ],
)
def test_filters_hold_over_the_library(library: CaptionStore, filters: dict[str, object], expected: set[str]) -> None:
    assert set(found(library, "what is there", k=50, **filters)) == expected


def test_what_is_added_dropped_or_forgotten_shows_at_the_next_search(library: CaptionStore) -> None:
    assert found(library, "raspberries", k=1, by="lexical") == []
    library.add(captions(rows=[(20, 21, "speech", "Serve it with raspberries.")]))
    assert found(library, "raspberries", k=1) == ["Serve it with raspberries."]
    gone = library.search("raspberries", k=1)[0].caption
    library.captions_of("kitchen").replace([gone.id], [], {})
    assert found(library, "raspberries", k=9, by="lexical") == []
    library.forget("kitchen")
    assert {hit.caption.video_id for hit in library.search("milk", k=50)} == {"garden"}


def test_the_vector_store_view_searches_with_langchains_own_face(library: CaptionStore) -> None:
    view = library.vectorstore()
    documents: list[Document] = view.similarity_search("roses", k=1, filter={"video_id": "garden"})
    assert documents[0].page_content == "Water the roses in the evening."
    assert documents[0].metadata["end_seconds"] == 5.0


@pytest.mark.parametrize("part", ["library.sqlite3", "library", "library/chroma.sqlite3", "store.json"])
def test_what_is_no_caption_can_be_deleted_and_comes_back(tmp_path: Path, part: str) -> None:
    import shutil

    with CaptionStore(tmp_path) as store:
        store.add(captions())
    path = tmp_path / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with CaptionStore(tmp_path) as store:
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]
        assert found(store, "milk", k=1, by="lexical") == ["Then pour the milk into the bowl."]
        assert check_store(store).faults == []


@pytest.mark.parametrize("part", ["library.sqlite3", "videos/kitchen/captions.sqlite3"])
def test_a_file_of_noise_is_mended_or_named(tmp_path: Path, part: str) -> None:
    with CaptionStore(tmp_path) as store:
        store.add([*captions(), *captions("garden")])
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"{part}{suffix}").unlink(missing_ok=True)
    (tmp_path / part).write_bytes(b"noise" * 2000)
    with CaptionStore(tmp_path) as store:
        assert len(store.between("garden")) == 7
        if part == "library.sqlite3":
            assert len(store.search("milk", k=50)) == 14
        else:
            with pytest.raises(StoreError, match="cannot be opened for writing"):
                store.between("kitchen")
            assert any("kitchen" in fault for fault in check_store(store).faults)


def test_a_video_that_the_library_reads_twice_is_not_doubled(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions())
    store._library.mark("kitchen")
    with sqlite3.connect(store.path / "library.sqlite3") as database:
        database.execute("UPDATE videos SET seen = 0")
    database.close()
    with CaptionStore(tmp_path / "memory") as store:
        ids = [hit.caption.id for hit in store.search("milk", k=50)]
        assert len(ids) == len(set(ids)) == 7
        assert len(reachable(store, "kitchen")) == 7


def test_attributes_pass_through_the_index(library: CaptionStore) -> None:
    library.add([detailed_caption()])
    (hit,) = library.search("bowl", kinds=["dense_caption"])
    assert hit.caption == detailed_caption()
    assert hit.caption.id == detailed_caption().id
    document = library.vectorstore().similarity_search("bowl", k=1, filter={"attribute_event": "shot"})[0]
    assert document.metadata["attribute_lightness"] == 0.25
