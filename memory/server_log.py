"""What others have written of a video to a Chroma server, where there is no journal."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from videochat.memory.chroma import Chroma
from videochat.memory.journal import Event, check_event

_WRITER = uuid.uuid4().hex


class ServerLog:
    """The rows of one video on a server, read anew when another writer has changed them.

    Args:
        chroma: the server.
        video_id: the video.
        embedder_name: what the vectors are made with.
    """

    def __init__(self, chroma: Chroma, video_id: str, embedder_name: str) -> None:
        self.video_id, self.damage = video_id, list[str]()
        self._chroma, self._embedder_name = chroma, embedder_name
        self._seen: dict[str, int] | None = None
        self._revision = 0

    def read(self) -> tuple[bool, list[Event]]:
        """Return whether all must be forgotten that was read before, and the events since then.

        Raises:
            StoreError: the server does not answer.
        """
        with self._chroma.session():
            now = self._revisions()
            if now == self._seen:
                return False, []
            damage, events = list[str](), list[Event]()
            for event in self._chroma.events(self.video_id, self._embedder_name):
                try:
                    events.append(check_event(event))
                except (ValueError, TypeError, KeyError, OverflowError) as error:
                    damage.append(f"a row of it was left out: {error}")
            self._seen, self.damage = now, damage
            return True, events

    def _revisions(self) -> dict[str, int]:
        where = {"$and": [{"video_id": self.video_id}, {"event": "revision"}]}
        found = self._chroma.call("watches", "get", where=where, include=["metadatas"])["metadatas"]
        return {row["writer"]: row["revision"] for row in found}

    def append(self, events: Sequence[Event]) -> None:
        """Nothing: the rows are written when they have their vectors."""

    def sent(self) -> None:
        """Tell the other writers that there is something new."""
        self._revision += 1
        row = {"video_id": self.video_id, "event": "revision", "writer": _WRITER, "revision": self._revision}
        self._chroma.put("watches", [(f"revision/{self.video_id}/{_WRITER}", [1.0], "revision", row)])
        self._seen = (self._seen or {}) | {_WRITER: self._revision}
