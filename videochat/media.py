"""Video in; frames and sound out, each with the second at which a player shows or plays it.

One time base: seconds since a player starts to count, which is the earliest of picture and sound, from the file's
timestamps. Pictures and sound are read as they are decoded, so memory does not grow with the length.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import ffmpeg
import numpy as np
from av.error import FFmpegError

from videochat.audio import AudioBlock, decode_audio
from videochat.clock import Clock, Stretch, must_be_read, read_clock
from videochat.decoding import First, Track, first_of, last_end
from videochat.download import Address, download
from videochat.errors import MediaError
from videochat.ffmpeg import reason, running
from videochat.frames import Frame, PictureStream, Sampling, orientation_of
from videochat.intervals import clock, fit_interval
from videochat.local_files import ffmpeg_input, local_path, open_container, playlist_of, shown_name
from videochat.object_stores import fetch_object, is_object
from videochat.records import Caption
from videochat.renamed import getter
from videochat.stills import Still, still_of

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

# Below this a file is hashed whole; above, its size and blocks spread over it, so that opening stays quick.
_WHOLE_HASH_BYTES = 256 * 2**20

_PICTURE_SUBTITLES = frozenset({"dvdsub", "dvd_subtitle", "pgssub", "hdmv_pgs_subtitle", "dvbsub", "xsub"})

# Containers whose length is counted from the timestamp 0 and not from where they start.
_COUNT_FROM_ZERO = ("matroska", "nut", "asf")

# A picture that comes this much later than the sound is worth a word.
_LATE_SECONDS = 1.0


@dataclass(frozen=True)
class SubtitleTrack:
    """A text subtitle stream inside the file."""

    index: int
    """Stream index in the file."""
    language: str | None
    """ISO 639 code, where the file says it."""
    default: bool
    """Whether players show it without being asked."""
    codec: str = ""
    """FFmpeg's name of its format."""
    title: str = ""
    """What the file calls it."""
    partial: bool = False
    """Whether it is marked as forced (only what is foreign in the film), or as a commentary."""


