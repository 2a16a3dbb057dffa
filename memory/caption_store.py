"""All captions of all videos, in one directory or on a Chroma server: the public face of the memory."""

from __future__ import annotations

import contextlib
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
from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from videochat.errors import InvalidArgument, StoreError, StoreInUse, UnknownName
from videochat.home import home
from videochat.intervals import check_interval
from videochat.memory.chroma_collections import BATCH
from videochat.memory.chroma_server import ChromaServer, ServerCaptions
from videochat.memory.embeddings import Embedder, resolve_embedder
from videochat.memory.library_index import LibraryIndex
from videochat.memory.multi_video_search import search_videos
from videochat.memory.search_arguments import check_by, check_k, check_kinds, check_query
from videochat.memory.store_metadata import FORMAT, StoreHeader, read_header, write_header
from videochat.memory.store_records import Hit, StoredVideo
from videochat.memory.video_captions import VideoCaptions
from videochat.records import Caption
from videochat.renamed import attributes

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from langchain_chroma import Chroma

_OPEN_VIDEOS = 16  # each keeps three files open
_OPEN_BYTES = 512 * 2**20  # of vectors in memory
_NAMED = 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


@attributes(shelf="captions_of")
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
        InvalidArgument: `path` is none of these.
        StoreError: not writable, made by another embedder, of a newer version, or the server does not answer.
        MissingDependency: the embedder it was made with cannot be had.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | ClientAPI | None = None,
        *,
        embeddings: Embeddings | str | None = None,
    ) -> None:
        self._server: ChromaServer | None = None
        self.path = home() / "memory"
        """Its directory; of no meaning where a server keeps the captions."""
        if isinstance(path, str) and path.startswith(("http://", "https://")):
            self._server = ChromaServer(path)
        elif isinstance(path, str | os.PathLike):
            self.path = Path(path).expanduser()
        elif path is not None:
            if not hasattr(path, "get_or_create_collection"):
                raise InvalidArgument(f"A store needs a directory, an address or a Chroma client, got {path!r}.")
            self._server = ChromaServer("the given client", path)
        self._name = self._server.url if self._server else str(self.path)
        self._open_videos: OrderedDict[str, VideoCaptions] = OrderedDict()
        self._guard = threading.RLock()
        remembered = self._server.header() if self._server else read_header(self.path)
        given = embeddings if embeddings is not None else os.environ.get("VIDEOCHAT_EMBEDDINGS")
        wanted = given if given is not None or remembered is None else remembered.given
        if wanted is None and remembered is not None:
            raise StoreError(
                f"The store {self._name!r} was made with the embeddings {remembered.embedder!r}; "
                "give the same ones, as CaptionStore(path, embeddings=...)."
            )
        self.embedder: Embedder = resolve_embedder(wanted, say=_warn, needed_by=f"The store {self._name!r}")
        """What texts are compared by."""
        if remembered is not None and remembered.embedder != self.embedder.name:
            raise StoreError(
                f"The store {self._name!r} was made with the embeddings {remembered.embedder!r}, not "
                f"{self.embedder.name!r}; vectors of two kinds cannot be compared. Give the same embeddings, or "
                "another directory, or make the vectors anew with `videochat memory rebuild --embeddings`."
            )
        self._given = wanted if isinstance(wanted, str) else None
        if self._given is None and not isinstance(wanted, Embeddings):
            self._given = self.embedder.name
        self._header_written = remembered is not None and remembered.format == FORMAT
        self._library = LibraryIndex(self.path, self.embedder)

    def _write_header(self) -> None:
        header = StoreHeader(FORMAT, self.embedder.name, self._given)
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
                len(self._open_videos) > _OPEN_VIDEOS or sum(s.bytes for s in self._open_videos.values()) > _OPEN_BYTES
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
        wanted = check_kinds(kinds)
        check_interval(start_seconds, end_seconds, open_end=True)
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
        check_k(k)
        check_interval(start_seconds, end_seconds, open_end=True)
        wanted = check_kinds(kinds)
        by = check_by(by)
        filters: dict[str, Any] = {
            "kinds": wanted,
            "start_seconds": start_seconds,
            "end_seconds": end_seconds,
            "by": by,
        }
        some = None if video_ids is None else self._known(video_ids)
        if some is not None and len(some) <= _OPEN_VIDEOS:
            if len(some) == 1:
                return self.captions_of(some[0]).search(query, k=k, **filters)
            return search_videos(self.captions_of, some, query, self.embedder, k=k, **filters)
        if self._server:
            self.sync()
            return self._server.search(query, self.embedder, k=k, video_ids=some, **filters)
        if not self.path.is_dir():
            return []
        self._library.acquire()
        self.sync()
        return self._library.search(query, k=k, video_ids=some, **filters)

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
                self._library.acquire()
                # That may have emptied it.
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
                    len(stored.intervals()),
                ),
                changes,
            )
            if stored.changes_taken(changes.upto, lambda: self._library.unmark(video_id)):
                return

    def video_ids(self) -> list[str]:
        """Return the ids of the videos that have captions."""
        if self._server:
            return [video.id for video in self.videos()]
        return [name for name in self._folders() if _ID.fullmatch(name)]

    def other_folders(self) -> list[str]:
        """Return the names of folders among those of the videos that are no ids, and are left alone."""
        return [] if self._server else [name for name in self._folders() if not _ID.fullmatch(name)]

    def _folders(self) -> list[str]:
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

    def vectorstore(self) -> Chroma:
        """Return the captions of all videos as a LangChain `VectorStore` (`langchain_chroma.Chroma`), for reading.

        Raises:
            StoreInUse: another process owns the library.
            StoreError: the captions are on a server; `Chroma(client=..., collection_name="captions")` opens them.
        """
        if self._server:
            raise StoreError('Open the server\'s own collection: Chroma(client=..., collection_name="captions").')
        self._library.acquire()
        self.sync()
        return self._library.vectorstore()

    def close(self) -> None:
        """Let go of all files; the store can be used again afterwards.

        Raises:
            Exception: the embedder failed on captions that had no vector yet. They are kept, and everything is closed.
        """
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


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=4)
