"""The picture at a second, over containers, codecs, key pictures, offsets and damage: every picture shows its number.

    python benchmarks/media_matrix.py                 # all 2,000 and more combinations, half an hour
    python benchmarks/media_matrix.py --sample 100 --seed 7
    python benchmarks/media_matrix.py --only "open gop"

Each combination is drawn and encoded when it is measured. `frames()` over the whole and over a range, and `frame_at()`
at chance seconds, are held against the times that were written; the worst error is how far a second lies outside the
time during which the picture that came for it is shown. Where a file is damaged, what is right in what ffmpeg's own
program shows has to be right here too.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from videochat.errors import MediaError, VideoChatError
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder says much
WIDTH, HEIGHT, BITS, LENGTH_SECONDS = 80, 48, 8, 8.0
RAW = ("h264", "hevc", "m4v", "mjpeg", "m2v", "ivf", "obu", "y4m")
# (ending, format for PyAV, codecs, can begin later than 0, codec of sound)
CONTAINERS: tuple[tuple[str, str, tuple[str, ...], bool, str | None], ...] = (
    ("mp4", "mp4", ("libx264", "libx265", "mpeg4", "libsvtav1", "libvpx-vp9"), True, None),
    ("frag.mp4", "mp4", ("libx264",), True, None),
    ("mov", "mov", ("libx264", "mjpeg", "prores_ks"), True, "pcm_s16le"),
    ("mkv", "matroska", ("libx264", "mpeg4", "ffv1", "libvpx", "mpeg2video", "libx265"), True, "pcm_s16le"),
    ("webm", "webm", ("libvpx", "libvpx-vp9", "libsvtav1"), True, None),
    ("avi", "avi", ("libx264", "mpeg4", "mjpeg", "ffv1", "msmpeg4"), False, "pcm_s16le"),
    ("ts", "mpegts", ("libx264", "libx265", "mpeg2video"), True, "mp2"),
    ("m2ts", "mpegts", ("libx264",), True, None),
    ("mpg", "mpeg", ("mpeg2video", "mpeg1video"), True, "mp2"),
    ("vob", "vob", ("mpeg2video",), True, None),
    ("flv", "flv", ("libx264", "flv"), True, None),
    ("wmv", "asf", ("wmv2",), True, None),
    ("3gp", "3gp", ("mpeg4",), True, None),
    ("mxf", "mxf", ("mpeg2video",), False, None),
    ("nut", "nut", ("mpeg4", "ffv1"), True, "pcm_s16le"),
    ("rm", "rm", ("rv20",), False, None),
    ("ogv", "ogg", ("libtheora",), False, None),
    ("gif", "gif", ("gif",), False, None),
    ("apng", "apng", ("apng",), False, None),
    ("h264", "h264", ("libx264",), False, None),
    ("hevc", "hevc", ("libx265",), False, None),
    ("m4v", "m4v", ("mpeg4",), False, None),
    ("mjpeg", "mjpeg", ("mjpeg",), False, None),
    ("m2v", "mpeg2video", ("mpeg2video",), False, None),
    ("ivf", "ivf", ("libvpx",), False, None),
    ("obu", "obu", ("libsvtav1",), False, None),
    ("y4m", "yuv4mpegpipe", ("wrapped_avframe",), False, None),
)
GOPS, OFFSETS, DAMAGES = (1, 12, 40, 1000), (0.0, 1.4, 77.7), ("", "packet", "bytes", "cut")
MORE_DAMAGES = ("flips", "lost", "zeros")
RATES = ("24000/1001", "24", "30000/1001", "50", "60000/1001")
PIXELS = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le", "gif": "gray", "apng": "rgb24"}
_INTRA = ("mjpeg", "ffv1", "prores_ks", "gif", "apng", "wrapped_avframe")
_FIXED_RATES = ("mpeg2video", "mpeg1video")  # that cannot have ten pictures a second
_LOOSE_TIMES = ("mp4", "mov", "mkv", "webm", "ts", "m2ts", "flv", "wmv", "nut", "gif", "apng", "3gp")
_JOINABLE = ("ts", "m2ts", "mpg", "vob", "h264", "hevc", "m4v", "m2v", "mjpeg", "obu")
# What else a file may be: how its pictures are coded, timed, trimmed, turned or joined, and which files can be so.
_ONLY_X264 = {"open gop": "open-gop=1:keyint=12", "interlaced": "tff=1", "refresh": "intra-refresh=1:keyint=20"}


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
    shape: str = ""

    def __str__(self) -> str:
        sound = "silent" if self.sound_lead is None else f"sound {self.sound_lead:+g} s"
        parts = [f".{self.ending}", self.codec, f"key every {self.gop}", f"B {self.b_frames}", f"from {self.offset:g}"]
        return ", ".join([*parts, sound, self.damage or "whole", *([self.shape] if self.shape else [])])

    @property
    def is_damaged_by_chance(self) -> bool:
        """Whether nobody knows beforehand what of it is lost."""
        return self.damage in ("bytes", *MORE_DAMAGES)

    @property
    def rate(self) -> Fraction:
        """Pictures a second."""
        if self.shape in RATES:
            return Fraction(self.shape)
        return Fraction(25 if self.codec in _FIXED_RATES or self.ending in ("mjpeg", "obu") else 10)

    @property
    def count(self) -> int:
        """How many pictures."""
        return min(round(LENGTH_SECONDS * self.rate), 2**BITS - 1)


def cases() -> list[Case]:
    """Return all combinations that can exist."""
    found = []
    for ending, _, codecs, may_begin_late, sound in CONTAINERS:
        for codec, gop, offset, damage in itertools.product(codecs, GOPS, OFFSETS, DAMAGES):
            if (offset and not may_begin_late) or (codec in _INTRA and gop > 1):
                continue
            if (damage, ending) in (
                ("cut", "mp4"),
                ("cut", "mov"),
                ("cut", "3gp"),
                ("packet", "frag.mp4"),
                ("packet", "ogv"),
            ):
                continue  # cannot be opened, or not be written
            if ending == "mxf" and gop == GOPS[-1]:
                continue  # its index has no room
            if damage == "packet" and codec in ("libsvtav1", "wrapped_avframe"):
                continue  # FFmpeg looks into what it writes
            if damage and (offset == OFFSETS[-1] or (offset and gop != GOPS[1])):
                continue  # what is damaged does not depend on where its clock begins
            leads: tuple[float | None, ...] = (None, 0.75, -0.5) if sound and not damage else (None,)
            reorders = codec in ("libx264", "mpeg4", *_FIXED_RATES) and gop > 1 and ending != "ivf"
            for lead in leads:
                # AVI stores no offset between its streams, and no container what comes before its zero.
                if lead is None or (ending != "avi" and lead <= offset):
                    found += [Case(ending, codec, gop, offset, b, lead, damage) for b in ((0, 2) if reorders else (0,))]
    for ending, _, codecs, may_begin_late, _ in CONTAINERS:
        for codec in codecs:
            gop = 1 if codec in _INTRA else 12
            for damage in MORE_DAMAGES:
                found += [Case(ending, codec, each, 0.0, 0, None, damage) for each in {gop, 1 if gop == 1 else 40}]
            for shape in shapes(ending, codec):
                reorders = codec in ("libx264", "mpeg4", *_FIXED_RATES) and shape not in ("refresh", "gaps")
                for offset in OFFSETS[: 2 if may_begin_late else 1]:
                    found.append(Case(ending, codec, gop, offset, 2 if reorders else 0, None, "", shape))
    return found


def shapes(ending: str, codec: str) -> list[str]:
    """Return what else a file with this ending and codec may be."""
    found = [] if ending in RAW or ending in ("rm", "gif", "mxf") else list(RATES)
    if ending in _LOOSE_TIMES and codec not in _FIXED_RATES:
        found += ["uneven", "hole"]
    if ending == "avi":
        found.append("gaps")
    if ending in _JOINABLE:
        found += ["joined"] if ending in RAW else ["joined", "joined ahead"]
    if codec == "libx264":
        found += _ONLY_X264
    if codec == "mpeg2video":
        found.append("interlaced")
    if ending in ("mp4", "mov", "mkv") and codec in ("libx264", "mpeg4"):
        found.append("turned")
    if ending in ("mp4", "mov") and codec in ("libx264", "libx265"):
        found.append("trimmed")
    return found


@dataclass(frozen=True)
class Drawn:
    """A file, and what is true of it."""

    path: Path
    times: list[float]
    """When each picture is shown, in seconds from the earliest of picture and sound; what is trimmed away, before 0."""
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
    count = case.count
    broken = chance.randrange(count // 4, count * 3 // 4) if case.damage == "packet" else None
    ticks = list(range(count))
    if case.shape in ("uneven", "gaps"):
        steps = (1, 1, 2, 3) if case.shape == "gaps" else (20, 30, 40, 100, 100, 100, 120, 250)
        ticks = list(itertools.accumulate((chance.choice(steps) for _ in range(count - 1)), initial=0))
    if case.shape == "hole":
        ticks = [n + (n >= count // 2) * round(3 * case.rate) for n in ticks]
    tick = 0.001 if case.shape == "uneven" else float(1 / case.rate)
    keys: list[float] = []
    if case.shape.startswith("joined"):
        half = count // 2
        _write(path, case, range(half), ticks[:half], None)
        first = path.read_bytes()
        later = replace(case, offset=case.offset + 1000) if case.shape == "joined ahead" else case
        _write(path, later, range(half, count), ticks[: count - half], None)
        path.write_bytes(first + path.read_bytes())
        start = 0.0
    else:
        start, keys = _write(path, case, range(count), ticks, broken)
    times = [(start if case.ending not in RAW else 0.0) + n * tick for n in ticks]
    if case.shape == "trimmed":
        # At the edge of a picture: within one, players differ in what they show of it.
        _again(path, before=("-ss", "1.1"))
        times = [at - 1.1 for at in times]
    if case.shape == "turned":
        _again(path, before=("-display_rotation:v:0", "90"))
    unknown, end = (0.0, 0.0), times[-1] + 1 / case.rate
    if broken is not None:
        # What is coded from the damaged picture is lost with it: up to the next key picture and a few around.
        # An MXF has its times from the types of its pictures: where one is lost, those up to the key after it are off.
        later = [at for at in keys if at > (broken + 0.5) * tick][case.ending == "mxf" :]
        unknown = (times[max(broken - 4, 0)], times[0] + (later[0] if later else 1e9) + float(4 / case.rate))
        if case.ending in RAW:
            unknown = (unknown[0], 1e9)  # without times, what is lost shifts what follows, for players too
    if case.damage == "bytes":
        data = bytearray(path.read_bytes())
        middle = len(data) // 2 // 188 * 188
        data[middle : middle + 376] = chance.randbytes(376)
        path.write_bytes(bytes(data))
        unknown = (0.0, 1e9)  # anywhere: the two ways of reading, and those of ffmpeg's program, are held together
    if case.damage in MORE_DAMAGES:
        path.write_bytes(_damaged(path.read_bytes(), case, chance))
        unknown = (0.0, 1e9)
    if case.damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
        end = 0.0
    return Drawn(path, times, unknown, float(end))


def _damaged(data: bytes, case: Case, chance: random.Random) -> bytes:
    """Return a file with single bits turned over, packets lost or a block of zeros between its first and last third."""
    spoiled = bytearray(data)
    low, high = len(data) // 3, len(data) * 2 // 3
    packet = {"ts": 188, "m2ts": 192}.get(case.ending, 1)
    at = chance.randrange(low, high) // packet * packet
    length = max(len(data) // 100 // packet, 1) * packet
    if case.damage == "flips":
        for _ in range(5):
            spoiled[chance.randrange(low, high)] ^= 1 << chance.randrange(8)
    elif case.damage == "zeros":
        spoiled[at : at + length] = bytes(length)
    else:
        del spoiled[at : at + length]
    return bytes(spoiled)


def _write(path: Path, case: Case, numbers: range, ticks: list[int], broken: int | None) -> tuple[float, list[float]]:
    """Write a file; return when its first picture is shown, and when after that each key picture is, in seconds."""
    if case.ending != "ogv":
        return _mux(path, case, numbers, ticks, broken)
    _theora(path, case, numbers)
    return 0.0, []


def _again(path: Path, *, before: tuple[str, ...]) -> None:
    """Write a file once more without encoding it, with options for how it is read."""
    whole = path.with_name(f"whole.{path.name}")
    path.rename(whole)
    command = [ffmpeg_exe(), "-v", "error", "-y", *before, "-i", str(whole), "-c", "copy", str(path)]
    subprocess.run(command, check=True)


def _mux(path: Path, case: Case, numbers: range, ticks: list[int], broken: int | None) -> tuple[float, list[float]]:
    name, sound_codec = next((row[1], row[4]) for row in CONTAINERS if row[0] == case.ending)
    options = {"frag.mp4": {"movflags": "frag_keyframe+empty_moov"}, "m2ts": {"mpegts_m2ts_mode": "1"}}
    options = {**options, "apng": {"plays": "1"}}.get(case.ending, {})
    base = Fraction(1, 1000) if case.shape == "uneven" else 1 / case.rate
    begins: list[float] = []
    with av.open(str(path), "w", format=name, options=options) as container:
        stream: Any = container.add_stream(case.codec, rate=case.rate)
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = PIXELS.get(case.codec, "yuv420p")
        stream.codec_context.time_base = base
        stream.codec_context.gop_size = case.gop
        if case.codec not in (*_INTRA, "libx265"):
            stream.codec_context.max_b_frames = case.b_frames
        stream.options = _codec_options(case)
        sound: Any = container.add_stream(sound_codec, rate=16_000) if case.sound_lead is not None else None
        packets = []
        for number, tick in [*zip(numbers, ticks, strict=True), (None, 0)]:
            frame: Any = None
            if number is not None:
                # Where many pictures share a packet of a program stream, its time is that of one of them only.
                noise = 120 if case.ending in ("mpg", "vob") else 0
                frame = av.VideoFrame.from_ndarray(picture(number, noise), "yuv420p")
                if stream.pix_fmt not in ("yuv420p", "yuvj420p"):
                    frame = frame.reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base = tick, base
            packets += stream.encode(frame)
        shift = round(case.offset / packets[0].time_base)
        begins.append(float(shift * packets[0].time_base))
        keys = sorted(float(packet.pts * packet.time_base) for packet in packets if packet.is_keyframe)
        for packet in packets:
            shown = float(packet.pts * packet.time_base)
            if broken is not None and round(shown / float(base)) == broken:
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
    return begins[0] - min(begins), keys


def _codec_options(case: Case) -> dict[str, str]:
    options = {
        "libx264": {"preset": "ultrafast", "bf": str(case.b_frames), "sc_threshold": "0"},
        "libx265": {"preset": "ultrafast", "x265-params": f"log-level=none:keyint={case.gop}"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "12", "svtav1-params": "lp=1"},
    }.get(case.codec)
    if options is None:
        options = {} if case.codec in _INTRA else {"qmin": "2", "qmax": "6", "sc_threshold": "1000000000"}
    if case.ending in ("mpg", "vob"):
        options["qmax"] = "2"  # so that no two pictures begin in one packet, which has one time
    if case.codec == "libx264" and case.shape in _ONLY_X264:
        options["x264-params"] = _ONLY_X264[case.shape]
    if case.shape == "interlaced":
        options["flags"] = "+ildct+ilme"
    return options


def _theora(path: Path, case: Case, numbers: range) -> None:
    command = [ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(case.rate), "-i", "pipe:", "-c:v", case.codec, "-q:v", "9", "-g", str(case.gop), str(path)]
    data = b"".join(picture(number).tobytes() for number in numbers)
    subprocess.run(command, input=data, check=True)


def played(path: Path) -> list[tuple[float, int]]:
    """Return what ffmpeg's own program shows: (second, number) of each picture."""
    times = path.with_suffix(".times")
    command = [ffmpeg_exe(), "-v", "quiet", "-y", "-i", str(path)]
    for target in (("-pix_fmt", "gray", "-f", "rawvideo", "pipe:"), ("-f", "framecrc", str(times))):
        command += ["-an", "-fps_mode", "passthrough", *target]
    pixels = subprocess.run(command, capture_output=True, check=False).stdout
    lines = times.read_text().splitlines() if times.exists() else []
    base = next((Fraction(line.split(": ")[1]) for line in lines if line.startswith("#tb 0")), Fraction(1))
    seconds = [float(int(line.split(",")[2]) * base) for line in lines if not line.startswith("#")]
    images = np.frombuffer(pixels, np.uint8)[: len(seconds) * WIDTH * HEIGHT].reshape(-1, HEIGHT, WIDTH, 1)
    return [(at, read_number(image)) for at, image in zip(seconds, images, strict=False)]


