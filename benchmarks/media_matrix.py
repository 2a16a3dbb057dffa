"""The picture at a second, over containers, codecs, key pictures, offsets and damage: every picture shows its number.

    python benchmarks/media_matrix.py                 # all 1,000 and more combinations, some minutes
    python benchmarks/media_matrix.py --sample 100 --seed 7

Each combination is drawn and encoded when it is measured. `frames()` over the whole and over a range, and `frame_at()`
at chance seconds, are held against the times that were written; the worst error is how far a second lies outside the
time during which the picture that came for it is shown.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from videochat.errors import VideoChatError
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video

WIDTH, HEIGHT, BITS, LENGTH_SECONDS = 80, 48, 8, 8.0
RAW = ("h264", "hevc", "m4v", "mjpeg", "m2v", "ivf")
# (ending, format for PyAV, codecs, can begin later than 0, codec of sound)
CONTAINERS: tuple[tuple[str, str, tuple[str, ...], bool, str | None], ...] = (
    ("mp4", "mp4", ("libx264", "libx265", "mpeg4"), True, None),
    ("frag.mp4", "mp4", ("libx264",), True, None),
    ("mov", "mov", ("libx264", "mjpeg"), True, "pcm_s16le"),
    ("mkv", "matroska", ("libx264", "mpeg4", "ffv1", "libvpx", "mpeg2video"), True, "pcm_s16le"),
    ("webm", "webm", ("libvpx", "libvpx-vp9"), True, None),
    ("avi", "avi", ("libx264", "mpeg4", "mjpeg", "ffv1"), False, "pcm_s16le"),
    ("ts", "mpegts", ("libx264", "libx265", "mpeg2video"), True, "mp2"),
    ("mpg", "mpeg", ("mpeg2video", "mpeg1video"), True, "mp2"),
    ("flv", "flv", ("libx264", "flv"), True, None),
    ("wmv", "asf", ("wmv2",), True, None),
    ("nut", "nut", ("mpeg4", "ffv1"), True, "pcm_s16le"),
    ("ogv", "ogg", ("libtheora",), False, None),
    ("h264", "h264", ("libx264",), False, None),
    ("hevc", "hevc", ("libx265",), False, None),
    ("m4v", "m4v", ("mpeg4",), False, None),
    ("mjpeg", "mjpeg", ("mjpeg",), False, None),
    ("m2v", "mpeg2video", ("mpeg2video",), False, None),
    ("ivf", "ivf", ("libvpx",), False, None),
)
GOPS, OFFSETS, DAMAGES = (1, 12, 40, 1000), (0.0, 1.4, 77.7), ("", "packet", "bytes", "cut")
_INTRA = ("mjpeg", "ffv1")
_FIXED_RATES = ("mpeg2video", "mpeg1video")  # that cannot have ten pictures a second


@dataclass(frozen=True)
class Case:
    """One combination."""

    ending: str
    codec: str
    gop: int
    offset: float
    b_frames: int
    sound_lead: float | None
    damage: str

    def __str__(self) -> str:
        sound = "silent" if self.sound_lead is None else f"sound {self.sound_lead:+g} s"
        parts = [f".{self.ending}", self.codec, f"key every {self.gop}", f"B {self.b_frames}", f"from {self.offset:g}"]
        return ", ".join([*parts, sound, self.damage or "whole"])

    @property
    def rate(self) -> int:
        """Pictures a second."""
        return 25 if self.codec in _FIXED_RATES or self.ending == "mjpeg" else 10


def cases() -> list[Case]:
    """Return all combinations that can exist."""
    found = []
    for ending, _, codecs, may_begin_late, sound in CONTAINERS:
        for codec, gop, offset, damage in itertools.product(codecs, GOPS, OFFSETS, DAMAGES):
            if (offset and not may_begin_late) or (codec in _INTRA and gop > 1):
                continue
            if (damage, ending) in (("cut", "mp4"), ("cut", "mov"), ("packet", "frag.mp4"), ("packet", "ogv")):
                continue  # cannot be opened, or not be written
            leads: tuple[float | None, ...] = (None, 0.75, -0.5) if sound and not damage else (None,)
            reorders = codec in ("libx264", "mpeg4", *_FIXED_RATES) and gop > 1 and ending != "ivf"
            for lead in leads:
                # AVI stores no offset between its streams, and no container what comes before its zero.
                if lead is None or (ending != "avi" and lead <= offset):
                    found += [Case(ending, codec, gop, offset, b, lead, damage) for b in ((0, 2) if reorders else (0,))]
    return found


@dataclass(frozen=True)
class Drawn:
    """A file, and what is true of it."""

    path: Path
    times: list[float]
    """When each picture is shown, in seconds from the earliest of picture and sound."""
    unknown: tuple[float, float]
    """Seconds at which damage may show anything."""
    end: float
    """Where the last picture ends."""


def picture(number: int, noise: int = 0) -> np.ndarray:
    """Return a picture that shows a number as light and dark fields: uint8 luma and chroma, yuv420p."""
    chance = np.random.default_rng(number)
    image = (128 + chance.integers(-noise, noise + 1, (HEIGHT * 3 // 2, WIDTH))).astype(np.uint8)
    columns = BITS // 2
    for bit in range(BITS):
        row, column = divmod(bit, columns)
        top, left = row * HEIGHT // 2, column * WIDTH // columns
        image[top : top + HEIGHT // 2, left : left + WIDTH // columns] = 210 if number >> bit & 1 else 40
    return image


def read_number(image: np.ndarray) -> int:
    """Return the number that a picture shows, read from uint8 RGB of shape (height, width, 3)."""
    columns, number = BITS // 2, 0
    height, width, _ = image.shape
    for bit in range(BITS):
        row, column = divmod(bit, columns)
        y, x = (row * 2 + 1) * height // 4, (column * 2 + 1) * width // (columns * 2)
        number |= int(image[y - 4 : y + 4, x - 4 : x + 4].mean() > 127) << bit
    return number


def draw(case: Case, folder: Path, chance: random.Random) -> Drawn:
    """Encode one combination."""
    path = folder / f"coded.{case.ending}"
    count = round(LENGTH_SECONDS * case.rate)
    broken = chance.randrange(count // 4, count * 3 // 4) if case.damage == "packet" else None
    if case.ending == "ogv":
        _theora(path, case, count)
        start = 0.0
    else:
        start = _mux(path, case, count, broken)
    times = [(start if case.ending not in RAW else 0.0) + n / case.rate for n in range(count)]
    unknown, end = (0.0, 0.0), times[-1] + 1 / case.rate
    if broken is not None:
        # What is coded from the damaged picture is lost with it: up to the next key picture and a few around.
        key = (broken // case.gop + 1) * case.gop
        unknown = (times[max(broken - 4, 0)], times[0] + (key + 4) / case.rate)
        if case.ending in RAW:
            unknown = (unknown[0], 1e9)  # without times, what is lost shifts what follows, for players too
    if case.damage == "bytes":
        data = bytearray(path.read_bytes())
        middle = len(data) // 2 // 188 * 188
        data[middle : middle + 376] = chance.randbytes(376)
        path.write_bytes(bytes(data))
        unknown = (0.0, 1e9)  # anywhere: the two ways of reading are held against each other
    if case.damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
        end = 0.0
    return Drawn(path, times, unknown, end)


def _mux(path: Path, case: Case, count: int, broken: int | None) -> float:
    """Write a file; return how much later than its beginning the first picture is shown."""
    name, sound_codec = next((row[1], row[4]) for row in CONTAINERS if row[0] == case.ending)
    options = {"movflags": "frag_keyframe+empty_moov"} if case.ending == "frag.mp4" else {}
    begins: list[float] = []
    with av.open(str(path), "w", format=name, options=options) as container:
        stream: Any = container.add_stream(case.codec, rate=case.rate)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if case.codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = case.gop
        if case.codec not in (*_INTRA, "libx265"):
            stream.codec_context.max_b_frames = case.b_frames
        stream.options = {
            "libx264": {"preset": "ultrafast", "bf": str(case.b_frames), "sc_threshold": "0"},
            "libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:keyint={case.gop}"},
            "libvpx": {"deadline": "realtime", "cpu-used": "8"},
            "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        }.get(case.codec, {"qmin": "2", "qmax": "6", "sc_threshold": "1000000000"} if case.codec not in _INTRA else {})
        sound: Any = container.add_stream(sound_codec, rate=16_000) if case.sound_lead is not None else None
        packets = []
        for number in [*range(count), None]:
            frame: Any = None
            if number is not None:
                # Where many pictures share a packet of a program stream, its time is that of one of them only.
                frame = av.VideoFrame.from_ndarray(picture(number, 120 if case.ending == "mpg" else 0), "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, case.rate)
            packets += stream.encode(frame)
        shift = round(case.offset / packets[0].time_base)
        begins.append(float(shift * packets[0].time_base))
        for packet in packets:
            shown = float(packet.pts * packet.time_base)
            if broken is not None and round(shown * case.rate) == broken:
                packet.update(b"\xff" * packet.size)
            packet.pts += shift
            packet.dts = packet.dts + shift if packet.dts is not None else None
        if sound is not None and case.sound_lead is not None:
            samples = np.zeros((1, 16_000), np.int16)
            heard = []
            for second in [*range(round(LENGTH_SECONDS)), None]:
                block: Any = None
                if second is not None:
                    block = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                    block.sample_rate, block.pts, block.time_base = 16_000, second * 16_000, Fraction(1, 16_000)
                heard += sound.encode(block)
            late = round((case.offset - case.sound_lead) / heard[0].time_base)
            for packet in heard:
                packet.pts += late
                packet.dts = packet.pts
            begins.append(float(heard[0].pts * heard[0].time_base))
            packets = sorted([*packets, *heard], key=lambda packet: float((packet.dts or 0) * packet.time_base))
        for packet in packets:
            container.mux(packet)
    return begins[0] - min(begins)


def _theora(path: Path, case: Case, count: int) -> None:
    command = [ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(case.rate), "-i", "pipe:", "-c:v", case.codec, "-q:v", "9", "-g", str(case.gop), str(path)]
    data = b"".join(picture(number).tobytes() for number in range(count))
    subprocess.run(command, input=data, check=True)


def measure(case: Case, folder: Path, chance: random.Random) -> tuple[float, str]:
    """Return the worst error of a combination in seconds, and what was wrong in words (empty: nothing)."""
    drawn = draw(case, folder, chance)
    video = Video(drawn.path)
    low, high = drawn.unknown
    # Timestamps are rounded to the ticks of the container.
    slack = 0.0011
    worst, words = 0.0, ""
    pictures = list(video.frames(None))
    last = pictures[-1].seconds if pictures else 0.0
    whole = not case.damage
    if whole and abs(video.duration_seconds - drawn.end) > 0.6 + abs(case.sound_lead or 0):
        return 9.0, f"lasts {video.duration_seconds:.3f} s instead of {drawn.end:.3f}"
    if whole and [read_number(frame.image) for frame in pictures] != list(range(len(drawn.times))):
        numbers = [read_number(frame.image) for frame in pictures]
        return 9.0, f"{len(numbers)} pictures of {len(drawn.times)}: {numbers[:6]} ... {numbers[-3:]}"

    def error_of(seconds: float, number: int) -> float:
        if number >= len(drawn.times):
            return 9.0
        begin = drawn.times[number] if number else 0.0
        after = drawn.times[number + 1] if number + 1 < len(drawn.times) else 1e9
        return max(begin - seconds, seconds - after, 0.0)

    def check(seconds: float, image: np.ndarray, how: str) -> None:
        nonlocal worst, words
        if low <= seconds <= high or (case.damage == "cut" and seconds > last - 0.5):
            return
        error = error_of(seconds, read_number(image))
        if error > slack and error > worst:
            words = f"{how} at {seconds:.3f} s gave picture {read_number(image)}, {error:.3f} s off"
        worst = max(worst, error)

    begin = chance.uniform(0.0, max(last - 1.0, 0.1))
    end = min(begin + chance.uniform(0.5, 3.0), video.duration_seconds)
    taken = [*video.frames(0.5), *video.frames(0.37, begin, end)]
    for frame in taken:
        check(frame.seconds, frame.image, "frames()")
    wanted = [0.0, *(chance.uniform(0.0, last) for _ in range(8)), *(frame.seconds for frame in taken[::3])]
    for frame in video.frames(at_seconds=wanted):
        check(frame.seconds, frame.image, "frame_at()")
        same = [read_number(other.image) for other in taken if other.seconds == frame.seconds]
        # Where bytes are lost, what is whole for the one way of reading is whole for the other.
        if same and same[0] != read_number(frame.image) and error_of(frame.seconds, same[0]) <= slack:
            worst = max(worst, error_of(frame.seconds, read_number(frame.image)))
            words = words or f"at {frame.seconds:.3f} s frames() gave {same[0]}, frame_at() {read_number(frame.image)}"
    return worst, words if worst > slack else ""


def main() -> int:
    """Walk the combinations and print those that are wrong, and the worst error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, help="only so many, drawn by chance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only combinations whose words hold this")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    wanted = [case for case in cases() if arguments.only in str(case)]
    if arguments.sample:
        wanted = chance.sample(wanted, min(arguments.sample, len(wanted)))
    worst, wrong = (0.0, ""), 0
    with tempfile.TemporaryDirectory() as folder:
        for case in wanted:
            try:
                error, words = measure(case, Path(folder), chance)
            except VideoChatError as problem:
                error, words = 9.0, str(problem)
            if words:
                wrong += 1
                print(f"{case}: {words}", flush=True)
            worst = max(worst, (error, str(case)))
    print(f"{len(wanted)} combinations, {wrong} wrong; worst error {worst[0] * 1000:.3f} ms ({worst[1]})")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
