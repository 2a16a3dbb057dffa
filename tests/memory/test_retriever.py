"""LangChain's retriever: its own conformance suite, filters, documents."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from tests.fakes.stored_captions import captions, detailed_caption
from videochat.errors import InvalidArgument, UnknownName, VideoChatError
from videochat.memory import CaptionStore, RetrieverFilters, VideoRetriever
from videochat.memory.retriever import as_document


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


def test_documents_name_the_video_and_its_file(library: CaptionStore) -> None:
    retriever = VideoRetriever(store=library)
    milk = retriever.invoke("Where does the milk go?", k=1)[0].metadata
    assert (milk["source"], milk["video"], milk["video_id"]) == ("/films/kitchen.mp4", "kitchen.mp4", "kitchen")
    assert milk["caption_source"] == "test"
    assert -1 <= milk["similarity"] <= 1
    roses = retriever.invoke("roses", k=1)[0].metadata
    assert roses["video"] == "garden.mp4"
    assert "source" not in roses, "nobody has said where it lies"


def test_a_document_holds_all_that_a_caption_knows() -> None:
    caption = detailed_caption()
    document = as_document(caption, path="/films/kitchen.mp4", name="kitchen.mp4", similarity=0.5)
    assert (document.id, document.page_content) == (caption.id, "a bowl")
    assert document.metadata == {
        "source": "/films/kitchen.mp4",
        "video": "kitchen.mp4",
        "video_id": "kitchen",
        "kind": "dense_caption",
        "caption_source": "m",
        "start_seconds": 2.0,
        "end_seconds": 3.0,
        "score": 0.5,
        "box": [1.0, 2.0, 30.5, 40.0],
        "track_id": 3,
        "language": "en",
        "attribute_event": "shot",
        "attribute_lightness": 0.25,
        "attribute_count": 3,
        "attribute_whole": 2.0,
        "attribute_words_known": False,
        "similarity": 0.5,
    }
    assert {"source", "video", "similarity"}.isdisjoint(as_document(caption).metadata)


async def test_asynchronous_calls_take_the_same_filters(library: CaptionStore) -> None:
    retriever = VideoRetriever(store=library)
    filters: dict[str, Any] = {"k": 2, "kinds": ["ocr"], "video_ids": ["kitchen"], "end_seconds": None}
    assert await retriever.ainvoke("bake", **filters) == retriever.invoke("bake", **filters)
    assert len(await retriever.ainvoke("bake", k=1)) == 1
    with pytest.raises(UnknownName, match="no filter 'kind'; .* Did you mean 'kinds'"):
        await retriever.ainvoke("bake", kind="ocr")


@pytest.mark.parametrize(
    ("filters", "match"),
    [
        ({"kk": 2}, "There is no filter 'kk'; the known ones are end_seconds, k, kinds, .* Did you mean 'k'"),
        ({"start_second": 2}, "no filter 'start_second'; .* Did you mean 'start_seconds'"),
        ({"k": "many"}, "cannot take 'many' as 'k': Input should be a valid integer"),
    ],
)
def test_a_retriever_of_unknown_filters_is_one_sentence(
    store: CaptionStore, filters: dict[str, object], match: str
) -> None:
    with pytest.raises(VideoChatError, match=match) as caught:
        VideoRetriever(store=store, **filters)
    assert "\n" not in str(caught.value)


def test_ranges_that_are_none_are_refused(library: CaptionStore) -> None:
    with pytest.raises(InvalidArgument, match="0 <= start_seconds < end_seconds, got 9 to 3"):
        VideoRetriever(store=library).invoke("milk", start_seconds=9, end_seconds=3)


def test_the_names_of_the_filters_are_fields_of_the_retriever() -> None:
    assert set(RetrieverFilters.__annotations__) <= set(VideoRetriever.model_fields)