class Video:
    """A video file (or a sound file, or a picture, which is a video of one picture) that can be read more than once.

    Args:
        source: path of a file, or an http(s) address or one of an object store (`s3://`, `gs://`; `object_stores`),
            which is fetched into the data folder first.

    Raises:
        MediaError: no such file, a directory, empty, not a video, broken, unreachable, a picture beyond all measure.
    """

    def __init__(self, source: str | bytes | os.PathLike[Any]) -> None:
        if not isinstance(source, str | bytes | os.PathLike) or not os.fspath(source):
            raise MediaError(f"A video needs a path or an http(s) address, got {source!r}.")
        text = os.fsdecode(source)
        is_address, is_elsewhere = re.match(r"(?i)https?://", text), is_object(text)
        self.path: Path = (
            download(text, Video) if is_address else fetch_object(text, Video) if is_elsewhere else local_path(text)
        )
        """The file that is read."""
        self.address: str = (
            Address.parse(text).url if is_address else text.strip() if is_elsewhere else str(self.path.absolute())
        )
        """Where it came from: an address, without name and password, or the path of the file."""
        self.name: str = shown_name(self.path)
        """What people call it."""
        self._check_file()
        self._stamp = self._stamp_now()
        self._still = still_of(self.path)
        if self._still is None:
            self._probe()
        else:
            self._take(self._still)

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            now = self.path.stat()
        except OSError:
            return None
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns

    def is_replaced(self) -> bool:
        """Whether there is another file now where this one was; one that is gone is not replaced."""
        now = self._stamp_now()
        return now is not None and now != self._stamp

    def _check_file(self) -> None:
        if not self.path.exists():
            raise MediaError(f"There is no file {str(self.path)!r}. Check the path; it was looked for as given.")
        if self.path.is_dir():
            raise MediaError(
                f"{str(self.path)!r} is a directory; give the path of one video file in it, or a list of them."
            )
        if not self.path.is_file():
            raise MediaError(f"{str(self.path)!r} is a pipe or a device; write what comes from it into a file.")
        if not os.access(self.path, os.R_OK):
            raise MediaError(f"{str(self.path)!r} cannot be read; allow reading it (its permissions forbid it).")
        if self.path.stat().st_size == 0:
            raise MediaError(f"{str(self.path)!r} is empty (0 bytes). Copy or download it again.")

    def _probe(self) -> None:
        try:
            container = open_container(self.path)
        except (FFmpegError, ValueError) as error:
            self._refuse_playlist()
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
                    f"{str(self.path)!r} is a picture of a kind that is not read "
                    f"({format_name.removesuffix('_pipe')}). Save it as JPEG or PNG."
                )
            if format_name == "tty" or (pictures is None and sound is None):
                self._refuse_playlist()
                raise MediaError(
                    f"{str(self.path)!r} holds neither pictures nor sound (found: {format_name}). Give a video."
                )
            self._video_index: int | None = None if pictures is None else pictures.index
            self._audio_index: int | None = None if sound is None else sound.index
            self.sound_language: str | None = None if sound is None or sound.language == "und" else sound.language
            """ISO 639 code of what is spoken, where the file says it."""
            self._container_start = (container.start_time or 0) / av.time_base
            self._container_seconds = (container.duration or 0) / av.time_base
            self._counts_from_zero = format_name.split(",")[0] in _COUNT_FROM_ZERO
            self._must_be_read = must_be_read(container)
            self._first_picture, self._first_sound = first_of(container, pictures, sound)
            self.size: tuple[int, int] | None = None
            """(width, height) of the upright picture in pixels; None without pictures."""
            self.frame_rate: float | None = None
            """Average pictures per second; None where there are none, or only one. Never used to compute times."""
            if pictures is not None:
                self._note_pictures(pictures)
            elif self._first_sound is None:
                raise MediaError(f"{self.name!r} has a sound stream, but no sound that can be decoded. Get it again.")
            begins = [first.begins_seconds for first in (self._first_picture, self._first_sound) if first is not None]
            self._zero_seconds = min(begins)
            self._first_sound = replace(self._first_sound, frame=None) if self._first_sound else None
            self.subtitle_tracks: list[SubtitleTrack] = [
                SubtitleTrack(
                    stream.index,
                    stream.language if stream.language != "und" else None,
                    bool(stream.disposition & av.stream.Disposition.default),
                    stream.codec_context.name if stream.codec_context is not None else "",
                    stream.metadata.get("title") or stream.metadata.get("handler_name") or "",
                    bool(stream.disposition & (av.stream.Disposition.forced | av.stream.Disposition.comment)),
                )
                for stream in container.streams.subtitles
                if stream.codec_context is None or stream.codec_context.name not in _PICTURE_SUBTITLES
            ]
            """Embedded subtitles that are text."""

    def _take(self, still: Still) -> None:
        """Be a picture: no sound, one stream, a clock that starts at 0."""
        self._video_index, self._audio_index, self.sound_language = 0, None, None
        self._container_start = self._container_seconds = self._zero_seconds = 0.0
        self._counts_from_zero = self._must_be_read = False
        self._first_picture, self._first_sound = First(0.0, None, "presentation", 0.0, 0.0), None
        self.size, self.frame_rate, self._rotation, self._mirrored = still.size, None, 0, False
        self.subtitle_tracks = []

    def _refuse_playlist(self) -> None:
        if playlist := playlist_of(self.path):
            raise MediaError(
                f"{str(self.path)!r} is {playlist}: it names other files or hosts, which are not opened. "
                "Give the video itself."
            )

    def _note_pictures(self, stream: Any) -> None:
        if self._first_picture is None:
            codec = stream.codec_context.name if stream.codec_context else "of an unknown codec"
            raise MediaError(
                f"{self.name!r} has a video stream ({codec}), "
                "but not one picture can be decoded. Play it elsewhere to check it, or re-encode it to H.264."
            )
        first = self._first_picture.frame
        self._rotation, self._mirrored = orientation_of(first)
        self.size = (first.height, first.width) if self._rotation in (90, 270) else (first.width, first.height)
        self._first_picture = replace(self._first_picture, frame=None)  # its pixels are not kept
        rate = stream.average_rate or stream.guessed_rate
        self.frame_rate = float(rate) if rate else None

    @cached_property
    def _clock(self) -> Clock:
        zero = self._zero_seconds
        if self._must_be_read:
            return read_clock(self.path, zero, self._video_index, self._audio_index)
        return Clock((Stretch(zero, zero, -zero),))

    def _track(self, index: int, first: First | None) -> Track:
        if first is None or self._still is not None:
            return Track(self.path, index, self._clock, still=self._still)
        return Track(self.path, index, self._clock, first.timing, first.lag_seconds)

    @property
    def is_picture(self) -> bool:
        """Whether it is one still picture."""
        return self._still is not None and not self._still.is_animated

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
        """Seconds from where a player starts to count to the end; subtitles may outlast it."""
        if self._still is not None:
            return self._still.duration_seconds
        if self._clock.end_seconds is not None:
            end = self._clock.end_seconds
        else:
            start = 0.0 if self._counts_from_zero else self._container_start
            end = start + self._container_seconds - self._zero_seconds
            if self._video_index is not None and end > 0:
                # Headers of variable-rate files may stop before the last picture.
                end = max(end, last_end(self._track(self._video_index, self._first_picture), end))
            elif end <= 0:
                whole = read_clock(self.path, self._zero_seconds, self._video_index, self._audio_index)
                end = whole.end_seconds or 0.0
        if end <= 0:
            raise MediaError(f"{self.name!r} holds no timed data. It is cut short or damaged; get it again.")
        return end

    @cached_property
    def gaps(self) -> list[tuple[float, float, str]]:
        """Stretches of which the file itself holds nothing true: (start, end, what is there instead)."""
        found = [(max(at - 0.05, 0.0), at + 0.05, what) for at, what in self._clock.jumps]
        late = self.first_picture_seconds
        if late > _LATE_SECONDS:
            found.insert(0, (0.0, late, f"the first picture comes at {clock(late)}; until then it is shown early"))
        return found

    @property
    def first_picture_seconds(self) -> float:
        """When the first picture comes; it is shown from second 0 on. 0 without pictures."""
        return 0.0 if self._first_picture is None else self._first_picture.raw_seconds - self._zero_seconds

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
        if self.is_picture:
            # However often somebody wants to look, there is one picture.
            samplings = [replace(each, every_seconds=None, min_change=0.0) for each in samplings]
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
        track = self._track(self._audio_index, self._first_sound)
        return decode_audio(track, start, end, block_seconds=block_seconds, name=self.name)

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

    def subtitle_stream(self, track: SubtitleTrack) -> Iterator[bytes]:
        """Yield an embedded track as it is read: SubRip, or the ASS or WebVTT that it is, in UTF-8.

        Its seconds count from where a player starts to play. Who has enough closes the iterator.

        Raises:
            MediaError: the track cannot be decoded.
        """
        own = {"ass": "ass", "ssa": "ass", "webvtt": "webvtt", "subrip": "srt"}.get(track.codec)
        copied = {"format": own, "c": "copy"} if own else {"format": "srt"}
        source = ffmpeg_input(self.path, nostdin=None)
        with running(ffmpeg.output(source[str(track.index)], "pipe:", flush_packets=1, **copied), self.name) as pipe:
            while piece := pipe.read1(2**16):
                yield piece

    def _need_pictures(self) -> PictureStream:
        if self._video_index is None or self.size is None:
            raise MediaError(f"{self.name!r} has sound but no pictures; only audio() can be read.")
        track = self._track(self._video_index, self._first_picture)
        return PictureStream(track, self.name, self.size, self._rotation, self._mirrored, self.frame_rate)

    def span(self, start_seconds: float, end_seconds: float | None) -> tuple[float, float]:
        """Return a range with its end filled in, or brought back to the video's.

        Raises:
            InvalidArgument: it holds nothing.
        """
        return fit_interval(start_seconds, end_seconds, self.duration_seconds, repr(self.name))

    def stamped(self, caption: Caption) -> Caption:
        """Return a caption of this video with what else is known of its moment; of a file, nothing."""
        return caption

    @contextlib.contextmanager
    def as_file(self, start_seconds: float, end_seconds: float | None = None) -> Iterator[tuple[Video, float]]:
        """Give one file that holds a range, and the second of this video at its second 0: itself, and 0.

        Args:
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
        """
        yield self, 0.0

    def __repr__(self) -> str:
        facts = [f"{self.duration_seconds:.2f} s"]
        if self.size:
            facts.append(f"{self.size[0]}x{self.size[1]}")
        if self.frame_rate:
            facts.append(f"{self.frame_rate:.3f} fps")
        facts.append("sound" if self.has_audio else "no sound")
        return f"Video({str(self.path)!r}: {', '.join(facts)})"
