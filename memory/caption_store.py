"""All captions of all videos, in one directory or on a Chroma server: the public face of the memory."""

from __future__ import annotations

import errno
import json
import math
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from videochat.errors import InvalidArgument, StoreError, UnknownName
from videochat.home import home
from videochat.intervals import check_interval
from videochat.memory.chroma import Chroma
from videochat.memory.embeddings import Embedder, resolve_embedder
from videochat.memory.journal import VIDEO_ID, Journal
from videochat.memory.library import Library
from videochat.memory.old_stores import bring_over
from videochat.memory.search_arguments import check_by, check_k, check_kinds, check_query
from videochat.memory.server_log import ServerLog
from videochat.memory.store_files import FORMAT, StoreHeader, file_error, lock_of, read_header, write_header
from videochat.memory.store_records import Hit
from videochat.memory.stored_video import StoredVideo
from videochat.memory.video_captions import VideoCaptions
from videochat.records import Caption
from videochat.renamed import attributes

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from langchain_chroma import Chroma as ChromaVectorStore

_OPEN_BYTES = 512 * 2**20
_NAMED = 20


@attributes(shelf="captions_of")
class CaptionStore:
    """Captions kept and found again; several processes may use one store at once.

    Args:
        path: directory of the store, made at the first caption; the address of a Chroma server
            (`http://host:port`) or a Chroma client, for teams; None for the user's own directory (`VIDEOCHAT_HOME`,
            else the system's data folder).
        embeddings: LangChain embeddings, the name or directory of a sentence-transformers model, `"builtin"`,
            or None for what the store remembers (a new one: sentence-transformers if its model can be had,
            else the built-in one).
        reranker: hub id or folder of a cross-encoder that orders the best of what was found anew; None for
            `VIDEOCHAT_RERANKER`, else no such step.

    Raises:
        InvalidArgument: `path` is none of these.
        StoreError: made by another embedder, of a newer version, or the server does not answer.
        MissingDependency: the embedder it was made with cannot be had.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | ClientAPI | None = None,
        *,
        embeddings: Embeddings | str | None = None,
        reranker: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path = home() / "memory"
        """Its directory; of no meaning where a server keeps the captions."""
        place: Path | str | ClientAPI | None = None
        if isinstance(path, str) and path.startswith(("http://", "https://")):
            place = path
        elif isinstance(path, str | os.PathLike):
            self.path = Path(path).expanduser()
        elif path is not None:
            if not hasattr(path, "get_or_create_collection"):
                raise InvalidArgument(f"A store needs a directory, an address or a Chroma client, got {path!r}.")
            place = path
        self.chroma = Chroma(self.path / "chroma" if place is None else place)
        """Where the captions are stored."""
        self.lock = lock_of(self.path) if place is None else None
        """What an operation on the directory holds; None where a server keeps the captions."""
        self._name = self.chroma.name if self.lock is None else str(self.path)
        self._pid = os.getpid()
        self._guard = threading.RLock()
        self._open_videos: OrderedDict[str, VideoCaptions] = OrderedDict()
        remembered = self._read_header()
        given = embeddings if embeddings is not None else os.environ.get("VIDEOCHAT_EMBEDDINGS")
        wanted = given if given is not None or remembered is None else remembered.given
        if wanted is None and remembered is not None:
            raise StoreError(
                f"The store {self._name!r} was made with the embeddings {remembered.embedder!r}; "
                "give the same ones, as CaptionStore(path, embeddings=...)."
            )
        self.embedder: Embedder = resolve_embedder(wanted, say=_warn, needed_by=f"The store {self._name!r}")
        """What texts are compared by."""
        if model := reranker or os.environ.get("VIDEOCHAT_RERANKER"):
            from videochat.cross_encoders import Reranker

            self.embedder = replace(self.embedder, rerank=Reranker(model))
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
        old = remembered is not None and not self._header_written
        if old:
            bring_over(self.path if self.lock else None, self.chroma, self.embedder.name, say=_warn)
            self._write_header()
        self._library = Library(
            self.path / "journal" if self.lock else None, self.chroma, self.embedder, self.captions_of, self.video_ids
        )
        if old:
            self.sync()

    def _read_header(self) -> StoreHeader | None:
        if self.lock is not None:
            return read_header(self.path)
        with self.chroma.session():
            there = {collection.name for collection in self.chroma.client.list_collections()}
            for name in sorted(there & {"watches", "state"}, reverse=True):  # `state` in the previous release
                found = self.chroma.call(name, "get", ids=["header"], include=["documents"])
                if found["ids"]:
                    return StoreHeader.parse(json.loads(found["documents"][0]), self._name)
        return None

    def _write_header(self) -> None:
        header = StoreHeader(FORMAT, self.embedder.name, self._given)
        if self.lock is not None:
            write_header(self.path, header)
        else:
            with self.chroma.session(write=True):
                self.chroma.put("watches", [("header", [1.0], json.dumps(header.as_dict()), {"event": "header"})])
        self._header_written = True

    def captions_of(self, video_id: str) -> VideoCaptions:
        """Return one video's captions; those least recently used are let go, by the memory they take.

        Raises:
            StoreError: it is no id, or the captions cannot be read.
        """
        if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id):
            raise StoreError(f"{video_id!r} is no video id; Video(path).id gives one.")
        self._check_there()
        if os.getpid() != self._pid:
            # Not under the guard, which a thread that was not forked along may hold.
            raise StoreError(
                f"The store {self._name!r} was opened by process {self._pid}, from which this one was forked; a "
                "store cannot be shared like that. Open one in each process, started by "
                "multiprocessing.get_context('spawn')."
            )
        with self._guard:
            stored = self._open_videos.get(video_id)
            if stored is not None:
                self._open_videos.move_to_end(video_id)
                return stored
            log = (
                ServerLog(self.chroma, video_id, self.embedder.name)
                if self.lock is None
                else Journal(self.path / "journal" / f"{video_id}.jsonl", video_id)
            )
            stored = VideoCaptions(log, video_id, self.embedder, self.chroma, self.lock, self._prepare)
            if log.damage:
                _warn(
                    f"{len(log.damage)} lines of {video_id} in the store {self._name!r} cannot be read and were left "
                    "out; `videochat memory verify` says which, `videochat memory rebuild` mends it."
                )
            self._open_videos[video_id] = stored
            taken = sum(one.bytes for one in self._open_videos.values())
            while len(self._open_videos) > 1 and taken > _OPEN_BYTES:
                let_go = self._open_videos.popitem(last=False)[1]
                taken -= let_go.bytes
                let_go.close()
            return stored

    def _check_there(self) -> None:
        if self.lock is not None and self._header_written and not self.path.is_dir():
            raise file_error(self.path, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)))

    def _prepare(self) -> None:
        """Make the directory, and write the header, before the first event."""
        if not self._header_written:
            self._write_header()

    def add(self, captions: Iterable[Caption]) -> int:
        """Store captions of any videos; those already there are left as they are.

        Returns:
            How many were new.

        Raises:
            StoreError: the directory cannot be written.
        """
        by_video: dict[str, list[Caption]] = {}
        for caption in captions:
            by_video.setdefault(caption.video_id, []).append(caption)
        added = 0
        for video_id, batch in by_video.items():
            stored = self.captions_of(video_id)
            added += stored.record(batch)
            stored.publish()
        return added

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
        """
        query = check_query(query)
        check_k(k)
        check_interval(start_seconds, end_seconds, open_end=True)
        wanted, by = check_kinds(kinds), check_by(by)
        self._check_there()
        some = None if video_ids is None else self._known(video_ids)
        filters = some, wanted, (start_seconds, end_seconds)
        search = self._library.search if some is None or len(some) > _NAMED else self._library.search_each
        hits = search(query, k, filters, by)
        # What a closer look has replaced is found beside it.
        closer = {hit.caption.video_id for hit in hits if "@" in hit.caption.source}
        shown = {id_ for video_id in closer for id_ in self.captions_of(video_id).state.shown()}
        return [hit for hit in hits if hit.caption.video_id not in closer or hit.caption.id in shown]

    def _known(self, video_ids: Iterable[str]) -> list[str]:
        given = [video_ids] if isinstance(video_ids, str) else list(dict.fromkeys(video_ids))
        for video_id in given:
            if not self.captions_of(video_id).known:
                raise StoreError(
                    f"The store {self._name!r} has no captions of the video {video_id!r}; it has "
                    f"{len(self.video_ids())} videos, `videochat memory list` names them."
                )
        return given

    def sync(self) -> None:
        """Write to Chroma what another process has left undone; `search` over several videos does it by itself."""
        self._library.sync()

    def video_ids(self) -> list[str]:
        """Return the ids of the videos that have captions."""
        if self.lock is None:
            return [video.id for video in self.videos()]
        return [name for name in self._journals() if VIDEO_ID.fullmatch(name)]

    def other_files(self) -> list[str]:
        """Return the names of files among the journals that are of no video, and are left alone."""
        return [] if self.lock is None else [name.strip() for name in self._journals() if not VIDEO_ID.fullmatch(name)]

    def _journals(self) -> list[str]:
        folder = self.path / "journal"
        try:
            files = sorted(folder.iterdir()) if folder.is_dir() else []
            # A folder, or a pipe that would be waited for, is of no video whatever it is called.
            names = [file.stem if file.suffix == ".jsonl" and file.is_file() else f"{file.name} " for file in files]
        except OSError as error:
            raise file_error(folder, error) from error
        return names

    def videos(self) -> list[StoredVideo]:
        """Return the videos that have captions, by name."""
        self._check_there()
        return self._library.videos()

    def find_video(self, name: str) -> StoredVideo:
        """Return the video of an id, of the beginning of one, or of a file name.

        Raises:
            UnknownName: there is none.
            InvalidArgument: there are several.
        """
        videos = self.videos()
        for fits in (
            [video for video in videos if name in (video.id, video.name, video.path, *video.places)],
            [video for video in videos if len(name) >= 4 and video.id.startswith(name)],
        ):
            if len(fits) == 1:
                return fits[0]
            if fits:
                ids = ", ".join(video.id for video in fits[:_NAMED])
                raise InvalidArgument(f"{name!r} is the name of {len(fits)} videos; give the id: {ids}.")
        raise UnknownName("video", name, [video.name for video in videos][:_NAMED])

    def forget(self, video_id: str) -> None:
        """Remove all captions of a video for good, also those of a video that is damaged.

        Raises:
            StoreError: they cannot be removed.
        """
        with self._guard:
            self._open_videos.pop(video_id, None)
            if self.lock is not None and not self.path.is_dir():
                return
            try:
                with self.chroma.session(write=True):
                    self.chroma.forget(video_id)
            except StoreError as error:
                if self.lock is None:
                    raise
                _warn(str(error))
            if self.lock is not None:
                file = self.path / "journal" / f"{video_id}.jsonl"
                try:
                    with self.lock.held():
                        file.unlink(missing_ok=True)
                except OSError as error:
                    raise file_error(file, error) from error

    def vectorstore(self) -> ChromaVectorStore:
        """Return the collection `captions` as a LangChain `VectorStore` (`langchain_chroma.Chroma`), for reading.

        Raises:
            StoreError: Chroma cannot be opened.
        """
        return self._library.vectorstore()

    def close(self) -> None:
        """Write what is not yet in Chroma, and let go of all files; the store can be used again afterwards.

        Raises:
            Exception: the embedder failed on captions that had no vector yet. They are kept, and everything is closed.
        """
        if os.getpid() != self._pid:
            return  # forked: its files are those of the other process
        with self._guard:
            failed: list[BaseException] = []
            while self._open_videos:
                try:
                    self._open_videos.popitem()[1].close()
                except Exception as error:
                    failed.append(error)
            self.chroma.close()
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
