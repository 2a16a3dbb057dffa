"""Captions on a real Chroma server on loopback: several writers, everything found, nothing kept elsewhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.fakes.chroma_server import ChromaServer
from tests.fakes.stored_captions import captions, detailed_caption, found
from videochat.errors import StoreError
from videochat.memory import CaptionStore, Gap, WordEmbeddings, browse, summarize
from videochat.memory.maintenance import check_store

pytestmark = [pytest.mark.material, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that is started for these tests."""
    with ChromaServer(tmp_path_factory.mktemp("chroma")) as server:
        yield server.url


def test_what_one_process_stores_another_finds(url: str) -> None:
    full = detailed_caption()
    with CaptionStore(url) as store:
        assert store.add([*captions(), full]) == 8
        stored = store.captions_of("kitchen")
        stored.record([], source="ocr", version="1", watched=(0, 9))
        stored.record_gap(Gap("ocr", 9, 12, "no luck"))
        stored.set_facts(name="kitchen.mp4", duration_seconds=12.0)
    with CaptionStore(url) as store:
        assert full in store.between("kitchen")
        assert full.id in {caption.id for caption in store.between("kitchen")}
        assert store.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert store.captions_of("kitchen").gaps() == [Gap("ocr", 9, 12, "no luck")]
        assert found(store, "milk", k=1, video_ids=["kitchen"]) == ["Then pour the milk into the bowl."]
        assert found(store, "milk", k=1) == ["Then pour the milk into the bowl."]
        assert found(store, "BUTTER", k=1, by="lexical") == ["First, melt the butter slowly."]
        assert set(found(store, "bake", kinds=["ocr"])) == {"WELCOME / TO THE KITCHEN", "BAKE 40 MINUTES"}
        assert found(store, "bake", start_seconds=9.0) == ["BAKE 40 MINUTES"]
        assert [(video.name, video.captions) for video in store.videos()] == [("kitchen.mp4", 8)]
        assert store.add(captions()) == 0
        summarize(store.captions_of("kitchen"), 12)
    with CaptionStore(url) as store:
        assert sum(summarize(store.captions_of("kitchen"), 12).made.values()) == 0, "summaries travel too"
        (whole,) = browse(store.captions_of("kitchen"))
        assert whole.attributes == {"scale": "whole"}
        assert check_store(store).faults == []


_WRITER = """
import sys
from videochat.memory import CaptionStore
from videochat.records import Caption
with CaptionStore(sys.argv[1]) as store:
    for number in range(30):
        store.add([Caption(sys.argv[2], number, number + 1, "speech", f"{sys.argv[3]} says line{number}", "test")])
        if number % 15 == 14:
            store.captions_of(sys.argv[2]).index()
    store.captions_of(sys.argv[2]).record([], source=sys.argv[3], version="1", watched=(0, 30))
"""


def test_two_writers_at_once_lose_nothing(url: str) -> None:
    names = ("ann", "bob")
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, url, "shared", name]) for name in names]
    assert [writer.wait(timeout=200) for writer in writers] == [0, 0]
    with CaptionStore(url) as store:
        stored = store.captions_of("shared")
        assert stored.count() == 60
        for name in names:
            assert stored.watched(name, "1") == [(0, 30)]
            for number in range(30):
                text = f"{name} says line{number}"
                assert found(store, text, k=1, video_ids=["shared"]) == [text]
                if number % 10 == 0:
                    assert found(store, text, k=1) == [text]


def test_an_open_store_sees_what_others_wrote_since(url: str) -> None:
    with CaptionStore(url) as first, CaptionStore(url) as second:
        first.add(captions("seen")[:3])
        first.captions_of("seen").index()
        assert len(second.between("seen")) == 3
        first.add(captions("seen")[3:])
        first.captions_of("seen").index()
        assert len(second.between("seen")) == 7


def test_forgetting_is_for_everybody(url: str) -> None:
    with CaptionStore(url) as store:
        store.add(captions("gone"))
        store.captions_of("gone").index()
        store.forget("gone")
    with CaptionStore(url) as store:
        assert "gone" not in store.video_ids()
        assert "gone" not in {hit.caption.video_id for hit in store.search("milk", k=50)}


def test_another_embedder_and_no_server_are_sentences(url: str) -> None:
    with CaptionStore(url) as store:
        store.add(captions("one")[:1])
    with pytest.raises(StoreError, match="was made with the embeddings 'builtin', not 'builtin-64'"):
        CaptionStore(url, embeddings=WordEmbeddings(64))
    with pytest.raises(StoreError, match=r"127.0.0.1:9 does not answer .* `chroma run --path DIR`"):
        CaptionStore("http://127.0.0.1:9")
