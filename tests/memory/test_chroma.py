"""The Chroma directory: rows, sharing, damage."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from tests.fakes.stored_captions import captions, detailed_caption
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.chroma import Chroma, caption_of, collections_of, metadata_of
from videochat.memory.journal import check_event
from videochat.memory.video_state import VideoState
from videochat.records import Caption


def rows_of(path: Path) -> dict[str, str]:
    """Return texts by id as a program that knows only chromadb reads them."""
    client: Any = chromadb.PersistentClient(str(path / "chroma"), settings=Settings(anonymized_telemetry=False))
    found = client.get_collection("captions", embedding_function=None).get()
    client.close()
    assert found["documents"] is not None
    return dict(zip(found["ids"], found["documents"], strict=True))


def test_a_caption_is_a_row_and_back() -> None:
    row = metadata_of(detailed_caption())
    assert row["attribute_count"] == 3
    assert isinstance(row["start_seconds"], float)
    assert caption_of("a bowl", row) == detailed_caption()
    assert collections_of(None) == ["captions"]
    assert collections_of(["summary", "ocr"]) == ["captions", "summaries"]


def test_captions_are_in_the_collection_as_soon_as_they_are_added(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add([*captions(), Caption("kitchen", 0, 12, "summary", "A cake is baked.", "s")])
        assert rows_of(tmp_path) == {caption.id: caption.text for caption in captions()}
        store.captions_of("kitchen").replace([captions()[0].id], [], {})
        assert captions()[0].id not in rows_of(tmp_path)
        store.forget("kitchen")
        assert rows_of(tmp_path) == {}


def test_all_that_is_known_of_a_video_can_be_read_off_it(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add([*captions(), detailed_caption()])
        stored = store.captions_of("kitchen")
        stored.record([], source="ocr", version="1", watched=(0, 9))
        stored.record_frame_vectors("siglip", [(0.0, 2.0, np.array([0.0, 1.0]))])
        stored.record_frame_vectors("clip", [(0.0, 2.0, np.array([0.0, 1.0, 0.0]))])
        stored.set_facts(name="kitchen.mp4")
        stored.publish()
        again = VideoState("kitchen", "builtin")
        with store.chroma.session():
            for event in store.chroma.events("kitchen", "builtin"):
                again.apply(check_event(event))
            assert store.chroma.collection_names() == ["captions", "frames", "frames-3", "summaries", "watches"]
        assert again.captions == stored.state.captions
        assert (again.watched, again.facts) == (stored.state.watched, stored.state.facts)
        assert set(again.frames) == {"siglip", "clip"}
        assert again.bare == {}


def test_a_store_sees_what_another_has_written_since(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as first, CaptionStore(tmp_path) as second:
        first.add(captions())
        assert len(second.search("milk", k=9)) == 7
        second.add(captions("garden"))
        first.add([detailed_caption()])
        assert len(first.search("milk", k=99)) == 15
        assert len(rows_of(tmp_path)) == 15


@pytest.mark.parametrize("content", [b"", b"no database", None])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_chroma_captions_are_read_and_found_and_written(tmp_path: Path, content: bytes | None) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    file = tmp_path / "chroma" / "chroma.sqlite3"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    with CaptionStore(tmp_path) as store:
        assert store.search("milk", k=1, video_ids=["kitchen"])[0].caption.text == "Then pour the milk into the bowl."
        assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."
        assert store.add(captions("garden")) == 7
        assert len(store.videos()) == 2


def test_what_chroma_cannot_do_is_a_sentence(tmp_path: Path) -> None:
    chroma = Chroma(tmp_path / "chroma")
    with pytest.raises(StoreError, match="memory rebuild` mends it"), chroma.session():
        chroma.call("captions", "upsert", ids=["a"], documents=["x"], metadatas=[{"a": {}}], embeddings=[[1.0]])
    with pytest.raises(StoreError, match="outside of a session"):
        Chroma(tmp_path / "other").call("captions", "count")
    with chroma.session(write=True):
        assert chroma.call("captions", "count") == 0
    chroma.remove()
    with chroma.session():
        assert chroma.collection_names() == []
    chroma.close()


def test_chroma_that_is_lost_while_open_is_written_anew(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        assert store.search("milk", k=1)
        (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"")
        assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."
        store.close()
        shutil.rmtree(tmp_path / "chroma")
        assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."
        assert len(rows_of(tmp_path)) == 7


def test_a_directory_that_was_made_anew_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as old:
        old.add(captions())
        shutil.rmtree(tmp_path / "memory")
        with CaptionStore(tmp_path / "memory") as new:
            new.add(captions("garden")[:1])
            assert {hit.caption.video_id for hit in new.search("cake", k=9)} == {"garden"}
            assert len(rows_of(tmp_path / "memory")) == 1


_READ_ONLY = """
import os, sys, warnings
import videochat.agent, chromadb
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.maintenance import check_store
if os.getuid() == 0:
    os.setuid(65534)
store = CaptionStore(sys.argv[1], embeddings="builtin")
print(len(store.between("kitchen")), store.search("milk", k=1)[0].caption.text, len(store.videos()), sep="|")
print(store.search("milk", k=1, video_ids=["kitchen"])[0].caption.text, check_store(store).faults, sep="|")
try:
    store.add([])
    store.forget("kitchen")
except StoreError as error:
    print(error)
"""


def test_a_store_that_may_not_be_written_is_read(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        store.add(captions())
    for path in [tmp_path.parent.parent.parent, tmp_path.parent.parent, tmp_path.parent, tmp_path]:
        path.chmod(path.stat().st_mode | 0o055)
    for path in [tmp_path / "memory", *(tmp_path / "memory").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [sys.executable, "-c", _READ_ONLY, str(tmp_path / "memory")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    for path in [tmp_path / "memory", *(tmp_path / "memory").rglob("*")]:
        path.chmod(0o755)
    assert said.stdout.splitlines()[:2] == [
        "7|Then pour the milk into the bowl.|1",
        "Then pour the milk into the bowl.|[]",
    ], said.stderr
    assert "It may not be written" in said.stdout + said.stderr
