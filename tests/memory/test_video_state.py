"""What the events of a video add up to."""

from __future__ import annotations

import numpy as np

from tests.fakes.stored_captions import captions
from videochat.memory import Gap
from videochat.memory.journal import check_event, line_of, parse_line
from videochat.memory.video_state import VideoState, caption_event, vector_events


def filled() -> VideoState:
    state = VideoState("kitchen", "builtin")
    base = {"video_id": "kitchen"}
    for caption in captions():
        state.apply(caption_event(caption))
    vectors = {caption.id: np.eye(8)[i] for i, caption in enumerate(captions())}
    for event in vector_events("kitchen", "builtin", vectors, vectors):
        state.apply(event)
    for start, end in ((0.0, 4.0), (6.0, 8.0), (4.0, 5.0)):
        state.apply(
            base | {"event": "watched", "source": "ocr", "version": "1", "start_seconds": start, "end_seconds": end}
        )
    state.apply(base | {"event": "gap"} | vars(Gap("ocr", 5.0, 9.0, "no luck")))
    state.apply(base | {"event": "facts", "facts": {"name": "kitchen.mp4"}})
    state.apply(base | {"event": "note", "name": "a/b", "value": [1]})
    times = {"times": [[0.0, 2.0]], "vectors": np.array([[0.0, 1.0]])}
    state.apply(base | {"event": "frames", "source": "siglip"} | times)
    return state


def test_the_fewest_events_that_make_a_state_make_it_again() -> None:
    state, again = filled(), VideoState("kitchen", "builtin")
    for event in state.events():
        again.apply(check_event(parse_line(line_of(event))))
    assert again.captions == state.captions
    assert again.watched == {"ocr": ("1", [(0, 5), (6, 8)])}
    assert (again.gaps, again.facts, again.notes) == (state.gaps, state.facts, state.notes)
    assert again.bare == {}
    assert again.frames["siglip"][0.0][1].tolist() == [0, 1]
    assert again.rows().keys() == state.rows().keys()


def test_what_is_removed_or_dropped_is_gone() -> None:
    state = filled()
    first, *rest = captions()
    state.apply({"event": "removed", "ids": [first.id, "unknown"]})
    assert list(state.captions) == [caption.id for caption in rest]
    state.apply({"event": "dropped", "source": "test"})
    assert state.captions == {}
    state.apply({"event": "dropped", "source": "ocr"})
    assert (state.watched, state.gaps) == ({}, {})
    state.apply({"event": "note", "name": "a/b", "value": None})
    assert state.notes == {}


def test_another_version_watches_from_the_beginning_and_vectors_of_another_embedder_do_not_count() -> None:
    state = filled()
    state.apply({"event": "watched", "source": "ocr", "version": "2", "start_seconds": 0, "end_seconds": 1})
    assert state.watched["ocr"] == ("2", [(0, 1)])
    other = VideoState("kitchen", "minilm")
    for event in state.events():
        other.apply(check_event(event))
    assert len(other.bare) == 7
