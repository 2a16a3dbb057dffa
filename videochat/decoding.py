"""Pictures and sound of one stream, decoded in order, each with its second; damage costs only what is damaged."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import av
from av.error import FFmpegError

from videochat.clock import Clock, Follower, cannot_be_sought
from videochat.local_files import open_container, packets_of
from videochat.stills import Still

# Decoding of sound begins this long before it is wanted: codecs settle over their first packets.
_SETTLING_SECONDS = 1.0
_STEPS_BACK_SECONDS = (0.0, 1.0, 10.0, 60.0)
# Where so many packets give no picture, none will come.
_MOST_PACKETS = 3000
# So many pictures later than it entered may a picture leave the decoder.
_LONGEST_REORDERING = 5
# Times of containers are rounded by less than this.
_ROUNDING_SECONDS = 0.0011


@dataclass(frozen=True)
class Track:
    """A stream of a file: where it lies, and how its times are told."""

    path: Path
    """The file."""
    index: int
    """Of the stream in the file."""
    clock: Clock
    """How seconds follow from timestamps."""
    timing: Literal["presentation", "decoding", "none"] = "presentation"
    """Which times the container stores. AVI stores when a picture is decoded, raw streams store nothing."""
    lag_seconds: float = 0.0
    """Where only decoding times are stored: how much later a picture leaves the decoder than it entered."""
    still: Still | None = None
    """Instead of a stream: a photo, or an animation that FFmpeg does not play."""
    parts: Callable[[float], Iterable[tuple[Track, bool]]] | None = None
    """Instead of a stream: given a second, the tracks of the files that it goes on in from there on, in order, each
    with whether something is missing before it."""


@dataclass(frozen=True)
class First:
    """The first picture or piece of sound of a stream."""

    raw_seconds: float
    """Its timestamp, as the file counts."""
    frame: Any
    """`av.VideoFrame` or `av.AudioFrame`."""
    timing: Literal["presentation", "decoding", "none"]
    """As for a `Track`."""
    lag_seconds: float
    """As for a `Track`."""
    begins_seconds: float
    """Where its stream begins, as the file counts: earlier where what comes first cannot be decoded."""


@dataclass(frozen=True)
class Decoded:
    """A picture or a piece of sound."""

    seconds: float
    """When it is shown or heard."""
    frame: Any
    """`av.VideoFrame` or `av.AudioFrame`."""
    length_seconds: float
    """How long it lasts, as the file says; 0 where it does not."""
    after_damage: bool
    """Whether something between it and the one before could not be decoded."""


def first_of(container: Any, pictures: Any, sound: Any) -> tuple[First | None, First | None]:
    """Return the first picture and the first piece of sound that can be decoded, read in one go.

    Sound that begins more than a second after the first picture is None, like what cannot be decoded.

    Args:
        container: the open file, at its beginning.
        pictures: the stream of pictures, or None.
        sound: the stream of sound, or None.
    """
    wanted = [stream for stream in (pictures, sound) if stream is not None]
    found: dict[int, First] = {}
    keys: dict[int, list[float]] = {stream.index: [] for stream in wanted}
    shown: dict[int, float] = {}
    try:
        for number, packet in enumerate(packets_of(container, wanted)):
            stream = packet.stream
            if packet.dts is not None and (packet.is_keyframe or not keys[stream.index]):
                keys[stream.index].append(float(packet.dts * packet.time_base))
            if packet.pts is not None and packet.size and not packet.is_discard:
                at = float(packet.pts * packet.time_base)
                shown[stream.index] = min(at, shown.get(stream.index, at))
            if stream.index not in found and (packet.size or packet.dts is None):
                try:
                    frames = packet.decode()
                except (FFmpegError, ValueError):
                    frames = []
                if frames:
                    found[stream.index] = _first(container, stream, frames[0], keys[stream.index], shown)
            if len(found) == len(wanted) or number > _MOST_PACKETS:
                break
            came = found.get(pictures.index) if pictures is not None else None
            if came and packet.dts is not None and float(packet.dts * packet.time_base) > came.raw_seconds + 1.0:
                break
    except FFmpegError:
        pass  # what came before the damage is what there is
    return tuple(None if stream is None else found.get(stream.index) for stream in (pictures, sound))  # type: ignore[return-value]  # two


def _first(container: Any, stream: Any, frame: Any, keys: list[float], shown: dict[int, float]) -> First:
    base = frame.time_base or stream.time_base
    if frame.pts is None:
        return First(0.0, frame, "none", 0.0, 0.0)
    pictures = stream.type == "video"
    # A few that lean on a picture before the first belong to nothing; more than that are lost, and had their time.
    longest = _LONGEST_REORDERING / float((pictures and stream.average_rate) or 25) + _ROUNDING_SECONDS
    if container.format.name == "avi" and pictures and frame.dts is not None and keys:
        left = float(frame.dts * base)
        # Where the first key pictures are damaged, it is one of the next that leaves the decoder first.
        entered = next((key for key in keys if left - key <= longest), keys[-1])
        return First(entered, frame, "decoding", left - entered, keys[0])
    raw = float(frame.pts * base)
    begins = shown.get(stream.index, raw)
    return First(raw, frame, "presentation", 0.0, begins if pictures and raw - begins > longest else raw)


def decoded_from(track: Track, start_seconds: float) -> Iterator[Decoded]:
    """Decode a stream from what is shown or heard at a second on, in order, to the end of the file.

    The first item lies at or before `start_seconds`, if anything does that can be decoded. Seeking is checked: key
    pictures are listed late by some containers, and those without an index put a reader between two of them.

    Args:
        track: the stream.
        start_seconds: first second wanted.

    Raises:
        MediaError: it is a picture that cannot be read any more.
    """
    if track.parts is not None:
        yield from _joined(track.parts(start_seconds), start_seconds)
        return
    if track.still is not None:
        for seconds, image, length in track.still.pictures():
            yield Decoded(seconds, av.VideoFrame.from_ndarray(image, "rgb24"), length, after_damage=False)
        return
    with open_container(track.path) as container:
        reader = _Reader(track, container)
        for back in _STEPS_BACK_SECONDS:
            # Near the beginning nothing is won by seeking, and a file that is not sought cannot mislead.
            if start_seconds - back <= 0.5 or not reader.seek(start_seconds - back):
                break
            items = reader.read()
            first = next(items, None)
            # A key picture that is damaged shows less when nothing came before it.
            if (
                first is not None
                and first.seconds <= start_seconds
                and not (first.after_damage or first.frame.is_corrupt)
            ):
                yield first
                yield from items
                return
    with open_container(track.path) as container:
        yield from _Reader(track, container).read(skip_until=start_seconds)


def _joined(parts: Iterable[tuple[Track, bool]], start_seconds: float) -> Iterator[Decoded]:
    """Decode one file after another; one that was removed meanwhile is passed over."""
    missing = False
    for part, follows_hole in parts:
        missing = missing or follows_hole
        try:
            for item in decoded_from(part, start_seconds):
                yield replace(item, after_damage=True) if missing else item
                missing = False
        except FFmpegError:
            missing = True


class _Reader:
    def __init__(self, track: Track, container: Any) -> None:
        self.track, self.container = track, container
        self.stream: Any = container.streams[track.index]
        self.stream.thread_type = "AUTO"
        self.follower = Follower(track.clock)
        self.sought = False
        for other in container.streams:
            if other.index != track.index:
                other.discard = av.stream.Discard.all

    @property
    def is_sound(self) -> bool:
        return bool(self.stream.type == "audio")

    def seek(self, seconds: float) -> bool:
        """Go to a place from which the picture or sound of a second can be decoded; return whether that is possible."""
        track = self.track
        if track.timing == "none" or cannot_be_sought(self.container, track.path):
            return False
        if self.is_sound:
            seconds -= _SETTLING_SECONDS
        try:
            if track.clock.key_bytes and not self.is_sound:
                found = track.clock.key_before(seconds)
                if found is None:
                    return False
                self.follower = Follower(track.clock, found[1])
                self.container.seek(found[0], unsupported_byte_offset=True)
            elif len(track.clock.stretches) > 1:
                return False
            else:
                raw = seconds - track.clock.stretches[0].shift
                self.container.seek(int(raw // self.stream.time_base), stream=self.stream, backward=True)
        except (FFmpegError, OverflowError):
            return False
        self.sought = True
        return True

    def read(self, skip_until: float = 0.0) -> Iterator[Decoded]:
        """Yield what is decoded, in order; sound that ends well before `skip_until` is passed over undecoded."""
        last: float = -math.inf
        held: Decoded | None = None
        for item in self._all(skip_until):
            if held is not None and item.seconds > held.seconds:
                yield held
                last, held = held.seconds, item
            elif item.seconds > last:
                # What runs ahead of what follows has a wrong time; where there is room, it follows the one before.
                if held is not None and held.length_seconds and not (held.after_damage or self.is_sound):
                    placed = last + held.length_seconds
                    if -math.inf < placed < item.seconds - _ROUNDING_SECONDS:
                        yield replace(held, seconds=placed)
                        last = placed
                held = item
        if held is not None:
            yield held

    def _all(self, skip_until: float) -> Iterator[Decoded]:
        # Where a seek has led to is not known before a picture says it.
        follows, length, damaged = math.nan if self.sought else 0.0, 0.0, False
        begun = not self.sought or self.is_sound
        for frames in self._frames(skip_until):
            if frames is None:
                damaged = True
                if self.track.timing == "none":
                    follows += length  # the lost picture had its time
                continue
            for frame in frames:
                # After a seek, what comes before the first key picture lacks what it was coded from.
                if not begun and not frame.key_frame:
                    continue
                begun = True
                base = float(frame.time_base or self.stream.time_base)
                seconds = self._seconds(frame, base, follows)
                if seconds is not None and seconds < follows - _ROUNDING_SECONDS and not self.is_sound:
                    seconds = self._in_order(frame, base, follows, seconds)
                length = frame.samples / frame.sample_rate if self.is_sound else (frame.duration or 0) * base
                if seconds is None and not self.is_sound:
                    seconds = follows  # its timestamp is damaged, and the picture is not
                if seconds is None or math.isnan(seconds):
                    continue
                follows = seconds + length
                yield Decoded(seconds, frame, length, damaged)
                damaged = False

    def _frames(self, skip_until: float) -> Iterator[list[Any] | None]:
        """Yield the frames that each packet brings out of the decoder; None where it cannot be decoded."""
        skipping = Follower(self.track.clock) if self.is_sound and not self.sought else None
        packets = packets_of(self.container, [self.stream])
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:
                packet = None
            is_end = packet is None or (packet.pts is None and packet.dts is None and not packet.size)
            if packet is not None and not is_end:
                if not packet.size:
                    continue  # the picture before is repeated
                if skipping and packet.pts is not None:
                    seconds = skipping.seconds(self.track.index, float(packet.pts * packet.time_base))
                    if seconds is not None and seconds < skip_until - _SETTLING_SECONDS:
                        continue
            try:
                yield self.stream.codec_context.decode(None if is_end else packet)
            except (FFmpegError, ValueError):
                yield None
            if is_end:
                return

    def _in_order(self, frame: Any, base: float, follows: float, seconds: float) -> float:
        """Return the second of a picture whose time lies before its turn: that of its decoding, if that is its turn."""
        if self.track.timing != "presentation" or frame.dts is None:
            return seconds
        # Program streams give a picture the time of another that begins in the same packet.
        decoded = self.follower.seconds(self.track.index, frame.dts * base)
        return seconds if decoded is None or abs(decoded - follows) > _ROUNDING_SECONDS else decoded

    def _seconds(self, frame: Any, base: float, follows: float) -> float | None:
        stamp = frame.dts if self.track.timing == "decoding" else frame.pts
        if self.track.timing == "none" or stamp is None:
            return follows
        return self.follower.seconds(self.track.index, stamp * base - self.track.lag_seconds)


def last_end(track: Track, near_seconds: float) -> float:
    """Return where the last picture of a stream ends, looking from near the end of the file on.

    Args:
        track: the stream.
        near_seconds: where the header says that the file ends.
    """
    end = 0.0
    with contextlib.suppress(FFmpegError), open_container(track.path) as container:
        reader = _Reader(track, container)
        if reader.seek(near_seconds):
            for packet in packets_of(container, [reader.stream]):
                stamp = packet.dts if track.timing == "decoding" else packet.pts
                if stamp is not None:
                    raw = float((stamp + (packet.duration or 0)) * packet.time_base)
                    end = max(end, reader.follower.seconds(track.index, raw) or 0.0)
    return end
