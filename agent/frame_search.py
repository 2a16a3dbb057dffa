"""Finding moments by what they look like: vectors of pictures, kept beside the captions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.errors import InvalidArgument
from videochat.frames import Sampling
from videochat.intervals import clock, merge_intervals
from videochat.media import Video
from videochat.memory.video_captions import VideoCaptions
from videochat.tools.base import MIN_CHANGE

if TYPE_CHECKING:
    from videochat.agent.video_set import VideoSet
    from videochat.agent.watch import Progress
    from videochat.tools.frame_embeddings import FrameEmbedder, FrameVector

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


class Frames:
    """The pictures of video_set as vectors.

    Args:
        video_set: the videos and their memory.
        embedder: makes vectors of pictures and texts.
    """

    def __init__(self, video_set: VideoSet, embedder: FrameEmbedder) -> None:
        self.video_set, self.embedder = video_set, embedder

    def find(
        self,
        what: str | None,
        image: str | os.PathLike[str] | np.ndarray | None,
        k: int,
        start_seconds: float,
        end_seconds: float | None,
        progress: Progress | None,
    ) -> list[FoundFrame]:
        """Return the nearest moments; see `VideoAgent.find_frames`."""
        if (what is None) == (image is None) or (what is not None and not what.strip()):
            raise InvalidArgument('Say what to find, either in words ("a red car") or as a picture (image=).')
        if k < 1:
            raise InvalidArgument(f"k must be at least 1, got {k!r}.")
        spans = {video.id: video.span(start_seconds, end_seconds) for video in self.video_set.videos}
        wanted = self.embedder.embed_text(what) if what is not None else self.embedder.embed_image(_pixels(image))
        found: list[FoundFrame] = []
        for video in self.video_set.videos:
            start, end = spans[video.id]
            with self.video_set.lock("frames", video):
                self._look_through(video, start, end, progress)
                starts, ends, matrix = self.video_set.captions_of(video).frame_vectors(self._source)
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
        return FoundFrame(video, start, end, similarity, lambda: self.video_set.picture(video, start))

    def _look_through(self, video: Video, start: float, end: float, progress: Progress | None) -> None:
        """Make the vectors that are missing; what was made is kept if it is interrupted."""
        if not video.has_video:
            return
        stored = self.video_set.captions_of(video)
        starts, ends, _ = stored.frame_vectors(self._source)
        position = start
        missing = []
        for first, last in [*merge_intervals(zip(starts.tolist(), ends.tolist(), strict=True)), (end, end)]:
            if first > position + 1e-6 and position < end:
                missing.append((position, min(first, end)))
            position = max(position, last)
        sampling = Sampling(_EVERY_SECONDS, _MAX_SIDE, MIN_CHANGE)
        for first, last in missing:
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


def _pixels(image: Any) -> np.ndarray:
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
