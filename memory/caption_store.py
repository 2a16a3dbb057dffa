"""All captions of all videos in one directory, each video on its own shelf."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from langchain_core.embeddings import Embeddings

from videochat.errors import StoreError
from videochat.home import home
from videochat.memory.embeddings import Embedder, resolve_embedder
from videochat.memory.shelf import Hit, Shelf
from videochat.records import Caption, Kind, check_kind

_FORMAT = 1
_OPEN_SHELVES = 16  # each keeps about ten files and six threads of Chroma open


class CaptionStore:
    """Captions kept and found again.

    Args:
        path: directory of the store, made at the first caption; None for the user's own
            (`VIDEOCHAT_HOME`, else the system's data folder).
        embeddings: LangChain embeddings, the name or directory of a sentence-transformers model, `"builtin"`,
            or None for what the store remembers (a new one: sentence-transformers if its model can be had,
            else the built-in one).

    Raises:
        StoreError: not writable, made by another embedder, or by another version of the format.
        MissingPart: the embedder it was made with cannot be had.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, embeddings: Embeddings | str | None = None
    ) -> None:
        self.path = Path(path).expanduser() if path is not None else home() / "memory"
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()
        self._guard = threading.RLock()
        remembered = self._read_header()
        given = embeddings if embeddings is not None else os.environ.get("VIDEOCHAT_EMBEDDINGS")
        wanted = given if given is not None else remembered.get("given")
        if given is None and remembered and wanted is None:
            raise StoreError(
                f"The store {str(self.path)!r} was made with the embeddings {remembered['embedder']!r}; "
                "give the same ones, as CaptionStore(path, embeddings=...)."
            )
        self.embedder: Embedder = resolve_embedder(wanted, say=_warn)
        """What texts are compared by."""
        if remembered and remembered["embedder"] != self.embedder.name:
            raise StoreError(
                f"The store {str(self.path)!r} was made with the embeddings {remembered['embedder']!r}, not "
                f"{self.embedder.name!r}; vectors of two kinds cannot be compared. Give the same embeddings, or "
                "another directory."
            )
        self._given = wanted if isinstance(wanted, str) else None
        if self._given is None and not isinstance(wanted, Embeddings):
            self._given = self.embedder.name
        self._header_written = bool(remembered)

    def _read_header(self) -> dict[str, Any]:
        header = self.path / "store.json"
        try:
            if not self.path.exists():
                return {}
            if not self.path.is_dir():
                raise StoreError(f"{str(self.path)!r} is a file; a store needs a directory.")
            if not header.exists():
                return {}
            data: dict[str, Any] = json.loads(header.read_text())
        except (OSError, ValueError) as error:
            raise StoreError(f"The store {str(self.path)!r} cannot be read ({error}).") from error
        if data.get("format") != _FORMAT:
            raise StoreError(
                f"The store {str(self.path)!r} has format {data.get('format')!r}, this version reads {_FORMAT}. "
                "Use another directory."
            )
        return data

    def _write_header(self) -> None:
        header = {"format": _FORMAT, "embedder": self.embedder.name, "given": self._given}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fresh = self.path / f"store.json.{os.getpid()}"
            fresh.write_text(json.dumps(header, indent=2))
            fresh.replace(self.path / "store.json")
        except OSError as error:
            raise StoreError(
                f"The store {str(self.path)!r} cannot be written ({error.strerror or error}). Check the "
                "directory's permissions and free space, or give another."
            ) from error
        self._header_written = True

    def shelf(self, video_id: str) -> Shelf:
        """Return one video's captions, opened for writing; the least recently used are closed again.

        Raises:
            StoreInUse: another process has them open.
            StoreError: the directory cannot be written.
        """
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", video_id):
            raise StoreError(f"{video_id!r} is no video id; Video(path).id gives one.")
        with self._guard:
            if video_id in self._shelves:
                self._shelves.move_to_end(video_id)
                return self._shelves[video_id]
            if not self._header_written:
                self._write_header()
            shelf = Shelf(self.path / "videos" / video_id, video_id, self.embedder)
            self._shelves[video_id] = shelf
            while len(self._shelves) > _OPEN_SHELVES:
                self._shelves.popitem(last=False)[1].close()
            return shelf

    def add(self, captions: Iterable[Caption]) -> int:
        """Store captions of any videos; those already there are left as they are.

        Returns:
            How many were new.
        """
        by_video: dict[str, list[Caption]] = {}
        for caption in captions:
            by_video.setdefault(caption.video_id, []).append(caption)
        return sum(self.shelf(video_id).record(batch) for video_id, batch in by_video.items())

    def between(
        self,
        video_id: str,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        *,
        kinds: Iterable[str] | None = None,
    ) -> list[Caption]:
        """Return a video's captions that share a moment with the range, in temporal order.

        Raises:
            UnknownName: a kind that is none.
        """
        return self.shelf(video_id).between(start_seconds, end_seconds, _checked(kinds))

    def search(
        self,
        query: str,
        *,
        k: int = 8,
        video_ids: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
    ) -> list[Hit]:
        """Return the `k` best captions for a question, best first.

        Args:
            query: the question, or words of it.
            k: how many at most.
            video_ids: only of these videos; None for all.
            kinds: only of these kinds; None for all.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.

        Raises:
            UnknownName: a kind that is none.
        """
        wanted = _checked(kinds)
        hits: list[Hit] = []
        for video_id in self.video_ids() if video_ids is None else video_ids:
            hits += self.shelf(video_id).search(
                query, k=k, kinds=wanted, start_seconds=start_seconds, end_seconds=end_seconds
            )
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def video_ids(self) -> list[str]:
        """Return the ids of the videos that have captions."""
        folder = self.path / "videos"
        return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []

    def forget(self, video_id: str) -> None:
        """Remove all captions of a video for good."""
        with self._guard:
            shelf = self._shelves.pop(video_id, None) or Shelf(self.path / "videos" / video_id, video_id, self.embedder)
            shelf.close()
            shutil.rmtree(self.path / "videos" / video_id)

    def close(self) -> None:
        """Let go of all files; the store can be used again afterwards."""
        with self._guard:
            while self._shelves:
                self._shelves.popitem()[1].close()

    def __enter__(self) -> CaptionStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CaptionStore({str(self.path)!r}, embedder={self.embedder.name!r}, {len(self.video_ids())} videos)"


def _checked(kinds: Iterable[str] | None) -> list[Kind] | None:
    return None if kinds is None else [check_kind(kind) for kind in kinds]


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=4)
