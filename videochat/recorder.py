"""Recorder: a live source cut into segments on disk, over as many lines as it takes.

Packets are stored as they come, and cut where a picture needs no other. What is lost between two lines is told as a
gap; its seconds pass all the same. Memory holds a packet at a time, the disk what is to be kept.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from videochat.errors import MediaError, first_line
from videochat.ffmpeg import reason
from videochat.intervals import clock
from videochat.live_recording import LEAD_SECONDS, RecordingFolder, Segment
from videochat.live_source import Connection
from videochat.local_files import open_container

# A clock that runs back so far, or ahead while nothing was waited for, counts anew.
_JUMP_BACK_SECONDS, _JUMP_AHEAD_SECONDS = 0.5, 10.0
# FFmpeg takes a step back for the wrap of the 33 bits of a transport stream.
_WRAP_SECONDS = 2**33 / 90_000
# After a cut the source's own clock goes on where it agrees with ours to this.
_CLOCKS_AGREE_SECONDS = 3.0
# What a line has stored comes at once, later than it was taken. It is live once packets have not come less late than
# before for so long; at the latest after so long.
_STEADY_SECONDS, _SETTLED_SECONDS = 0.7, 15.0
_STEADY_TO_SECONDS = 0.005
# How late the least late packet was is looked up over so long: clocks drift.
_LATENESS_SECONDS = 60.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 15.0
_LEAST_FREE_BYTES = 256 * 2**20
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_KEY_SECONDS = 60.0
# How long a picture stands at most, about: no hole on a line that was not cut.
_PICTURE_SECONDS = 0.1


@dataclass(frozen=True)
class LineGap:
    """A range of the recording of which there is nothing."""

    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment no longer."""
    reason: str
    """Why, as a clause."""


