"""Events of a video written to Chroma: captions with their vectors, pictures, and what was watched."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from videochat.memory.chroma import Chroma
from videochat.memory.journal import Event, unpack
from videochat.memory.stored_video import row_of
from videochat.memory.video_state import VideoState


def send(
    chroma: Chroma, state: VideoState, pending: Sequence[Event], known_rows: Set[str] | None, row: dict[str, Any]
) -> set[str] | None:
    """Write events to Chroma; within a session. Writing them twice changes nothing.

    Args:
        chroma: where.
        state: what is known of the video now; captions that have no vector yet are left for later.
        pending: events that are not there yet.
        known_rows: ids of the video's rows in `watches` when they were read; None for all that are there.
        row: the row of the video itself in `watches`, beside its facts.

    Returns:
        Ids of the video's rows in `watches`; None where nothing was pending.
    """
    touched = {event["caption"].id for event in pending if event["event"] == "caption"}
    touched |= {id_ for event in pending if event["event"] == "vectors" for id_ in event["ids"]}
    ready = [state.captions[id_] for id_ in touched if id_ in state.captions and id_ in state.vectors]
    for event in pending:
        if event["event"] == "frames":
            chroma.put_frames(event, unpack(event["vectors"], len(event["times"])))
    chroma.put_captions(sorted(ready, key=lambda caption: caption.start_seconds), state.vectors)
    gone = [id_ for event in pending if event["event"] == "removed" for id_ in event["ids"]]
    if gone := [id_ for id_ in gone if id_ not in state.captions]:
        for name in ("captions", "summaries"):
            chroma.delete(name, gone)
    rows = state.rows()
    name = str(state.facts.get("name") or state.video_id)
    video = (state.video_id, [1.0], name, row_of(state) | {"event": "video"} | row)
    if pending:
        chroma.put_watches(rows, known_rows, video)
    else:
        chroma.put("watches", [video])
    return set(rows) if pending else None
