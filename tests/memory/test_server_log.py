"""What others write to a Chroma server is read anew; a real server is in tests/stories/test_chroma_server.py."""

from __future__ import annotations

import uuid
from unittest.mock import Mock

import chromadb
import pytest
from chromadb.config import Settings

from tests.fakes.stored_captions import captions
from videochat.errors import InvalidArgument, StoreError
from videochat.memory import CaptionStore, Gap
from videochat.memory.chroma import Chroma
from videochat.memory.video_state import caption_event


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


def test_captions_whose_vectors_could_not_be_sent_are_sent_once_another_writer_has_been_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = chromadb.EphemeralClient(settings=Settings(anonymized_telemetry=False))
    film = f"film-{uuid.uuid4().hex}"
    with CaptionStore(client) as first, CaptionStore(client) as second:
        told = first.captions_of(film)
        told.write(lambda _: map(caption_event, captions(film)))
        with monkeypatch.context() as away:
            away.setattr(told, "take", Mock(side_effect=StoreError("away")))
            told.index()
        monkeypatch.setattr(told, "_embed", lambda: None)
        for start in (1, 2):
            second.captions_of(film).record_gap(Gap("ocr", start, start + 1, "no luck"))
            second.captions_of(film).publish()
            told.publish()  # read anew, they have no vectors any more
        monkeypatch.undo()
        told.publish()
        rows = client.get_collection("captions").get(where={"video_id": film})
    assert set(rows["ids"]) == {caption.id for caption in captions(film)}


def test_what_could_not_be_read_to_its_end_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = chromadb.EphemeralClient(settings=Settings(anonymized_telemetry=False))
    film = f"film-{uuid.uuid4().hex}"
    with CaptionStore(client) as first, CaptionStore(client) as second:
        first.add(captions(film))
        first.captions_of(film).publish()
        told = second.captions_of(film)
        first.captions_of(film).record_gap(Gap("ocr", 1, 2, "no luck"))
        first.captions_of(film).publish()
        with monkeypatch.context() as away:
            away.setattr(Chroma, "events", Mock(side_effect=StoreError("away")))
            with pytest.raises(StoreError):
                told.gaps()
        assert told.gaps() == [Gap("ocr", 1, 2, "no luck")]
