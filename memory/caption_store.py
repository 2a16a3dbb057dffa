"""All captions of all videos in one directory, or on a Chroma server; each video on its own stored."""

from __future__ import annotations

import contextlib
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

from videochat.errors import InvalidArgument, StoreError, StoreInUse, UnknownName
from videochat.home import home
from videochat.memory.chroma_server import Server, ServerCaptions
from videochat.memory.embeddings import Embedder, resolve_embedder
from videochat.memory.library_index import BATCH, Library, StoredVideo
from videochat.memory.ranking import WAYS, fuse, ways
from videochat.memory.video_captions import Hit, VideoCaptions
from videochat.records import Caption, Kind, check_kind

FORMAT = 2
_OPEN_SHELVES = 16  # each keeps three files open
_OPEN_BYTES = 512 * 2**20  # of vectors in memory
_NAMED = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class CaptionStore:
    """Captions kept and found again.

    Args:
        path: directory of the store, made at the first caption; the address of a Chroma server
            (`http://host:port`) or a Chroma client, for teams and several writers; None for the user's own
            directory (`VIDEOCHAT_HOME`, else the system's data folder).
        embeddings: LangChain embeddings, the name or directory of a sentence-transformers model, `"builtin"`,
            or None for what the store remembers (a new one: sentence-transformers if its model can be had,
            else the built-in one).

    Raises:
        StoreError: not writable, made by another embedder, of a newer version, or the server does not answer.
        MissingDependency: the embedder it was made with cannot be had.
    """

    def __init__(self, path: Any = None, *, embeddings: Embeddings | str | None = None) -> None:
        self._server: Server | None = None
        if isinstance(path, str) and path.startswith(("http://", "https://")):
            self._server = Server(path)
        elif hasattr(path, "get_or_create_collection"):
            self._server = Server("the given client", path)
        self.path = Path(path).expanduser() if path is not None and self._server is None else home() / "memory"
        """Its directory; of no meaning where a server keeps the captions."""
        self._name = self._server.url if self._server else str(self.path)
        self._open_videos: OrderedDict[str, VideoCaptions] = OrderedDict()
        self._guard = threading.RLock()
        remembered = self._read_header()
        given = embeddings if embeddings is not None else os.environ.get("VIDEOCHAT_EMBEDDINGS")
        wanted = given if given is not None else remembered.get("given")
        if given is None and remembered and wanted is None:
            raise StoreError(
                f"The store {self._name!r} was made with the embeddings {remembered['embedder']!r}; "
                "give the same ones, as CaptionStore(path, embeddings=...)."
            )
        self.embedder: Embedder = resolve_embedder(wanted, say=_warn)
        """What texts are compared by."""
        if remembered and remembered["embedder"] != self.embedder.name:
            raise StoreError(
                f"The store {self._name!r} was made with the embeddings {remembered['embedder']!r}, not "
                f"{self.embedder.name!r}; vectors of two kinds cannot be compared. Give the same embeddings, or "
                "another directory, or make the vectors anew with `videochat memory rebuild --embeddings`."
            )
        self._given = wanted if isinstance(wanted, str) else None
        if self._given is None and not isinstance(wanted, Embeddings):
            self._given = self.embedder.name
        self._header_written = bool(remembered) and remembered["format"] == FORMAT
        self._library = Library(self.path, self.embedder)

    def _read_header(self) -> dict[str, Any]:
        header = self.path / "store.json"
        try:
            if self._server:
                data: dict[str, Any] = self._server.header()
                if not data:
                    return {}
            elif not self.path.exists():
                return {}
            elif not self.path.is_dir():
                raise StoreError(f"{str(self.path)!r} is a file; a store needs a directory.")
            elif not header.exists():
                return {}
            else:
                data = json.loads(header.read_text())
            version, known = data["format"], data["embedder"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"The store {self._name!r} cannot be read ({error}). If its store.json is damaged, remove that file: "
                "the captions are not in it."
            ) from error
        if not (isinstance(version, int) and 1 <= version <= FORMAT and isinstance(known, str)):
            raise StoreError(
                f"The store {self._name!r} has format {version!r}, this version reads 1 to {FORMAT}. "
                "Update videochat, or use another directory."
            )
        return data

    def _write_header(self) -> None:
        header = {"format": FORMAT, "embedder": self.embedder.name, "given": self._given}
        if self._server:
            self._server.write_header(header)
        else:
            write_header(self.path, header)
        self._header_written = True

    def captions_of(self, video_id: str) -> VideoCaptions:
        """Return one video's captions, opened for writing; the least recently used are closed again.

        Raises:
            StoreInUse: another process has them open.
            StoreError: the directory cannot be written.
        """
        if not _ID.fullmatch(video_id):
            raise StoreError(f"{video_id!r} is no video id; Video(path).id gives one.")
        with self._guard:
            if self._server and video_id in self._open_videos and self._server.is_behind(video_id):
                # Others have written since; sending what is here first loses nothing.
                self._open_videos.pop(video_id).close()
            return self._open(video_id)

    def _open(self, video_id: str) -> VideoCaptions:
        with self._guard:
            stored = self._open_videos.get(video_id)
            if stored is not None:
                self._open_videos.move_to_end(video_id)
                return stored
            if not self._header_written:
                self._write_header()
            if self._server:
                stored = ServerCaptions(self._server, video_id, self.embedder)
            else:
                stored = VideoCaptions(
                    self._folder / video_id, video_id, self.embedder, lambda: self._library.mark(video_id)
                )
            self._open_videos[video_id] = stored
            while len(self._open_videos) > 1 and (
                len(self._open_videos) > _OPEN_SHELVES or sum(s.bytes for s in self._open_videos.values()) > _OPEN_BYTES
            ):
                self._open_videos.popitem(last=False)[1].close()
            return stored

    @property
    def _folder(self) -> Path:
        return self.path / "videos"

    def add(self, captions: Iterable[Caption]) -> int:
        """Store captions of any videos; those already there are left as they are.

        Returns:
            How many were new.
        """
        by_video: dict[str, list[Caption]] = {}
        for caption in captions:
            by_video.setdefault(caption.video_id, []).append(caption)
        if not by_video:
            return 0
        for video_id in by_video:
            if video_id not in self._open_videos:
                self.captions_of(video_id)
        return sum(self._open(video_id).record(batch) for video_id, batch in by_video.items())

    def between(
        self,
        video_id: str,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        *,
        kinds: Iterable[str] | None = None,
    ) -> list[Caption]:
        """Return a video's captions that share a moment with the range, in temporal order.

        Args:
            video_id: the video.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
            kinds: only of these kinds; None for all but summaries.

        Raises:
            UnknownName: a kind that is none.
            InvalidArgument: a range that is none.
        """
        wanted = _checked(kinds)
        check_range(start_seconds, end_seconds)
        return self.captions_of(video_id).between(start_seconds, end_seconds, wanted)

    def search(
        self,
        query: str,
        *,
        k: int = 8,
        video_ids: Iterable[str] | None = None,
        kinds: Iterable[str] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        by: str = "hybrid",
    ) -> list[Hit]:
        """Return the `k` best captions for a question, best first.

        Args:
            query: the question, or words of it.
            k: how many at most.
            video_ids: only of these videos; None for all.
            kinds: only of these kinds; None for all but summaries.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
            by: `"lexical"` (BM25), `"dense"` (vectors), or `"hybrid"`: both, fused.

        Raises:
            InvalidArgument: an empty query, `k` below 1, or a range that is none.
            UnknownName: a kind, or a way to search, that is none.
            StoreError: there is no such video.
            StoreInUse: several videos are asked for, and another process owns the library.
        """
        query = check_query(query)
        if k < 1:
            raise InvalidArgument(f"A search needs k of at least 1, got {k!r}.")
        check_range(start_seconds, end_seconds)
        wanted = _checked(kinds)
        if by not in WAYS:
            raise UnknownName("way to search", by, WAYS)
        filters: dict[str, Any] = {
            "kinds": wanted,
            "start_seconds": start_seconds,
            "end_seconds": end_seconds,
            "by": by,
        }
        some = None if video_ids is None else self._known(video_ids)
        if some is not None and len(some) <= _OPEN_SHELVES:
            if len(some) == 1:
                return self.captions_of(some[0]).search(query, k=k, **filters)
            return self._search_open_videos(query, k, some, wanted, start_seconds, end_seconds, by)
        if self._server:
            self.sync()
            return self._server.search(query, self.embedder, k=k, video_ids=some, **filters)
        if not self.path.is_dir():
            return []
        self._library.take()
        self.sync()
        return self._library.search(query, k=k, video_ids=some, **filters)

    def _search_open_videos(
        self, query: str, k: int, video_ids: list[str], kinds: list[Kind] | None, start: float, end: float, by: str
    ) -> list[Hit]:
        """Search a few videos exactly, without the library."""
        vector = self.embedder.query(query)
        near: dict[tuple[str, int], float] = {}
        words: dict[tuple[str, int], float] = {}
        for video_id in video_ids:
            stored = self.captions_of(video_id)
            near |= {(video_id, n): s for n, s in stored.nearest(vector, 4 * k, kinds, start, end).items()}
            words |= {(video_id, n): s for n, s in stored.by_words(query, 4 * k, kinds, start, end).items()}
        ordered = [sorted(found, key=lambda key: -found[key])[: 4 * k] for found in (words, near)]
        scores = fuse(*ways(by, *ordered))
        best = dict(list(scores.items())[:k])
        found: dict[tuple[str, int], Caption] = {}
        for video_id in video_ids:
            numbers = [number for owner, number in best if owner == video_id]
            found |= {(video_id, n): caption for n, caption in self.captions_of(video_id).numbered(numbers).items()}
        return [Hit(found[key], score, near.get(key, 0.0)) for key, score in best.items()]

    def _known(self, video_ids: Iterable[str]) -> list[str]:
        given = [video_ids] if isinstance(video_ids, str) else list(dict.fromkeys(video_ids))
        for video_id in given:
            # Open, or a directory: looking through a list of a thousand takes longer than the search.
            if video_id not in self._open_videos and not self._has(video_id):
                raise StoreError(
                    f"The store {self._name!r} has no captions of the video {video_id!r}; it has "
                    f"{len(self.video_ids())} videos, `videochat memory list` names them."
                )
        return given

    def _has(self, video_id: str) -> bool:
        if self._server:
            return self._server.count(video_id) > 0
        return bool(_ID.fullmatch(video_id)) and (self._folder / video_id).is_dir()

    def sync(self) -> None:
        """Bring the library up to date with the videos that changed; `search` over several does it by itself.

        Raises:
            StoreInUse: another process owns the library.
        """
        with self._guard:
            if self._server:
                for stored in self._open_videos.values():
                    stored.index()
                return
            if not self.path.is_dir():
                return
            outdated, gone = self._library.outdated(self.video_ids())
            if outdated or gone:
                self._library.take()
                # Taking it may have emptied it.
                outdated, gone = self._library.outdated(self.video_ids())
            for video_id in gone:
                self._library.drop(video_id)
            for video_id in outdated:
                # A video that another process is watching is read when that one is done.
                try:
                    self._publish(video_id, self.captions_of(video_id))
                except StoreInUse:
                    continue

    def _publish(self, video_id: str, stored: VideoCaptions) -> None:
        while True:
            seen = self._library.seen(video_id)
            changes = stored.changes(seen, BATCH)
            facts = stored.facts()
            self._library.put(
                StoredVideo(
                    video_id,
                    str(facts.get("name") or video_id),
                    facts.get("path"),
                    facts.get("duration_seconds"),
                    len(stored.stamps()),
                ),
                changes,
            )
            if stored.changes_taken(changes.upto, lambda: self._library.unmark(video_id)):
                return

    def video_ids(self) -> list[str]:
        """Return the ids of the videos that have captions."""
        if self._server:
            return [video.id for video in self.videos()]
        return sorted(p.name for p in self._folder.iterdir() if p.is_dir()) if self._folder.is_dir() else []

    def videos(self) -> list[StoredVideo]:
        """Return the videos that have captions, by name.

        Raises:
            StoreInUse: another process owns the library, and something changed since it was last read.
        """
        self.sync()
        if self._server:
            return self._server.videos()
        return self._library.videos() if self.path.is_dir() else []

    def library_count(self, video_id: str) -> int:
        """Return how many captions of a video, summaries too, a search over the library can find."""
        return self._server.count(video_id) if self._server else self._library.count(video_id)

    def clear_library(self) -> None:
        """Throw the index over all videos away; the next search over them makes it anew.

        Raises:
            StoreInUse: another process owns it.
        """
        if self._server is None and self.path.is_dir():
            self._library.clear()

    def find_video(self, name: str) -> StoredVideo:
        """Return the video of an id, of the beginning of one, or of a file name.

        Raises:
            UnknownName: there is none.
            InvalidArgument: there are several.
        """
        videos = self.videos()
        for fits in (
            [video for video in videos if name in (video.id, video.name, video.path)],
            [video for video in videos if len(name) >= 4 and video.id.startswith(name)],
        ):
            if len(fits) == 1:
                return fits[0]
            if fits:
                ids = ", ".join(video.id for video in fits[:_NAMED])
                raise InvalidArgument(f"{name!r} is the name of {len(fits)} videos; give the id: {ids}.")
        raise UnknownName("video", name, [video.name for video in videos][:_NAMED])

    def forget(self, video_id: str) -> None:
        """Remove all captions of a video for good.

        Raises:
            StoreInUse: another process is using it.
        """
        with self._guard:
            if self._server:
                self._open_videos.pop(video_id, None)
                self._server.forget(video_id)
                return
            if not self._has(video_id):
                return
            self.captions_of(video_id)
            self._open_videos.pop(video_id).close(index=False)
            # First out of sight, so that half a removal is none.
            gone = self.path / f"forgotten-{video_id}"
            (self._folder / video_id).rename(gone)
            shutil.rmtree(gone)
            self._library.mark(video_id)

    def vectorstore(self) -> Any:
        """Return the captions of all videos as a LangChain `VectorStore` (`langchain_chroma.Chroma`), for reading.

        Raises:
            StoreInUse: another process owns the library.
            StoreError: the captions are on a server; `Chroma(client=..., collection_name="captions")` opens them.
        """
        if self._server:
            raise StoreError('Open the server\'s own collection: Chroma(client=..., collection_name="captions").')
        self._library.take()
        self.sync()
        return self._library.vectorstore()

    def close(self) -> None:
        """Let go of all files; the store can be used again afterwards."""
        with self._guard:
            try:
                # Where another process owns the library the changes stay marked, and that one reads them.
                if self._server is None:
                    changed = [(video_id, stored) for video_id, stored in self._open_videos.items() if stored.changed]
                    with contextlib.suppress(StoreInUse):
                        for video_id, stored in changed:
                            self._publish(video_id, stored)
            finally:
                self._library.close()
                failed: list[BaseException] = []
                while self._open_videos:
                    try:
                        self._open_videos.popitem()[1].close()
                    except Exception as error:
                        failed.append(error)
            if failed:
                raise failed[0]

    def __enter__(self) -> CaptionStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CaptionStore({self._name!r}, embedder={self.embedder.name!r}, {len(self.video_ids())} videos)"


