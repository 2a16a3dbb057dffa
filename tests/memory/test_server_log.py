"""What others write to a Chroma server is read anew; a real server is in tests/stories/test_chroma_server.py."""

from __future__ import annotations

import uuid

import chromadb
import pytest
from chromadb.config import Settings

from tests.fakes.stored_captions import captions
from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore, Gap


def test_a_client_keeps_the_captions_and_a_second_store_sees_them() -> None:
    client = chromadb.EphemeralClient(settings=Settings(anonymized_telemetry=False))
    film = f"film-{uuid.uuid4().hex}"
    with CaptionStore(client) as first, CaptionStore(client) as second:
        first.add(captions(film))
        first.captions_of(film).record_gap(Gap("ocr", 1, 2, "no luck"))
        first.captions_of(film).publish()
        assert second.captions_of(film).state.captions.keys() == {caption.id for caption in captions(film)}
        assert second.captions_of(film).gaps() == [Gap("ocr", 1, 2, "no luck")]
        second.captions_of(film).replace([captions(film)[0].id], [], {})
        assert len(first.between(film)) == 6
        assert first.search("milk", k=1, video_ids=[film])[0].caption.text == "Then pour the milk into the bowl."
        assert first.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."
        first.forget(film)
        assert film not in second.video_ids()


def test_what_is_no_client_is_a_sentence() -> None:
    with pytest.raises(InvalidArgument, match="needs a directory, an address or a Chroma client, got 5"):
        CaptionStore(5)  # type: ignore[arg-type]  # the refusal is what is tested
