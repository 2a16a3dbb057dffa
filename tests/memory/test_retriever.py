"""LangChain's faces: its own conformance suites over the retriever and the embeddings, and the loader."""

from __future__ import annotations

import tempfile
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import EmbeddingsIntegrationTests, RetrieversIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from tests.memory.test_caption_store import captions
from videochat import Video, VideoCaptionLoader
from videochat.memory import CaptionStore, VideoRetriever, WordEmbeddings


class TestVideoRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return VideoRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        store = CaptionStore(tempfile.mkdtemp())
        store.add(captions())
        return {"store": store, "video_ids": ["kitchen"]}

    @property
    def retriever_query_example(self) -> str:
        return "Where does the milk go?"


class TestWordEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings


class TestWordEmbeddingsAlone(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings


def test_the_loader_gives_captions_as_documents_with_seconds(clip: Video) -> None:
    loader = VideoCaptionLoader(clip.path, preset=["subtitles", "shots"], kinds=["speech"])
    documents = loader.load()
    assert [document.page_content for document in documents] == ["Hello and welcome.", "First, boil the water."]
    assert [document.metadata["start_seconds"] for document in documents] == [1.0, 6.5]
    assert documents[0].metadata["source"] == str(clip.path)
    assert documents[0].metadata["video_id"] == clip.id
    assert documents[0].id
    assert next(iter(loader.lazy_load())) == documents[0]