class Recorder:
    """Records a source until it is stopped, or the source has ended.

    Args:
        folder: where to; its source is what is recorded.
        keep_seconds: how long segments are kept.
        segment_seconds: length of a segment, at least; it is cut at the next picture that needs no other.
        say: told what happens to the line, as sentences.
    """

    def __init__(
        self,
        folder: RecordingFolder,
        *,
        keep_seconds: float = 86_400.0,
        segment_seconds: float = 2.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder, self.keep_seconds, self.segment_seconds, self.say = folder, keep_seconds, segment_seconds, say
        self.gaps: list[LineGap] = []
        """What is missing, since the recorder began; whoever has noted a gap takes it out."""
        self.lines = 0
        """How many times the source was opened."""
        self.arrived = threading.Event()
        """Set whenever a segment has come, and at the end."""
        self.ended = False
        """Whether nothing more will come."""
        self.problem = ""
        """Why nothing comes now; empty while something does."""
        self._stop = threading.Event()
        self._why = "the recording was interrupted"  # why something is missing before what comes next
        self._thread = threading.Thread(target=self._work, daemon=True, name="videochat-recorder")
        kept = folder.segments()
        self._end = kept[-1].end_seconds if kept else 0.0
        self._last: tuple[float, float, float] | None = None  # timestamp, second and time of what came last

    def start(self) -> None:
        """Open the source and record it in the background.

        Raises:
            MediaError: it cannot be opened now, or is being recorded already.
        """
        self.folder.begin()
        try:
            self._first_line = self.folder.source.open(self._stop.is_set)
        except BaseException:
            self.folder.end()
            raise
        self.lines = 1
        self._thread.start()

    def stop(self) -> None:
        """End it; what has come is kept. A line that hangs is left to itself after some seconds."""
        self._stop.set()
        self._thread.join(3.0)

    def _work(self) -> None:
        line: Connection | None = self._first_line
        pause = _FIRST_PAUSE_SECONDS
        try:
            while not self._stop.is_set():
                try:
                    if line is None:
                        line = self.folder.source.open(self._stop.is_set)
                        self.lines += 1
                        self.say(f"The line of {self.folder.source.shown} is up again")
                    before = self._end
                    self._record(line)
                    if (after := line.follow()) is not None:
                        self.say(f"What {self.folder.source.shown} sends has changed to another kind; it goes on")
                        line.close()
                        line = after
                        continue
                    why = "the source ended"
                    if self.folder.source.kind == "file":
                        return
                except MediaError as error:
                    why = str(error)
                except (FFmpegError, OSError, ValueError) as error:
                    why = self._make_room(error)
                self._why = self._why or why
                pause = _FIRST_PAUSE_SECONDS if line and self._end > before else min(pause * 2, _LONGEST_PAUSE_SECONDS)
                if line is not None:
                    with contextlib.suppress(Exception):
                        line.close()
                    line = None
                if not self._stop.is_set():
                    self.problem = why
                    self.say(f"Nothing comes from {self.folder.source.shown}: {why}; trying again")
                    self._stop.wait(pause)
        finally:
            if line is not None:
                with contextlib.suppress(Exception):
                    line.close()
            self.ended = True
            self.folder.end()
            self.arrived.set()

    def _make_room(self, error: Exception) -> str:
        """Return why a segment could not be written; of a full disk the oldest tenth is let go."""
        if getattr(error, "errno", None) not in _FULL:
            return f"it cannot be stored: {reason(error) if isinstance(error, FFmpegError) else first_line(error)}"
        kept = self.folder.segments()
        if kept:
            self.folder.drop_before(kept[len(kept) // 10].end_seconds)
        return "the disk is full"

    def _record(self, line: Connection) -> None:
        run: _Run | None = None
        main = line.pictures or line.sound
        opened, last = time.monotonic(), None
        try:
            for packet in line.packets():
                if self._stop.is_set():
                    break
                at = packet.dts if packet.dts is not None else packet.pts
                if packet.pts is None or at is None:
                    continue
                seconds = float(at * packet.time_base)
                if packet.stream is main:
                    if last is not None and not -_JUMP_BACK_SECONDS < seconds - last < _JUMP_AHEAD_SECONDS:
                        jump = seconds - last
                        jump -= _WRAP_SECONDS if jump > _WRAP_SECONDS / 2 else 0.0
                        if run is not None:
                            run.close()
                        way = "back" if jump < 0 else "ahead"
                        self._why = f"the clock of the source jumped {way} by {abs(jump):.1f} s"
                        run = None
                    last = seconds
                if run is None:
                    if packet.stream is not main or (line.pictures and not packet.is_keyframe):
                        if time.monotonic() - opened > _NO_KEY_SECONDS:
                            opened = time.monotonic()
                            self.say("For a minute no picture has come that can be shown without others")
                            self._why = self._why or "no picture came that can be shown without others"
                        continue
                    run = _Run(self, line, float(packet.pts * packet.time_base), opened)
                run.take(packet, is_main=packet.stream is main)
        finally:
            if run is not None:
                run.close()

    def place(self, pts: float, taken_at: float) -> float:
        """Return where in the recording something is that came first after a hole.

        Args:
            pts: its timestamp.
            taken_at: when it was, in seconds since 1970.
        """
        if self.folder.source.kind == "file":
            start = 0.0 if self._last is None else pts - self._last[0] + self._last[1]
        elif self._last is not None:
            own, ours = (after - before for after, before in zip((pts, taken_at), self._last[::2], strict=True))
            start = self._last[1] + (own if own >= 0 and abs(own - ours) < _CLOCKS_AGREE_SECONDS else max(ours, 0.0))
        else:
            began = self.folder.began_at
            start = 0.0 if began is None else taken_at - began
        if self.folder.began_at is None:
            self.folder.note_beginning(taken_at - start)
        return start if self.folder.source.kind == "file" else max(start, self._end)

    def publish(self, written: Path, segment: Segment, last: tuple[float, float, float]) -> None:
        """Give a segment its name, let go of what is too old, and tell who waits.

        Args:
            written: its file.
            segment: what is in it.
            last: timestamp, second and time (since 1970) of its end.
        """
        self._last = last
        if segment.start_seconds < self._end - 1e-3:
            written.unlink()  # of a file that was recorded before
            return
        hole = segment.start_seconds - self._end
        if self._end > 0 and (hole > (1e-3 if self._why else _PICTURE_SECONDS) or self._why.startswith("the clock")):
            gap = LineGap(self._end, max(segment.start_seconds, self._end + _PICTURE_SECONDS), self._why)
            self.gaps.append(gap)
            self.say(f"Missing {clock(gap.start_seconds)}-{clock(gap.end_seconds)}: {gap.reason}")
        self._why = self.problem = ""
        written.replace(self.folder.path / segment.name)
        self._end = segment.end_seconds
        self.folder.drop_before(self._end - self.keep_seconds)
        self.arrived.set()


class _Run:
    """Packets whose timestamps count on from each other, on one line.

    Args:
        recorder: what they are stored for.
        line: where they come from.
        first: timestamp of the first picture, in seconds.
        opened: when the line was opened, as `time.monotonic` counts.
    """

    def __init__(self, recorder: Recorder, line: Connection, first: float, opened: float) -> None:
        self.recorder, self.line, self.first, self.opened = recorder, line, first, opened
        self.start_seconds: float | None = None  # of `first` in the recording, once the line is live
        self._lateness = _Lowest()
        self._improved = time.monotonic()
        self._writer: _Writer | None = None
        self._waiting: list[_Writer] = []

    def take(self, packet: Any, *, is_main: bool) -> None:
        """Store a packet; cut before it where there is something to cut."""
        pts = float(packet.pts * packet.time_base)
        before = self._lateness.value
        self._lateness.add(self.line.arrived_at(packet) - pts)
        now = time.monotonic()
        if self._lateness.value < before - _STEADY_TO_SECONDS:
            self._improved = now
        cut = is_main and (packet.is_keyframe or not self.line.pictures)
        if self._writer is None or (cut and pts - self._writer.start >= self.recorder.segment_seconds - 1e-3):
            self._close_segment(pts)
            number = len(self._waiting)
            self._writer = _Writer(self.recorder.folder.path / f"writing-{id(self):x}-{number}.nut", self.line, pts)
        self._writer.add(packet, is_main=is_main)
        if self.start_seconds is None:
            steady = now - self._improved > _STEADY_SECONDS or now - self.opened > _SETTLED_SECONDS
            if steady or self.line.taken_at is not None:
                self._settle()

    def _taken_at(self, pts: float) -> float:
        """Return when something was, in seconds since 1970: as the source says, or as the least late packet came."""
        said = self.line.taken_at
        return pts + self._lateness.value if said is None else said + pts - self.first

    def _settle(self) -> None:
        self.start_seconds = self.recorder.place(self.first, self._taken_at(self.first))
        for writer in self._waiting:
            self._publish(writer)
        self._waiting = []

    def _close_segment(self, end: float | None = None) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.close(end)
        if self.start_seconds is None:
            self._waiting.append(writer)
        else:
            self._publish(writer)

    def _publish(self, writer: _Writer) -> None:
        size, has_sound = writer.look()
        if size == (0, 0) and not has_sound:
            writer.path.unlink()
            return
        start = (self.start_seconds or 0.0) + writer.start - self.first
        end = (self.start_seconds or 0.0) + writer.end - self.first
        start, end = round(start, 6), round(end, 6)
        segment = Segment(writer.path, start, end, self._taken_at(writer.start), size, has_sound)
        self.recorder.publish(writer.path, segment, (writer.end, end, self._taken_at(writer.end)))

    def close(self) -> None:
        """Store what is left."""
        self._close_segment()
        if self.start_seconds is None and self._waiting:
            self._settle()


class _Writer:
    """A segment while it is written."""

    def __init__(self, path: Path, line: Connection, start: float) -> None:
        free = shutil.disk_usage(path.parent).free
        if free < _LEAST_FREE_BYTES:
            raise OSError(errno.ENOSPC, "the disk is full")
        self.path, self.start, self.end = path, start, start
        self._container = av.open(str(path), "w", format="nut")
        self._streams: dict[int, Any] = {}
        for stream in (line.pictures, line.sound):
            if stream is not None:
                self._streams[stream.index] = self._container.add_stream_from_template(stream)
        self._decoded: dict[int, int] = {}

    def add(self, packet: Any, *, is_main: bool) -> None:
        """Write a packet; one that runs back is left out, since no container takes it."""
        base = packet.time_base
        shift = round((LEAD_SECONDS - self.start) / base)
        index, pts, dts = packet.stream.index, packet.pts, packet.dts if packet.dts is not None else packet.pts
        before = self._decoded.get(index, dts)
        if (dts <= before and index in self._decoded) or dts + shift < 0:
            return
        self._decoded[index] = dts
        if is_main:
            # The last packet of a stream may not tell how long it lasts.
            self.end = max(self.end, float((pts + (packet.duration or dts - before)) * base))
        packet.pts, packet.dts, packet.stream = pts + shift, dts + shift, self._streams[index]
        self._container.mux(packet)

    def close(self, end: float | None) -> None:
        """End the file.

        Args:
            end: timestamp where the next one begins; None for none.
        """
        self._container.close()
        self.end = self.end if end is None else end

    def look(self) -> tuple[tuple[int, int], bool]:
        """Return (width, height) of the pictures, as the first of them is decoded, and whether there is sound."""
        size, has_sound = (0, 0), False
        try:
            with open_container(self.path) as container:
                has_sound = any(s.type == "audio" and index in self._decoded for index, s in self._streams.items())
                for frame in container.decode(video=0) if container.streams.video else ():
                    size = (frame.width, frame.height)
                    break
        except (FFmpegError, ValueError):
            size = (0, 0)
        return size, has_sound


class _Lowest:
    """The lowest of the values that came within a minute or two."""

    def __init__(self) -> None:
        self._now = self._before = float("inf")
        self._since = time.monotonic()

    def add(self, value: float) -> None:
        """Take a value."""
        if time.monotonic() - self._since > _LATENESS_SECONDS:
            self._before, self._now, self._since = self._now, float("inf"), time.monotonic()
        self._now = min(self._now, value)

    @property
    def value(self) -> float:
        """The lowest."""
        return min(self._now, self._before)
