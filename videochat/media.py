"""Video in; frames and sound out, each with the second at which a player shows or plays it.

One time base: seconds since the first picture (or, without pictures, the first sound), from the file's
presentation timestamps. Streams come from one ffmpeg process and are read as they are made, so memory does not grow
with the length (`frames`, `audio`). Probing and single pictures use PyAV, which seeks exactly.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import ffmpeg
import numpy as np
from av.error import FFmpegError

from videochat.audio import AudioBlock, decode_audio
from videochat.download import download
from videochat.errors import MediaError
from videochat.ffmpeg import reason, running, seek_options
from videochat.frames import Frame, PictureStream, Sampling
from videochat.intervals import fit_interval
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

# Below this a file is hashed whole; above, its size and blocks spread over it, so that opening stays quick.
_WHOLE_HASH_BYTES = 256 * 2**20

_PICTURE_SUBTITLES = frozenset({"dvdsub", "dvd_subtitle", "pgssub", "hdmv_pgs_subtitle", "dvbsub", "xsub"})


@dataclass(frozen=True)
class SubtitleTrack:
    """A text subtitle stream inside the file."""

    index: int
    """Stream index in the file."""
    language: str | None
    """ISO 639 code, where the file says it."""
    default: bool
    """Whether players show it without being asked."""


class Video:
    """A video file (or a sound file) that can be read more than once.

    Args:
        source: path of a file, or an http(s) address, which is fetched into the data folder first.

    Raises:
        MediaError: no such file, a directory, empty, a still image, not a video, broken, unreachable.
    """

    def __init__(self, source: str | os.PathLike[str]) -> None:
        if not isinstance(source, str | os.PathLike) or not os.fspath(source):
            raise MediaError(f"A video needs a path or an http(s) address, got {source!r}.")
        text = os.fspath(source)
        self.path: Path = download(text, Video) if re.match(r"(?i)https?://", text) else Path(text).expanduser()
        """The file that is read."""
        self.name: str = self.path.name
        """What people call it."""
        self._check_file()
        self._probe()

    def _check_file(self) -> None:
        if not self.path.exists():
            raise MediaError(f"There is no file {str(self.path)!r}. Check the path; it was looked for as given.")
        if self.path.is_dir():
            raise MediaError(f"{str(self.path)!r} is a directory; give the path of one video file in it.")
        if not os.access(self.path, os.R_OK):
            raise MediaError(f"{str(self.path)!r} cannot be read; allow reading it (its permissions forbid it).")
        if self.path.stat().st_size == 0:
            raise MediaError(f"{str(self.path)!r} is empty (0 bytes). Copy or download it again.")

    def _probe(self) -> None:
        try:
            container = av.open(str(self.path), metadata_errors="ignore")
        except (FFmpegError, ValueError) as error:
            raise MediaError(
                f"{str(self.path)!r} is not a video that can be opened ({reason(error)}). "
                "If it should be one, it may be cut short or still being written; get it again."
            ) from error
        with container:
            format_name = container.format.name
            pictures = container.streams.best("video")
            if pictures is not None and pictures.disposition & av.stream.Disposition.attached_pic:
                pictures = None  # cover art of a sound file
            sound = container.streams.best("audio", related=pictures)
            if format_name.endswith("_pipe") or format_name == "image2":
                raise MediaError(
                    f"{str(self.path)!r} is a still image ({format_name.removesuffix('_pipe')}), not a video. "
                    "Give a video file."
                )
            if format_name == "tty" or (pictures is None and sound is None):
                raise MediaError(
                    f"{str(self.path)!r} holds neither pictures nor sound (found: {format_name}). Give a video."
                )
            self._video_index: int | None = None if pictures is None else pictures.index
            self._audio_index: int | None = None if sound is None else sound.index
            self._container_start = (container.start_time or 0) / av.time_base
            self._pictures: PictureStream | None = None
            self.size: tuple[int, int] | None = None
            """(width, height) of the upright picture in pixels; None without pictures."""
            self.frame_rate: float | None = None
            """Average pictures per second; None without pictures. Never used to compute times."""
            if pictures is not None:
                first = self._first_frame(container, pictures)
                self._zero_seconds = float(first.pts * first.time_base)
                rotation = round(first.rotation / 90) * 90 % 360
                width, height = first.width, first.height
                self.size = (height, width) if rotation in (90, 270) else (width, height)
                rate = pictures.average_rate or pictures.guessed_rate
                self.frame_rate = float(rate) if rate else None
                self._pictures = PictureStream(
                    self.path,
                    self.name,
                    pictures.index,
                    self._zero_seconds,
                    self._container_start,
                    self.size,
                    rotation,
                    self.frame_rate,
                )
            else:
                self._zero_seconds = self._first_sound(container)
            self.subtitle_tracks: list[SubtitleTrack] = [
                SubtitleTrack(
                    stream.index,
                    stream.language if stream.language != "und" else None,
                    bool(stream.disposition & av.stream.Disposition.default),
                )
                for stream in container.streams.subtitles
                if stream.codec_context is None or stream.codec_context.name not in _PICTURE_SUBTITLES
            ]
            """Embedded subtitles that are text."""
            self._header_duration = self._duration_from_header(container)

    def _first_frame(self, container: Any, stream: Any) -> Any:
        try:
            for frame in container.decode(stream):
                if frame.pts is not None:
                    return frame
        except FFmpegError as error:
            raise MediaError(
                f"{self.name!r} has a video stream ({stream.codec_context.name}), but not one picture can be decoded "
                f"({reason(error)}). Play it elsewhere to check it, or re-encode it to H.264."
            ) from error
        raise MediaError(
            f"{self.name!r} has a video stream, but no picture in it. It is cut short or damaged; get it again."
        )

    def _first_sound(self, container: Any) -> float:
        try:
            # The first packet may be priming that no player lets you hear; the decoder leaves it out.
            for frame in container.decode(container.streams[self._audio_index]):
                if frame.pts is not None:
                    return float(frame.pts * frame.time_base)
        except FFmpegError as error:
            raise MediaError(f"The sound of {self.name!r} cannot be read ({reason(error)}).") from error
        raise MediaError(f"{self.name!r} has a sound stream, but no sound in it. Get it again.")

    def _duration_from_header(self, container: Any) -> float | None:
        if container.duration is None or container.duration <= 0:
            return None
        # Matroska counts its duration from zero, the others from their start.
        start = 0.0 if "matroska" in container.format.name else self._container_start
        seconds: float = start + container.duration / av.time_base - self._zero_seconds
        if seconds <= 0:
            return None
        return max(seconds, self._last_picture_end(container, seconds))

    def _last_picture_end(self, container: Any, near_seconds: float) -> float:
        """Return when the last picture ends: headers of variable-rate files may stop before it."""
        end = 0.0
        if self._video_index is None:
            return end
        stream = container.streams[self._video_index]
        with contextlib.suppress(FFmpegError):
            container.seek(math.floor((self._zero_seconds + near_seconds) / stream.time_base), stream=stream)
            for packet in container.demux(stream):
                if packet.pts is not None:
                    ticks = packet.pts + (packet.duration or 0)
                    end = max(end, float(ticks * packet.time_base) - self._zero_seconds)
        return end

    @property
    def has_video(self) -> bool:
        """Whether there are pictures."""
        return self._video_index is not None

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track."""
        return self._audio_index is not None

    @cached_property
    def duration_seconds(self) -> float:
        """Seconds from the first picture to the end, as a player shows it; subtitles may outlast it."""
        if self._header_duration is not None:
            return self._header_duration
        end = 0.0
        with av.open(str(self.path), metadata_errors="ignore") as container, contextlib.suppress(FFmpegError):
            wanted = [i for i in (self._video_index, self._audio_index) if i is not None]
            for packet in container.demux([container.streams[i] for i in wanted]):
                if packet.pts is not None:
                    ticks = packet.pts + (packet.duration or 0)
                    end = max(end, float(ticks * packet.time_base) - self._zero_seconds)
        if end <= 0:
            raise MediaError(f"{self.name!r} holds no timed data. It is cut short or damaged; get it again.")
        return end

    @cached_property
    def id(self) -> str:
        """32 hex digits from the content: the same under two names, another after any change.

        Files over 256 MiB are known by their size and 4,096 blocks spread over them.
        """
        size = self.path.stat().st_size
        digest = hashlib.blake2b(str(size).encode(), digest_size=16)
        with self.path.open("rb") as file:
            if size <= _WHOLE_HASH_BYTES:
                while block := file.read(2**20):
                    digest.update(block)
            else:
                for offset in np.linspace(0, size - 2**14, 4096, dtype=np.int64):
                    file.seek(int(offset))
                    digest.update(file.read(2**14))
        return digest.hexdigest()

    def frames(
        self,
        every_seconds: float | None = 1.0,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        at_seconds: Sequence[float] | None = None,
        max_side: int | None = None,
    ) -> Iterator[Frame]:
        """Yield pictures in order: at a rate, every one, or at given seconds.

        Args:
            every_seconds: the picture shown at each multiple of this; None for every picture.
            start_seconds: first moment wanted.
            end_seconds: first moment no longer wanted; None for the end.
            at_seconds: instead, the picture a player shows at each of these seconds, in the order given.
                Past the end it is the last picture.
            max_side: scale down so that the longer side has at most this many pixels.

        Raises:
            InvalidArgument: a range or rate that is none.
            MediaError: there are no pictures, or reading broke.
        """
        sampling = Sampling(every_seconds, max_side)
        if at_seconds is not None:
            return self._need_pictures().at(at_seconds, max_side)
        return (frame for _, frame in self.sample([sampling], start_seconds, end_seconds))

    def frame_at(self, seconds: float, *, max_side: int | None = None) -> Frame:
        """Return the picture a player shows at `seconds`."""
        return next(self.frames(at_seconds=[seconds], max_side=max_side))

    def sample(
        self, samplings: Sequence[Sampling], start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> Iterator[tuple[int, Frame]]:
        """Yield pictures for several consumers from one decoding pass, as (index into `samplings`, frame).

        Each consumer's pictures come in order; between consumers the order follows time loosely.

        Args:
            samplings: which pictures each consumer wants.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: there are no pictures, or ffmpeg failed before the first.
        """
        stream = self._need_pictures()
        return stream.sample(samplings, *self.span(start_seconds, end_seconds))

    def audio(
        self, start_seconds: float = 0.0, end_seconds: float | None = None, *, block_seconds: float = 10.0
    ) -> Iterator[AudioBlock]:
        """Yield 16 kHz mono sound in blocks; pauses in the recording come as silence, so times stay true.

        Args:
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            block_seconds: length of a block; the last may be shorter.

        Raises:
            InvalidArgument: a range that is none.
            MediaError: there is no sound, or it cannot be decoded.
        """
        if self._audio_index is None:
            raise MediaError(f"{self.name!r} has no sound track.")
        start, end = self.span(start_seconds, end_seconds)
        seek = seek_options(max(start - 1, 0.0), self._zero_seconds, self._container_start)
        source = ffmpeg.input(str(self.path), copyts=None, nostdin=None, **seek)
        return decode_audio(
            source[str(self._audio_index)],
            start,
            end,
            zero_seconds=self._zero_seconds,
            block_seconds=block_seconds,
            name=self.name,
        )

    def subtitle_files(self) -> list[Path]:
        """Return subtitle files beside the video: `stem.srt`, `stem.vtt`, `stem.en.srt` ..., shortest first."""
        beside = [
            path
            for path in self.path.parent.iterdir()
            if path.suffix.lower() in (".srt", ".vtt", ".ass", ".ssa")
            and (path.stem == self.path.stem or path.stem.startswith(self.path.stem + "."))
            and path.is_file()
        ]
        return sorted(beside, key=lambda path: (len(path.name), path.name))

    @property
    def streams(self) -> tuple[int | None, int | None]:
        """Indexes in the file of the pictures and the sound that are read; None where there are none."""
        return self._video_index, self._audio_index

    @property
    def zero_seconds(self) -> float:
        """Timestamp in the file of second 0."""
        return self._zero_seconds

    @property
    def subtitle_shift_seconds(self) -> float:
        """What to add to the times of a file beside the video: its zero is where a player starts to play."""
        return self._container_start - self._zero_seconds

    def subtitle_text(self, track: SubtitleTrack) -> str:
        """Return an embedded track as SubRip text, in seconds from where a player starts to play.

        Raises:
            MediaError: the track cannot be decoded.
        """
        job = ffmpeg.output(ffmpeg.input(str(self.path), nostdin=None)[str(track.index)], "pipe:", format="srt")
        with running(job, self.name) as pipe:
            return pipe.read().decode("utf-8", errors="replace")

    def _need_pictures(self) -> PictureStream:
        if self._pictures is None:
            raise MediaError(f"{self.name!r} has sound but no pictures; only audio() can be read.")
        return self._pictures

    def span(self, start_seconds: float, end_seconds: float | None) -> tuple[float, float]:
        """Return a range with its end filled in, or brought back to the video's.

        Raises:
            InvalidArgument: it holds nothing.
        """
        return fit_interval(start_seconds, end_seconds, self.duration_seconds, repr(self.name))

    def __repr__(self) -> str:
        facts = [f"{self.duration_seconds:.2f} s"]
        if self.size:
            facts.append(f"{self.size[0]}x{self.size[1]}")
        if self.frame_rate:
            facts.append(f"{self.frame_rate:.3f} fps")
        facts.append("sound" if self.has_audio else "no sound")
        return f"Video({str(self.path)!r}: {', '.join(facts)})"
