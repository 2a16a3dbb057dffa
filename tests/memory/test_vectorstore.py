"""The collection of captions as LangChain's vector store."""

from __future__ import annotations

import pytest

from tests.fakes.stored_captions import captions
from videochat.errors import StoreError
from videochat.memory import CaptionStore


def test_it_is_the_collection_itself_and_for_reading(store: CaptionStore) -> None:
    store.add(captions())
    vectors = store.vectorstore()
    assert vectors.get()["ids"].sort() == [caption.id for caption in captions()].sort()
    (found,) = vectors.similarity_search("pour the milk", k=1)
    assert found.page_content == "Then pour the milk into the bowl."
    assert found.metadata["start_seconds"] == 6.0
    for write in (
        lambda: vectors.add_texts(["a"]),
        lambda: vectors.delete(["a"]),
        lambda: vectors.reset_collection(),
        lambda: vectors.add_documents([found]),
    ):
        with pytest.raises(StoreError, match=r"for reading. CaptionStore.add writes"):
            write()
