"""Clock of a file: which second each of its packets belongs to, also where recordings were joined or lack a header.

Containers with an index (MP4, Matroska, AVI ...) count one time from end to end. Broadcast and raw formats do not: the
clock of a transport stream jumps where two recordings were put together, and the length of an MP3 is guessed from its
first seconds. Those are read once, packet by packet and without decoding, when their length or a picture is first
asked for.
"""

from __future__ import annotations

import bisect
import contextlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from videochat.intervals import clock as clock_text
from videochat.local_files import open_container, packets_of

# AVFMT_* of libavformat.
_NO_TIMESTAMPS, _GENERIC_INDEX, _TIMES_MAY_JUMP = 0x80, 0x100, 0x200

# A clock that runs back, or this far ahead of all streams, has jumped; the same limits as in ffmpeg and its player.
_JUMP_BACK_SECONDS, _JUMP_AHEAD_SECONDS = 0.5, 10.0
# A run of so few packets is a damaged timestamp, not a recording of its own.
_STRAY_PACKETS = 8
# No clock of a recording jumps by centuries; a damaged timestamp does.
_LONGEST_JUMP_SECONDS = 1e10
# Keys of an MXF (SMPTE ST 377-1): the random index pack, which closes it, and the packs that begin its partitions.
_MXF_INDEX, _MXF_PARTITION = (bytes.fromhex(f"060e2b34020501010d01020101{end}") for end in ("110100", ""))
_MXF_END_BYTES = 2**16
_KEY_SPACING_SECONDS = 0.5
_UNREAD_SECONDS = 1.0


@dataclass
class Stretch:
    """Packets whose timestamps count on from each other."""

    raw_start: float
    """Earliest timestamp in seconds, as the file counts."""
    raw_end: float
    """Where the last packet ends, as the file counts."""
    shift: float = 0.0
    """What to add to a timestamp to get the second."""
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)
    """First and last timestamp of each stream."""
    packets: int = 0
    """How many."""


@dataclass(frozen=True)
class Clock:
    """How seconds follow from timestamps."""

    stretches: tuple[Stretch, ...]
    """One, or as many as the clock jumps."""
    end_seconds: float | None = None
    """Where the last packet ends; None for files that were not read to the end."""
    key_seconds: array[float] = field(default_factory=lambda: array("d"))
    """When key pictures are shown, ascending; empty where the container has its own index."""
    key_bytes: array[int] = field(default_factory=lambda: array("q"))
    """Where in the file each of them begins."""
    key_stretches: array[int] = field(default_factory=lambda: array("q"))
    """In which stretch each of them lies."""
    unread_seconds: float = 0.0
    """For how long other streams of pictures go on after the last packet."""

    @property
    def jumps(self) -> list[tuple[float, str]]:
        """Where the clock of the file jumps: the second, and what happens there in a sentence."""
        found = [
            (
                after.raw_start + after.shift,
                f"the clock of the file jumps {'ahead' if after.raw_start > before.raw_end else 'back'} by "
                f"{clock_text(abs(after.raw_start - before.raw_end))} here: recordings were joined, or a part is "
                "missing; seconds go on without what is not there",
            )
            for before, after in zip(self.stretches, self.stretches[1:], strict=False)
        ]
        if self.unread_seconds:
            unread = clock_text(self.unread_seconds)
            what = f"the file goes on for {unread} in another stream (its PID or program changes), which is not read"
            found.append((self.end_seconds or 0.0, what))
        return found

    def key_before(self, seconds: float) -> tuple[int, int] | None:
        """Return (byte, stretch) of the last key picture shown at or before a second, or None."""
        place = bisect.bisect_right(self.key_seconds, seconds) - 1
        return (self.key_bytes[place], self.key_stretches[place]) if place >= 0 else None


class Follower:
    """Turns timestamps into seconds while packets are read in the order of the file.

    Args:
        clock: of the file.
        stretch: in which the reading begins.
    """

    def __init__(self, clock: Clock, stretch: int = 0) -> None:
        self._stretches = clock.stretches
        self._first = stretch
        self._at: dict[int, tuple[int, float]] = {}

    def seconds(self, stream: int, raw: float) -> float | None:
        """Return the second of a packet with the timestamp `raw`; None for a damaged one."""
        if not self._stretches[0].ranges:
            return raw + self._stretches[0].shift  # the file was not read; its container keeps one time
        place, last = self._at.get(stream, (self._first, raw))
        if raw < last - _JUMP_BACK_SECONDS:
            place += 1
        for number in range(place, len(self._stretches)):
            low, high = self._stretches[number].ranges.get(stream, (0.0, -1.0))
            if low - 1e-6 <= raw <= high + 1e-6:
                self._at[stream] = (number, raw)
                return raw + self._stretches[number].shift
        return None


