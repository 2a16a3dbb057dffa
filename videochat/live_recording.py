"""LiveRecording: what was recorded of a live source, as a video that grows at its end and is let go at its beginning.

A recording is a folder of segments. The name of a segment holds all there is to know of it (when it starts and ends in
the recording, when it was taken, what is in it), so that a folder needs no list, and a process that is killed leaves a
recording that opens. Second 0 is the first picture of the recording; where the line was cut its seconds go on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from filelock import FileLock, Timeout

from videochat.clock import Clock, Stretch
from videochat.decoding import First, Track
from videochat.errors import MediaError
from videochat.home import home
from videochat.intervals import Interval, clock
from videochat.live_source import LiveSource, is_live
from videochat.local_files import is_there, open_container
from videochat.media import Video
from videochat.records import Caption

LEAD_SECONDS = 10.0
"""Timestamp in the file of a segment's start: sound that begins a little earlier has a time too."""
HOLE_SECONDS = 0.2
"""Segments this far apart do not follow one another."""
WALL_CLOCK = "wall_clock"
"""Attribute of a caption: when it starts, in ISO 8601 with the zone of this machine."""
_FORMAT = 1
_HEADER = "recording.json"
_NAME = re.compile(r"(\d+\.\d{6})_(\d+\.\d{6})_(\d+\.\d{3})_(\d+)x(\d+)(s?)\.nut")
_MOST_EXCERPT_SECONDS = 600.0


@dataclass(frozen=True)
class Segment:
    """A file of a recording."""

    path: Path
    """Where it lies."""
    start_seconds: float
    """Where it starts, in seconds of the recording."""
    end_seconds: float
    """Where the next one may begin."""
    taken_at: float
    """When its start was taken, in seconds since 1970."""
    size: tuple[int, int]
    """(width, height) of its pictures in pixels; (0, 0) without pictures."""
    has_sound: bool
    """Whether there is sound."""

    @classmethod
    def of(cls, path: Path) -> Segment | None:
        """Return what the name of a file says; None where it is no segment."""
        found = _NAME.fullmatch(path.name)
        if found is None:
            return None
        start, end, taken = (float(value) for value in found.group(1, 2, 3))
        return cls(path, start, end, taken, (int(found[4]), int(found[5])), bool(found[6]))

    @property
    def name(self) -> str:
        """The name of its file."""
        seconds = f"{self.start_seconds:015.6f}_{self.end_seconds:015.6f}_{self.taken_at:.3f}"
        return f"{seconds}_{self.size[0]}x{self.size[1]}{'s' if self.has_sound else ''}.nut"

    def fits(self, other: Segment) -> bool:
        """Whether the other goes on where this one ends, with the same picture and sound."""
        alike = (self.size, self.has_sound) == (other.size, other.has_sound)
        return alike and abs(other.start_seconds - self.end_seconds) < HOLE_SECONDS