def write_header(path: Path, header: dict[str, Any]) -> None:
    """Write what a store remembers of itself, whole or not at all.

    Raises:
        StoreError: the directory cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        fresh = path / f"store.json.{os.getpid()}"
        fresh.write_text(json.dumps(header, indent=2))
        fresh.replace(path / "store.json")
    except OSError as error:
        raise StoreError(
            f"The store {str(path)!r} cannot be written ({error.strerror or error}). Check the "
            "directory's permissions and free space, or give another."
        ) from error


def check_query(query: str) -> str:
    """Return a query as text that any index can take.

    Raises:
        InvalidArgument: it is empty.
    """
    query = query.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    if not query.strip():
        raise InvalidArgument("The query is empty; give the words to look for.")
    return query


def check_range(start_seconds: float, end_seconds: float) -> None:
    """Hold a range of time to `0 <= start < end`.

    Raises:
        InvalidArgument: it is none.
    """
    if not (0 <= start_seconds < end_seconds):
        raise InvalidArgument(
            f"A range needs 0 <= start_seconds < end_seconds, got {start_seconds:g} to {end_seconds:g} seconds."
        )


def _checked(kinds: Iterable[str] | None) -> list[Kind] | None:
    if isinstance(kinds, str):
        kinds = [kinds]
    return None if kinds is None else [check_kind(kind) for kind in kinds]


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=4)
