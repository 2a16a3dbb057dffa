"""Checking, rebuilding, exporting and importing a store."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions, found
from videochat.errors import StoreError
from videochat.memory import CaptionStore, WordEmbeddings
from videochat.memory.maintenance import check_store, export_captions, import_captions, rebuild


def test_rebuild_mends_what_verify_finds_and_takes_another_embedder(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        assert check_store(store).faults == []
    with sqlite3.connect(tmp_path / "videos" / "kitchen" / "captions.sqlite3") as database:
        database.execute("INSERT INTO words (words) VALUES ('delete-all')")
        database.execute("DELETE FROM vectors")
    database.close()
    with CaptionStore(tmp_path) as store:
        faults = check_store(store).faults
        assert len(faults) == 2
        assert all("kitchen" in fault for fault in faults)
    assert rebuild(tmp_path).faults == []
    assert rebuild(tmp_path, WordEmbeddings(64)).faults == []
    with CaptionStore(tmp_path, embeddings=WordEmbeddings(64)) as store:
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]


def test_what_is_exported_is_imported_whole_and_once(library: CaptionStore, tmp_path: Path) -> None:
    library.captions_of("kitchen").record([], source="ocr", version="1", watched=(0, 9))
    out = io.StringIO()
    assert export_captions(library, out) == 9
    with CaptionStore(tmp_path / "other") as other:
        assert import_captions(other, io.StringIO(out.getvalue())) == 9
        assert import_captions(other, io.StringIO(out.getvalue())) == 0
        assert other.videos() == library.videos()
        assert other.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert other.between("kitchen") == library.between("kitchen")


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([], None),
        (["hello"], "no file of captions"),
        (['{"format": "videochat captions", "version": 9}'], "version 9, this videochat reads 1"),
        (['{"format": "videochat captions", "version": 1}', "{"], "Line 2 is no JSON object"),
        (['{"format": "videochat captions", "version": 1}', '{"video_id": "a"}'], "Line 2 is no caption"),
    ],
)
def test_files_that_are_no_captions_are_named(library: CaptionStore, lines: list[str], match: str | None) -> None:
    if match is None:
        assert import_captions(library, lines) == 0
        return
    with pytest.raises(StoreError, match=match):
        import_captions(library, lines)
