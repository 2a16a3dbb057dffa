"""Chroma's collection of captions as LangChain's vector store."""

from __future__ import annotations

from typing import Any, NoReturn

from langchain_chroma import Chroma as ChromaVectorStore
from langchain_core.embeddings import Embeddings

from videochat.errors import StoreError
from videochat.memory.chroma import Chroma


class ReadOnlyChroma(ChromaVectorStore):
    """The collection `captions` for reading: what is written beside the journal would be lost at the next rebuild.

    Raises:
        StoreError: something is to be written; `CaptionStore.add` and `forget` do that.
    """

    @classmethod
    def of(cls, chroma: Chroma, embeddings: Embeddings) -> ReadOnlyChroma:
        """Return the vector store over the captions of a Chroma directory or server."""
        with chroma.session():
            return cls(
                client=chroma.client,
                collection_name="captions",
                embedding_function=embeddings,
                collection_configuration={"hnsw": {"space": "cosine"}},
            )

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StoreError(
            "This vector store is for reading. CaptionStore.add writes captions, and CaptionStore.forget removes those "
            "of a video."
        )

    add_texts = add_images = delete = update_documents = update_document = delete_collection = reset_collection = (
        _refuse
    )
