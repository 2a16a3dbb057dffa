"""A store on a Chroma client; what a running server and several writers do is in tests/stories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings

from tests.fakes.stored_captions import captions, detailed_caption, fill, found
from videochat.errors import InvalidArgument, StoreError
from videochat.memory import CaptionStore, WordEmbeddings, browse, summarize


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    client: Any = chromadb.PersistentClient(str(tmp_path), settings=Settings(anonymized_telemetry=False))
    yield client
    client.close()


def test_a_client_keeps_captions_for_the_next_store(client: Any) -> None:
    with CaptionStore(client) as store:
        fill(store)
        store.add([detailed_caption()])
    with CaptionStore(client) as store:
        assert detailed_caption() in store.between("kitchen")
        assert {c.id for c in store.between("kitchen")} == {c.id for c in [*captions(), detailed_caption()]}
        assert [(video.name, video.captions) for video in store.videos()] == [("garden.mp4", 2), ("kitchen.mp4", 8)]
        assert found(store, "roses", k=1) == ["Water the roses in the evening."]
        assert found(store, "bake", start_seconds=9.0) == ["BAKE 40 MINUTES"]
        assert found(store, "bake", kinds=[]) == []
        assert store.add([detailed_caption()]) == 0


def test_attributes_pass_through_searches_of_the_server(client: Any) -> None:
    with CaptionStore(client) as store:
        store.add([*captions(), detailed_caption()])
        store.captions_of("kitchen").index()
        hit = store.search("bowl", kinds=["dense_caption"])[0]
        assert hit.caption.attributes == detailed_caption().attributes
        assert hit.caption.id == detailed_caption().id


def test_summaries_with_their_scale_travel(client: Any) -> None:
    with CaptionStore(client) as store:
        store.add(captions())
        summarize(store.captions_of("kitchen"), 12)
    with CaptionStore(client) as store:
        assert sum(summarize(store.captions_of("kitchen"), 12).made.values()) == 0
        (whole,) = browse(store.captions_of("kitchen"), "whole")
        assert whole.attributes == {"scale": "whole"}


def test_what_is_forgotten_is_gone_for_the_next_store(client: Any) -> None:
    with CaptionStore(client) as store:
        fill(store)
        store.sync()
        store.forget("garden")
    with CaptionStore(client) as store:
        assert store.video_ids() == ["kitchen"]


def test_another_embedder_and_a_newer_format_are_refused(client: Any) -> None:
    with CaptionStore(client) as store:
        store.add(captions())
    with pytest.raises(StoreError, match="made with the embeddings 'builtin', not 'builtin-64'"):
        CaptionStore(client, embeddings=WordEmbeddings(64))
    header = '{"format": 99, "embedder": "builtin"}'
    client.get_collection("state").update(ids=["header"], documents=[header], embeddings=[[1.0]])
    with pytest.raises(StoreError, match="has format 99, this version reads 1 to 2"):
        CaptionStore(client)


def test_what_is_no_place_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a directory, an address or a Chroma client, got 5"):
        CaptionStore(5)  # type: ignore[arg-type]  # the refusal is what is tested


def test_an_error_of_the_client_is_a_sentence(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CaptionStore(client)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("quota exceeded\nand more")

    monkeypatch.setattr(client, "get_or_create_collection", refuse)
    with pytest.raises(StoreError, match=r"did not do what was asked \(RuntimeError: quota exceeded\)"):
        store.videos()
