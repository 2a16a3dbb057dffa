"""LangChain's faces: its own conformance suites over the retriever and the embeddings."""

from __future__ import annotations

import tempfile
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import EmbeddingsIntegrationTests, RetrieversIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from tests.memory.test_caption_store import captions
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
