"""FrameSearch: find moments by what they look like, with vectors of pictures that are kept beside the captions."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from videochat.agent.pipeline import Progress
from videochat.errors import InvalidArgument
from videochat.frames import Sampling
from videochat.intervals import clock, missing_intervals
from videochat.media import Video
from videochat.memory import VideoCaptions
from videochat.tools.base import MIN_CHANGE

if TYPE_CHECKING:
    from videochat.tools.frame_embeddings import FrameEmbedder, FrameVector

PictureLike = str | os.PathLike[str] | np.ndarray
"""A path, or a uint8 RGB array of shape (height, width, 3)."""

_EVERY_SECONDS = 2.0
# The models see 224 to 384 pixels.
_MAX_SIDE = 448
_KEPT_AT_ONCE = 32


@dataclass(frozen=True)
class FoundFrame:
    """A moment that looks like what was searched for."""

    video: Video
    start_seconds: float
    """When its picture is shown."""
    end_seconds: float
    """First moment that the picture no longer stands for."""
    similarity: float
    """Cosine, -1 to 1; only its order means something."""
    picture: Callable[[], bytes | None] = field(repr=False, compare=False)
    """Makes a JPEG of it when called."""

    def __str__(self) -> str:
        return f"{self.video.name} {clock(self.start_seconds)} ({self.similarity:.2f})"

    def _repr_jpeg_(self) -> bytes | None:
        return self.picture()


class PicturedVideos(Protocol):
    """What a search needs of a `VideoSet`."""

    videos: list[Video]

    def captions_of(self, video: Video) -> VideoCaptions:
        """Return the captions of a video, beside which the vectors are kept."""

    def lock(self, what: str, video: Video) -> AbstractContextManager[object]:
        """Return what to hold while doing something to a video that two must not do at once."""

    def picture(self, video: Video, seconds: float) -> bytes | None:
        """Return the picture at a second as JPEG."""


class FrameSearch:
    """Pictures of videos as vectors of one model, found by a text or a picture.

    Args:
        videos: the videos and their captions.
        embedder: makes vectors of pictures and texts.
    """

    def __init__(self, videos: PicturedVideos, embedder: FrameEmbedder) -> None:
        self.videos, self.embedder = videos, embedder

    def find(
        self,
        what: str | None = None,
        image: PictureLike | None = None,
        *,
        k: int = 5,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        progress: Progress | None = None,
    ) -> list[FoundFrame]:
        """Return the nearest moments, best first; pictures that have no vector yet get one.

        Args:
            what: in words.
            image: instead of words.
            k: how many at most; moments next to a better one are left out.
            start_seconds: first moment of each video.
            end_seconds: first moment no longer; None for the end.
            progress: told how far a video has been read.

        Raises:
            InvalidArgument: neither or both of `what` and `image`, the picture cannot be read, `k` is below 1, or
                the range holds nothing.
        """
        if (what is None) == (image is None) or (what is not None and not what.strip()):
            raise InvalidArgument('Say what to find, either in words ("a red car") or as a picture (image=).')
        if k < 1:
            raise InvalidArgument(f"k must be at least 1, got {k!r}.")
        spans = {video.id: video.span(start_seconds, end_seconds) for video in self.videos.videos}
        if image is not None:
            wanted = self.embedder.embed_image(_pixels(image))
        else:
            wanted = self.embedder.embed_text(what or "")
        found: list[FoundFrame] = []
        for video in self.videos.videos:
            start, end = spans[video.id]
            with self.videos.lock("frames", video):
                self._look_through(video, start, end, progress)
                starts, ends, matrix = self.videos.captions_of(video).frame_vectors(self._source)
            fits = np.flatnonzero((ends > start) & (starts < end))
            scores = matrix[fits] @ wanted if len(fits) else np.zeros(0)
            taken: list[float] = []
            for place in np.argsort(-scores, kind="stable"):
                seconds = float(starts[fits[place]])
                if len(taken) == k:
                    break
                if all(abs(seconds - other) > _EVERY_SECONDS + 1e-6 for other in taken):
                    taken.append(seconds)
                    found.append(self._found(video, seconds, float(ends[fits[place]]), float(scores[place])))
        return sorted(found, key=lambda frame: -frame.similarity)[:k]

    @property
    def _source(self) -> str:
        return f"{self.embedder.source} every {_EVERY_SECONDS:g} s"

    def _found(self, video: Video, start: float, end: float, similarity: float) -> FoundFrame:
        return FoundFrame(video, start, end, similarity, lambda: self.videos.picture(video, start))

    def _look_through(self, video: Video, start: float, end: float, progress: Progress | None) -> None:
        """Make the vectors that are missing; what was made is kept if it is interrupted."""
        if not video.has_video:
            return
        stored = self.videos.captions_of(video)
        starts, ends, _ = stored.frame_vectors(self._source)
        sampling = Sampling(_EVERY_SECONDS, _MAX_SIDE, MIN_CHANGE)
        for first, last in missing_intervals(zip(starts.tolist(), ends.tolist(), strict=True), start, end):
            if last - first < 0.5:
                continue  # a file may end a little after its last picture
            held: list[FrameVector] = []
            for vector in self.embedder.embed_frames(frame for _, frame in video.sample([sampling], first, last)):
                held.append(vector)
                if len(held) == _KEPT_AT_ONCE:
                    _keep(stored, self._source, held)
                if progress is not None:
                    progress(vector.end_seconds)
            _keep(stored, self._source, held)


def _keep(stored: VideoCaptions, source: str, held: list[FrameVector]) -> None:
    stored.record_frame_vectors(source, [(one.start_seconds, one.end_seconds, one.vector) for one in held])
    held.clear()


def _pixels(image: PictureLike) -> np.ndarray:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InvalidArgument(
                f"A picture to find must be a uint8 RGB array of shape (height, width, 3), got {image.dtype} of shape "
                f"{image.shape}."
            )
        return image
    from PIL import Image

    try:
        with Image.open(Path(image)) as opened:
            return np.array(opened.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidArgument(f"The picture {str(image)!r} cannot be read ({type(error).__name__}).") from error