def measure(case: Case, folder: Path, chance: random.Random) -> tuple[float, str]:
    """Return the worst error of a combination in seconds, and what was wrong in words (empty: nothing)."""
    drawn = draw(case, folder, chance)
    # Without times in the file, what is lost shifts what follows, here and there.
    others = played(drawn.path) if case.damage not in ("", "packet") and case.ending not in RAW else []
    try:
        video = Video(drawn.path)
    except MediaError:
        if case.damage and not others and case.ending not in RAW:
            return 0.0, ""  # the program shows nothing either
        raise
    low, high = drawn.unknown
    # Timestamps are rounded to the ticks of the container, those of a GIF to hundredths.
    slack = 0.0111 if case.ending == "gif" else 0.0011
    worst, words = 0.0, ""

    def read(image: np.ndarray) -> int:
        return read_number(np.rot90(image, -1) if case.shape == "turned" else image)

    pictures = list(video.frames(None))
    last = pictures[-1].seconds if pictures else 0.0
    numbers = [read(frame.image) for frame in pictures]
    shown = [number for number, at in enumerate(drawn.times) if at > -slack]
    if not case.damage:
        if abs(video.duration_seconds - drawn.end) > 0.6 + abs(case.sound_lead or 0):
            return 9.0, f"lasts {video.duration_seconds:.3f} s instead of {drawn.end:.3f}"
        if numbers != shown:
            return 9.0, f"{len(numbers)} pictures of {len(drawn.times)}: {numbers[:6]} ... {numbers[-3:]}"

    def error_of(seconds: float, number: int) -> float:
        if number >= len(drawn.times):
            return 9.0
        begin = drawn.times[number] if number > shown[0] else 0.0
        after = drawn.times[number + 1] if number + 1 < len(drawn.times) else 1e9
        return max(begin - seconds, seconds - after, 0.0)

    def check(seconds: float, image: np.ndarray, how: str) -> None:
        nonlocal worst, words
        if low <= seconds <= high or (case.damage == "cut" and seconds > last - 0.5):
            # What is whole for another player is whole.
            other = next((number for at, number in reversed(others) if at <= seconds + slack), None)
            if other is None or max(error_of(seconds + each, other) for each in (-2 * slack, 2 * slack)) > slack:
                return
            how = f"{how}, and not the program,"
        error = error_of(seconds, read(image))
        if error > slack and error > worst:
            words = f"{how} at {seconds:.3f} s gave picture {read(image)}, {error:.3f} s off"
        worst = max(worst, error)

    begin = chance.uniform(0.0, max(last - 1.0, 0.1))
    end = min(begin + chance.uniform(0.5, 3.0), video.duration_seconds)
    taken = [*video.frames(0.5), *video.frames(0.37, begin, end)]
    for frame in taken:
        check(frame.seconds, frame.image, "frames()")
    wanted = [0.0, *(chance.uniform(0.0, last) for _ in range(8)), *(frame.seconds for frame in taken[::3])]
    for frame in video.frames(at_seconds=wanted):
        check(frame.seconds, frame.image, "frame_at()")
        same = [read(other.image) for other in taken if other.seconds == frame.seconds]
        # Where bytes are lost, what is whole for the one way of reading is whole for the other.
        if same and same[0] != read(frame.image) and error_of(frame.seconds, same[0]) <= slack:
            worst = max(worst, error_of(frame.seconds, read(frame.image)))
            words = words or f"at {frame.seconds:.3f} s frames() gave {same[0]}, frame_at() {read(frame.image)}"
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
