"""LangChain's retriever: its own conformance suite, filters, documents."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from tests.fakes.stored_captions import captions
from videochat.errors import VideoChatError
from videochat.memory import CaptionStore, VideoRetriever


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


def test_the_retriever_gives_seconds_and_takes_filters(library: CaptionStore) -> None:
    retriever = VideoRetriever(store=library, k=2)
    documents = retriever.invoke("When is the milk poured?")
    assert len(documents) == 2
    assert documents[0].page_content == "Then pour the milk into the bowl."
    assert (documents[0].metadata["start_seconds"], documents[0].metadata["end_seconds"]) == (6.0, 9.0)
    assert isinstance(documents[0].metadata["start_seconds"], float)
    assert documents[0].id
    only = retriever.invoke("milk", kinds=["ocr"], video_ids=["kitchen"], k=5)
    assert {document.metadata["kind"] for document in only} == {"ocr"}
    for wrong, match in (
        ({"colour": 1}, "no filter 'colour'"),
        ({"kinds": ["x"]}, "no kind"),
        ({"k": 0}, "at least 1"),
    ):
        with pytest.raises(VideoChatError, match=match):
            retriever.invoke("milk", **wrong)