class RecordingFolder:
    """Where the segments of one source lie.

    Args:
        source: what is recorded.
        path: the folder; None for that of the source in the data folder.
    """

    def __init__(self, source: LiveSource, path: Path | None = None) -> None:
        self.source = source
        self.path = path or home() / "live" / source.id
        self._lock = FileLock(self.path / "lock", timeout=0, mode=0o600, thread_local=False)

    def begin(self) -> None:
        """Make the folder, and hold it: one source is recorded once.

        Raises:
            MediaError: it is being recorded already, or the folder cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise MediaError(
                f"{self.source.shown} is being watched by another process already. Ask it while that goes on "
                f"(videochat ask {self.source.shown} ...), or end that one first."
            ) from error
        except OSError as error:
            raise MediaError(f"{str(self.path)!r} cannot be written ({error.strerror}); make room for it.") from error
        for left in self.path.glob("writing-*"):
            left.unlink(missing_ok=True)  # of a process that was killed

    def end(self) -> None:
        """Let it go."""
        self._lock.release()

    @property
    def is_held(self) -> bool:
        """Whether somebody is recording."""
        other = FileLock(self.path / "lock", timeout=0, thread_local=False)
        try:
            other.acquire()
        except Timeout:
            return True
        except OSError:
            return False
        other.release()
        return False

    @property
    def began_at(self) -> float | None:
        """When second 0 was, in seconds since 1970; None where nothing was recorded yet."""
        try:
            return float(json.loads((self.path / _HEADER).read_text(encoding="utf-8"))["began_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def note_beginning(self, began_at: float) -> None:
        """Keep when second 0 was; once for all."""
        told = {"format": _FORMAT, "source": self.source.shown, "kind": self.source.kind, "began_at": began_at}
        fresh = self.path / f"{_HEADER}.{os.getpid()}"
        fresh.write_text(json.dumps(told), encoding="utf-8")
        fresh.replace(self.path / _HEADER)

    def segments(self) -> list[Segment]:
        """Return what is kept, in order."""
        try:
            found = [Segment.of(Path(entry.path)) for entry in os.scandir(self.path)]
        except OSError:
            found = []
        return sorted((one for one in found if one is not None), key=lambda segment: segment.start_seconds)

    def drop_before(self, seconds: float) -> int:
        """Remove segments that end before a second; return how many."""
        gone = [segment for segment in self.segments() if segment.end_seconds <= seconds]
        for segment in gone:
            segment.path.unlink(missing_ok=True)
        return len(gone)


class LiveRecording(Video):
    """A recording as a video: what of it is kept can be seen, heard, asked and cut like any other.

    It is as it was when it was opened, or at the last `refresh`.

    Args:
        folder: where its segments lie.

    Raises:
        MediaError: nothing was recorded.
    """

    def __init__(self, folder: RecordingFolder) -> None:
        self.folder = folder
        self.path = folder.path
        self.name = self.address = folder.source.shown
        began = folder.began_at
        if began is None:
            raise MediaError(
                f"Nothing of {folder.source.shown} has been recorded. Start with: videochat watch {folder.source.shown}"
            )
        self.began_at: float = began
        """When second 0 was, in seconds since 1970."""
        self.sound_language = None
        self.subtitle_tracks = []
        self._still, self._rotation, self._mirrored = None, 0, False
        self._first_picture = First(0.0, None, "presentation", 0.0, 0.0)
        self._first_sound = None
        self._container_start = self._zero_seconds = 0.0
        self._use(folder.segments())

    def _use(self, segments: Sequence[Segment], end_seconds: float | None = None) -> None:
        self.segments = list(segments)
        """What is kept of it, in order."""
        last = self.segments[-1] if self.segments else None
        pictures = [segment.size for segment in self.segments if segment.size[0]]
        self.size = pictures[-1] if pictures else None
        self.frame_rate = None
        self._video_index = 0 if pictures else None
        heard = any(segment.has_sound for segment in self.segments)
        self._audio_index = None if not heard else 1 if pictures else 0
        self._end = end_seconds if end_seconds is not None else last.end_seconds if last else 0.0

    def refresh(self) -> None:
        """See what has come since."""
        self._use(self.folder.segments())

    def part(self, start_seconds: float, end_seconds: float) -> LiveRecording:
        """Return a recording of the same id that holds the segments of a range, and ends with it."""
        other: LiveRecording = object.__new__(LiveRecording)
        other.__dict__.update(self.__dict__)
        inside = [s for s in self.segments if s.end_seconds > start_seconds and s.start_seconds < end_seconds]
        other._use(inside, end_seconds)
        return other

    def runs(self, start_seconds: float) -> list[Interval]:
        """Return the ranges after a second in which segments follow one another, alike in size and sound."""
        found: list[Interval] = []
        before: Segment | None = None
        for segment in self.segments:
            if segment.end_seconds <= start_seconds + 1e-6:
                before = segment
                continue
            start = max(segment.start_seconds, start_seconds)
            if found and before is not None and before.fits(segment):
                found[-1] = (found[-1][0], segment.end_seconds)
            else:
                found.append((start, segment.end_seconds))
            before = segment
        return found

    @property
    def id(self) -> str:
        """32 hex digits: the source, and when its recording began."""
        told = f"{self.folder.path.name} {self.began_at:.3f}"
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()

    @property
    def duration_seconds(self) -> float:
        """Where what has been recorded ends, in seconds from its beginning."""
        return self._end

    @property
    def kept_from(self) -> float:
        """From which second on pictures and sound are kept."""
        return self.segments[0].start_seconds if self.segments else self._end

    @property
    def gaps(self) -> list[tuple[float, float, str]]:
        """Nothing: whoever records says why something is missing."""
        return []

    @property
    def is_picture(self) -> bool:
        """Never."""
        return False

    def is_replaced(self) -> bool:
        """Never; it only grows."""
        return False

    def is_being_recorded(self) -> bool:
        """Whether somebody records it now."""
        return self.folder.is_held

    def taken_at(self, seconds: float) -> float:
        """Return when a second of the recording was, in seconds since 1970."""
        segments = self.segments
        index = bisect_right(segments, seconds + 1e-6, key=_start) - 1
        if index < 0:
            return self.began_at + seconds
        segment = segments[index]
        return segment.taken_at + seconds - segment.start_seconds

    def second_at(self, taken_at: float) -> float:
        """Return the second of the recording at a time in seconds since 1970; below 0 before it began."""
        segments = self.segments
        index = bisect_right(segments, taken_at + 1e-6, key=lambda segment: segment.taken_at) - 1
        if index < 0:
            return taken_at - self.began_at
        segment = segments[index]
        return segment.start_seconds + taken_at - segment.taken_at

    def wall_clock(self, seconds: float) -> str:
        """Return when a second was, in ISO 8601 with the zone of this machine, to the millisecond."""
        return datetime.fromtimestamp(self.taken_at(seconds)).astimezone().isoformat(timespec="milliseconds")

    def stamped(self, caption: Caption) -> Caption:
        """Return a caption with when it starts, as `wall_clock` among its attributes."""
        return replace(caption, attributes={**caption.attributes, WALL_CLOCK: self.wall_clock(caption.start_seconds)})

    def _track(self, index: int, first: First | None) -> Track:
        return Track(self.path, index, Clock(()), parts=partial(self._parts, sound=index == self._audio_index))

    def _parts(self, start_seconds: float, *, sound: bool) -> Iterator[tuple[Track, bool]]:
        """Yield the tracks from a second on, and whether something is missing before each."""
        before: Segment | None = None
        segments = self.segments
        for segment in segments[max(bisect_right(segments, start_seconds + 1e-6, key=_start) - 1, 0) :]:
            if not (segment.has_sound if sound else segment.size[0]):
                continue
            # Pictures come first in the file.
            index = 1 if sound and segment.size[0] else 0
            shift = segment.start_seconds - LEAD_SECONDS
            track = Track(segment.path, index, Clock((Stretch(LEAD_SECONDS, LEAD_SECONDS, shift),)))
            missing = before is not None and segment.start_seconds - before.end_seconds >= HOLE_SECONDS
            before = segment
            yield track, missing

    @contextlib.contextmanager
    def as_file(self, start_seconds: float, end_seconds: float | None = None) -> Iterator[tuple[Video, float]]:
        """Give a file that holds a range, and the second of the recording at its second 0, while it is used.

        Args:
            start_seconds: first moment.
            end_seconds: first moment no longer; None for ten minutes at most.

        Raises:
            MediaError: the range is no longer kept.
        """
        end = min(end_seconds or self._end, start_seconds + _MOST_EXCERPT_SECONDS)
        inside = [s for s in self.segments if s.end_seconds > start_seconds and s.start_seconds < end]
        if not inside or not inside[0].path.exists():
            raise MediaError(
                f"{clock(start_seconds)} of {self.name} is no longer kept; what was noted of it is. "
                "Keep more with `videochat watch --keep`."
            )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "excerpt.nut"
            _join(inside, file)
            video = Video(file)
            zero = inside[0].start_seconds - LEAD_SECONDS + video.zero_seconds
            yield video, zero

    def __repr__(self) -> str:
        state = "being recorded" if self.is_being_recorded() else "ended"
        return f"LiveRecording({self.name!r}, {clock(self._end)}, {state})"


def _start(segment: Segment) -> float:
    return segment.start_seconds


def _join(segments: Sequence[Segment], file: Path) -> None:
    """Write segments into one file; those of another size or sound than the first are left out."""
    first = segments[0]
    with av.open(str(file), "w", format="nut") as out:
        streams: list[Any] = []
        for segment in segments:
            if (segment.size, segment.has_sound) != (first.size, first.has_sound):
                continue
            with contextlib.suppress(FFmpegError), open_container(segment.path) as container:
                streams = streams or [out.add_stream_from_template(stream) for stream in container.streams]
                for packet in container.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    later = round((segment.start_seconds - first.start_seconds) / packet.time_base)
                    packet.pts, packet.dts = packet.pts + later, packet.dts + later
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)


def open_video(source: str | bytes | os.PathLike[Any] | Video) -> Video:
    """Return a video by path or address, or the recording of a live source.

    Args:
        source: as of `Video`; or a live source, or the folder of its recording.

    Raises:
        MediaError: it cannot be opened, or nothing of it was recorded.
    """
    if isinstance(source, Video):
        return source
    if is_live(source):
        return LiveRecording(RecordingFolder(LiveSource.parse(str(source))))
    header = Path(os.fsdecode(source)) / _HEADER if isinstance(source, str | os.PathLike) and source else None
    if header is not None and is_there(header):
        told = json.loads(header.read_text(encoding="utf-8"))
        return LiveRecording(RecordingFolder(LiveSource(told["kind"], told["source"]), header.parent))
    return Video(source)