def must_be_read(container: Any) -> bool:
    """Return whether only reading a file to its end tells its length and its jumps."""
    loose = bool(container.format.flags & (_NO_TIMESTAMPS | _GENERIC_INDEX | _TIMES_MAY_JUMP))
    return loose or container.format.name == "flv" or not container.duration or container.duration < 0


def cannot_be_sought(container: Any, path: Path) -> bool:
    """Return whether a place can only be reached by reading up to it.

    So it is where a format stores pictures or sound and nothing else (raw H.264, MP3 ...), and in an MXF that lacks a
    part: FFmpeg believes its index, or guesses at which second it has arrived.
    """
    if container.format.name == "mxf":
        return not _has_all_partitions(path)
    return bool(container.format.flags & (_NO_TIMESTAMPS | _GENERIC_INDEX)) and container.format.name != "ivf"


def _has_all_partitions(path: Path) -> bool:
    """Return whether each partition of an MXF lies where the random index pack at its end says."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - _MXF_END_BYTES, 0))
        _, found, pack = file.read().rpartition(_MXF_INDEX)
        # Behind the key: how long the pack is (one byte, and as many as its low bits say), entries, the whole length.
        head = 1 + (pack[0] & 0x7F if pack and pack[0] & 0x80 else 0)
        entries = pack[head:-4]
        if not found or not entries or len(entries) % 12:
            return False
        for entry in range(0, len(entries), 12):
            file.seek(int.from_bytes(entries[entry + 4 : entry + 12], "big"))
            if file.read(len(_MXF_PARTITION)) != _MXF_PARTITION:
                return False
    return True


def read_clock(path: Path, zero_seconds: float, pictures: int | None, sound: int | None) -> Clock:
    """Read a file to its end, without decoding, and return its clock.

    Args:
        path: the file.
        zero_seconds: timestamp of second 0.
        pictures: index of the stream of pictures, if there is one.
        sound: index of the stream of sound, if there is one.
    """
    reading = _Reading()
    with open_container(path) as container:
        wanted = [index for index in (pictures, sound) if index is not None]
        jumps = bool(container.format.flags & _TIMES_MAY_JUMP) or container.format.name in ("flv", "ivf")
        by_bytes = container.format.name in ("mpegts", "mpeg")
        others = [s.index for s in container.streams.video if s.index != pictures] if by_bytes else []
        # The last picture of a stream is handed out when the next one comes, or at the end: its place tells.
        last, places, lengths = -1, array("q"), array("d")
        for packet, raw, length in _timed(container, [*wanted, *others]):
            at = packet.pos if packet.pos is not None else -1
            if packet.stream_index in others:
                places.append(at)
                lengths.append(length)
                continue
            last = max(last, at) if packet.stream_index == pictures else last
            stretch = reading.place(packet.stream_index, raw, length, jumps=jumps)
            if by_bytes and packet.stream_index == pictures:
                reading.note_key(packet, stretch)
    clock = reading.clock(zero_seconds)
    unread = sum(length for at, length in zip(places, lengths, strict=True) if at > last)
    return replace(clock, unread_seconds=unread) if pictures is not None and unread > _UNREAD_SECONDS else clock


def _timed(container: Any, wanted: list[int]) -> Iterator[tuple[Any, tuple[float, float], float]]:
    """Yield packets with (decoding, presentation) timestamp and length in seconds, as the file counts them."""
    before: dict[int, tuple[float, float]] = {}
    with contextlib.suppress(FFmpegError):
        for packet in packets_of(container, [container.streams[index] for index in wanted]):
            if packet.dts is None and packet.pts is None and not packet.size:
                continue  # the mark of the end
            tick = float(packet.time_base)
            last, length = before.get(packet.stream_index, (0.0, 0.0))
            pts = packet.pts * tick if packet.pts is not None else None
            dts = packet.dts * tick if packet.dts is not None else None
            # Raw pictures carry no time: they follow one another.
            decoding = dts if dts is not None else pts if pts is not None else last + length
            # A length that is not said is that of the packet before.
            length = (packet.duration or 0) * tick or (decoding - last if 0 < decoding - last < 1 else length)
            before[packet.stream_index] = (decoding, length)
            yield packet, (decoding, pts if pts is not None else decoding), length


class _Reading:
    """What is known of a file while it is read packet by packet."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.latest: list[dict[int, float]] = []  # decoding time of each stream's last packet, for each stretch
        # The same, the end of the stretch and the range of the stream as they were before that packet.
        self.before: dict[tuple[int, int], tuple[float, float, tuple[float, float]]] = {}
        self.current: dict[int, int] = {}
        self.left: set[int] = set()  # stretches from which a stream went back to an earlier one
        self.keys: list[tuple[float, int, int]] = []  # (timestamp, byte, stretch)
        self.byte = 0

    def place(self, stream: int, raw: tuple[float, float], length: float, *, jumps: bool) -> int:
        """Put a packet into the stretch in which its clock goes on, or into a new one; return its number."""
        decoding, shown = raw
        if self.stretches and shown < min(decoding, self.stretches[0].raw_start + 2 * _JUMP_BACK_SECONDS):
            # Nothing is shown before it is decoded: where a clock begins anew, that was reckoned on from the old one.
            decoding = shown if shown < decoding - _JUMP_BACK_SECONDS else decoding
        number = self.current.get(stream, 0)
        if jumps and self.stretches:
            self._take_back(number, stream, decoding)
        if not self.stretches or (jumps and not self._goes_on(number, stream, decoding, strictly=self._is_new(number))):
            recent = range(len(self.stretches) - 1, max(len(self.stretches) - 4, -1), -1)
            fitting = (other for other in recent if other != number and self._goes_on(other, stream, decoding))
            before, number = number, next(fitting, len(self.stretches))
            if number < before:
                self.left.add(before)
            if number == len(self.stretches):
                self.stretches.append(Stretch(shown, shown))
                self.latest.append({})
        self.current[stream] = number
        stretch = self.stretches[number]
        if stream in stretch.ranges:
            self.before[number, stream] = (self.latest[number][stream], stretch.raw_end, stretch.ranges[stream])
        self.latest[number][stream] = decoding
        stretch.packets += 1
        stretch.raw_start = min(stretch.raw_start, shown)
        stretch.raw_end = max(stretch.raw_end, shown + length)
        low, high = stretch.ranges.get(stream, (shown, shown))
        stretch.ranges[stream] = (min(low, decoding, shown), max(high, decoding, shown))
        return number

    def _take_back(self, number: int, stream: int, decoding: float) -> None:
        """Forget the last packet of a stream if its time ran ahead and this one goes on from the one before."""
        last = self.latest[number].get(stream)
        if last is None or decoding >= last - _JUMP_BACK_SECONDS or (number, stream) not in self.before:
            return
        latest, raw_end, around = self.before[number, stream]
        if latest < decoding <= latest + 2 * _JUMP_BACK_SECONDS:
            stretch = self.stretches[number]
            self.latest[number][stream], stretch.ranges[stream] = latest, around
            stretch.raw_end = max(raw_end, *self.latest[number].values())

    def _is_new(self, number: int) -> bool:
        return number > 0 and self.stretches[number].packets <= _STRAY_PACKETS

    def _goes_on(self, number: int, stream: int, decoding: float, *, strictly: bool = False) -> bool:
        """Return whether a clock goes on here; strictly, also whether it does not go on better from the one before."""
        stretch, last = self.stretches[number], self.latest[number].get(stream)
        if decoding > stretch.raw_end + _JUMP_AHEAD_SECONDS:
            return False
        if strictly and last is not None and decoding > last + 2 * _JUMP_BACK_SECONDS:
            earlier = self.latest[number - 1].get(stream)
            if earlier is not None and earlier < decoding <= earlier + 2 * _JUMP_BACK_SECONDS:
                return False
        back = stretch.raw_start - _JUMP_AHEAD_SECONDS if last is None else last - _JUMP_BACK_SECONDS
        return decoding >= back

    def note_key(self, packet: Any, stretch: int) -> None:
        """Remember where a key picture begins."""
        # Several pictures may share a piece of the container; its place is that of the first.
        self.byte = packet.pos if packet.pos is not None and packet.pos >= 0 else self.byte
        if packet.is_keyframe and packet.pts is not None:
            seconds = float(packet.pts * packet.time_base)
            if self.keys and self.keys[-1][2] == stretch and 0 <= seconds - self.keys[-1][0] < _KEY_SPACING_SECONDS:
                return
            self.keys.append((seconds, self.byte, stretch))

    def _is_stray(self, number: int, stretch: Stretch) -> bool:
        apart = abs(stretch.raw_start - self.stretches[0].raw_start)
        return apart > _LONGEST_JUMP_SECONDS or (number in self.left and stretch.packets <= _STRAY_PACKETS)

    def clock(self, zero_seconds: float) -> Clock:
        """Return the clock: stretches follow each other without a hole, and strays are left out."""
        if not self.stretches:
            return Clock((Stretch(zero_seconds, zero_seconds, -zero_seconds),))
        kept = [number for number, stretch in enumerate(self.stretches) if not self._is_stray(number, stretch)]
        end = 0.0
        for number in kept:
            stretch = self.stretches[number]
            stretch.shift = end - stretch.raw_start if number else -zero_seconds
            end = stretch.raw_end + stretch.shift
        renumbered = {number: place for place, number in enumerate(kept)}
        keys = sorted(
            (seconds + self.stretches[number].shift, byte, renumbered[number])
            for seconds, byte, number in self.keys
            if number in renumbered
        )
        return Clock(
            tuple(self.stretches[number] for number in kept),
            end,
            array("d", (key[0] for key in keys)),
            array("q", (key[1] for key in keys)),
            array("q", (key[2] for key in keys)),
        )
