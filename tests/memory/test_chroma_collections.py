"""Captions as rows of Chroma: nothing is lost on the way, and a client that knows only Chroma sees plain values."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings

from tests.fakes.stored_captions import captions, detailed_caption
from videochat.memory.chroma_collections import (
    caption_of,
    collections_of,
    cosines_of,
    get_collection,
    metadata_of,
    put_changes,
)
from videochat.memory.store_records import Changes
from videochat.memory.vectors import pack
from videochat.records import Caption


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    client: Any = chromadb.PersistentClient(str(tmp_path), settings=Settings(anonymized_telemetry=False))
    yield client
    client.close()


def test_a_caption_comes_back_from_chroma_with_its_id_and_attributes(client: Any) -> None:
    caption = detailed_caption()
    put_changes(lambda name: get_collection(client, name), Changes(1, [(caption, pack([1.0, 0.0]))], []))
    row: Any = get_collection(client, "captions").get(ids=[caption.id])
    back = caption_of(row["documents"][0], row["metadatas"][0])
    assert back == caption
    assert back.id == caption.id, "attributes are part of the id, with their types"
    assert {name: type(value) for name, value in back.attributes.items()} == {
        name: type(value) for name, value in caption.attributes.items()
    }


def test_attributes_are_flat_values_that_chroma_filters_by(client: Any) -> None:
    rows = [Caption("film", i, i + 1, "summary", f"part {i}", "s", attributes={"scale": s}) for i, s in enumerate("ab")]
    changes = Changes(1, [(row, pack([1.0, float(i)])) for i, row in enumerate(rows)], [])
    put_changes(lambda name: get_collection(client, name), changes)
    found: Any = get_collection(client, "summaries").get(where={"attribute_scale": "b"})
    assert found["documents"] == ["part 1"]
    assert found["metadatas"][0]["attribute_scale"] == "b"


def test_metadata_hold_every_field_but_text_and_id() -> None:
    data = metadata_of(detailed_caption())
    assert {"video_id", "start_seconds", "kind", "box", "track_id", "language", "attribute_event"} <= set(data)
    assert {"id", "text", "attributes"}.isdisjoint(data)
    assert all(not isinstance(value, dict) for value in data.values())


def test_rows_of_an_older_version_have_no_attributes() -> None:
    old = captions()[0]
    assert "attributes" not in str(metadata_of(old))
    assert caption_of(old.text, metadata_of(old)) == old


def test_what_is_gone_is_deleted_and_writing_twice_changes_nothing(client: Any) -> None:
    rows = [(caption, pack([1.0, float(i)])) for i, caption in enumerate(captions())]
    for _ in range(2):
        put_changes(lambda name: get_collection(client, name), Changes(7, rows, []))
    assert get_collection(client, "captions").count() == 7
    put_changes(lambda name: get_collection(client, name), Changes(8, [], [rows[0][0].id]))
    assert get_collection(client, "captions").count() == 6


def test_cosines_are_those_of_the_rows_that_are_there(client: Any) -> None:
    first, second = captions()[:2]
    changes = Changes(2, [(first, pack([1.0, 0.0])), (second, pack([3.0, 4.0]))], [])
    put_changes(lambda name: get_collection(client, name), changes)
    collection = get_collection(client, "captions")
    cosines = cosines_of(collection, [1.0, 0.0], [first.id, second.id, "0" * 32])
    assert cosines == pytest.approx({first.id: 1.0, second.id: 0.6}, abs=1e-3)
    assert cosines_of(collection, [1.0, 0.0], []) == {}


def test_summaries_lie_apart() -> None:
    assert collections_of(None) == ["captions"]
    assert collections_of(["speech", "ocr"]) == ["captions"]
    assert collections_of(["summary"]) == ["summaries"]
    assert collections_of(["summary", "speech"]) == ["captions", "summaries"]
