"""Events of a video written to Chroma; that a store does so is in test_video_captions.py and test_chroma.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.fakes.stored_captions import captions
from videochat.memory.chroma import Chroma
from videochat.memory.chroma_writer import send
from videochat.memory.video_state import VideoState, caption_event


def test_what_has_no_vector_waits_and_what_is_written_twice_is_there_once(tmp_path: Path) -> None:
    chroma, state = Chroma(tmp_path / "chroma"), VideoState("kitchen", "builtin")
    events = [caption_event(caption) for caption in captions()]
    for event in events:
        state.apply(event)
    first = captions()[0].id
    events.append(
        {"event": "vectors", "video_id": "kitchen", "embedder": "builtin", "ids": [first], "vectors": np.eye(4)[:1]}
    )
    state.apply(events[-1])
    with chroma.session(write=True):
        assert send(chroma, state, [], None, {"journal_end": 0}) is None
        for _ in range(2):
            assert send(chroma, state, events, None, {"journal_end": 5}) == set(state.rows())
        assert chroma.call("captions", "get")["ids"] == [first]
        (row,) = chroma.call("watches", "get", ids=["kitchen"])["metadatas"]
        assert (row["journal_end"], row["captions"]) == (5, 7)
        state.apply({"event": "removed", "ids": [first]})
        send(chroma, state, [{"event": "removed", "ids": [first]}], None, {})
        assert chroma.call("captions", "count") == 0
    chroma.close()
