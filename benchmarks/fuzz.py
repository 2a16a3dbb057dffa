"""Thousands of broken inputs: heads of media files, subtitle files, answers of a model.

    python benchmarks/fuzz.py media       # 2,000 files whose first bytes are cut, turned over, resized or swapped
    python benchmarks/fuzz.py subtitles   # 10,000 subtitle files
    python benchmarks/fuzz.py answers     # 10,000 answers through the checker of citations

Each input follows from its number and `--seed`. What ends in another error than a sentence, takes more than five
seconds of the processor, does not end, kills the process or keeps an invented citation is printed with its number. The
tests take a sample.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import av

from benchmarks.media_matrix import Case, draw
from videochat.agent import Evidence
from videochat.agent.citations import sentences
from videochat.errors import MediaError, VideoChatError
from videochat.intervals import clock
from videochat.media import Video
from videochat.memory import Hit
from videochat.records import Caption
from videochat.tools.cues import read_cues
from videochat.tools.subtitle_text import decode_subtitles

LONGEST_SECONDS = 5.0
_KILLED_AFTER_SECONDS = 30.0
_HEAD_BYTES = 4096
_FILES = (
    *(("mp4", "libx264"), ("frag.mp4", "libx264"), ("mov", "mjpeg"), ("mkv", "libx264"), ("webm", "libvpx-vp9")),
    *(("avi", "mpeg4"), ("ts", "libx264"), ("mpg", "mpeg2video"), ("flv", "flv"), ("wmv", "wmv2"), ("rm", "rv20")),
    *(("mxf", "mpeg2video"), ("ogv", "libtheora"), ("gif", "gif"), ("h264", "libx264"), ("ivf", "libvpx")),
)
_SOUNDS = {"mp3": "libmp3lame", "wav": "pcm_s16le", "flac": "flac", "opus": "libopus", "m4a": "aac", "adts": "aac"}


def media(folder: Path) -> dict[str, bytes]:
    """Return small whole files by their ending: pictures in many containers, sound in some."""
    chance = random.Random(0)
    whole = {
        ending: draw(Case(ending, codec, 12, 0.0, 0, None, ""), folder, chance).path.read_bytes()
        for ending, codec in _FILES
    }
    for ending, codec in _SOUNDS.items():
        path = folder / f"sound.{ending}"
        with av.open(str(path), "w", format={"m4a": "mp4", "opus": "ogg"}.get(ending, ending)) as container:
            stream = container.add_stream(codec, rate=48_000)
            for number in range(50):
                frame = av.AudioFrame(format="s16", layout="mono", samples=960)
                frame.planes[0].update(chance.randbytes(1920))
                frame.sample_rate, frame.pts = 48_000, number * 960
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        whole[ending] = path.read_bytes()
    return whole


def broken_head(whole: Mapping[str, bytes], chance: random.Random) -> tuple[str, bytes]:
    """Return the ending and the bytes of a file whose head is damaged."""
    ending = chance.choice(sorted(whole))
    data = bytearray(whole[ending])
    for _ in range(chance.choice((1, 1, 2, 5))):
        head = min(len(data), _HEAD_BYTES)
        if head < 16:
            break
        at = chance.randrange(head - 8)
        match chance.randrange(8):
            case 0:
                del data[chance.randrange(head) :]
            case 1:
                for _ in range(chance.choice((1, 4, 40))):
                    data[chance.randrange(head)] ^= 1 << chance.randrange(8)
            case 2:  # a length or a count
                size = chance.choice((0, 1, 7, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, len(data), chance.randrange(2**32)))
                data[at : at + 4] = struct.pack(chance.choice((">I", "<I")), size)
            case 3:
                names = list(re.finditer(rb"(?s)(....)(moov|mvhd|trak|mdia|stbl|stts|stsc|stco|mdat|ftyp|moof)", data))
                if len(names) > 1:  # names of boxes change places
                    one, other = chance.sample(names, 2)
                    a, b = bytes(one[2]), bytes(other[2])
                    data[one.start(2) : one.end(2)], data[other.start(2) : other.end(2)] = b, a
            case 4:  # blocks change places
                other, length = chance.randrange(head - 8), chance.choice((4, 16, 188, 512))
                a, b = bytes(data[at : at + length]), bytes(data[other : other + length])
                if len(a) == len(b):
                    data[at : at + length], data[other : other + length] = b, a
            case 5:
                data[at:at] = chance.randbytes(chance.choice((1, 3, 100, 5000)))
            case 6:
                del data[at : at + chance.choice((1, 3, 100, 1000))]
            case _:
                data[at : at + 64] = chance.choice((bytes(64), b"\xff" * 64))
    return ending, bytes(data)


def read_media(path: Path) -> None:
    """Read what there is of a file, as a watch does; sentences are no failure."""
    try:
        video = Video(path)
        _, end = video.id, video.duration_seconds
        steps = [end * part for part in (0.0, 0.4, 0.99)]
        if video.has_video:
            for number, _ in enumerate(video.frames(max(end / 20, 0.001), max_side=64)):
                if number > 50:
                    break
            for seconds in steps:
                video.frame_at(seconds, max_side=64)
        if video.has_audio:
            for number, _ in enumerate(video.audio()):
                if number > 100:
                    break
        repr(video), video.gaps
    except VideoChatError:
        pass


_SUBTITLE_PARTS = [
    *(b"WEBVTT\n\n", b"1\n", b"00:00:01,000 --> 00:00:02,000\n", b"00:01.000 --> 00:02.000 align:start\n", b"-->"),
    *(b"\r", b"\n\n", b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"<v Alice>", b"<c>", b"</", b"<00:00:01.000>", b" \t"),
    *(b"{\\an8}", b"{\\p1}m 0 0", b"&lt;&#x110000;", b"[Script Info]\n", b"[Events]\n", b"NOTE\n", b"STYLE\n"),
    *(b"Format: Start, End, Text\n", b"Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,hi\n", b"Dialogue:,,,,\n"),
    *("牛奶 Привет é".encode(), "Привет".encode("cp1251"), "牛奶".encode("gbk"), b"9" * 400, b"-" * 300, b":" * 300),
    *(b"<font " * 50, b"a=b " * 50, b"99999999:99:99,999999 --> 0:0:0\n", "\u2060{\u2060".encode(), b"\x1b]0;x\x07"),
]


def broken_subtitles(chance: random.Random) -> bytes:
    """Return the bytes of a subtitle file of any format, put together by chance."""
    data = b"".join(chance.choice(_SUBTITLE_PARTS) for _ in range(chance.randrange(12)))
    if chance.random() < 0.5:
        data = bytes(b ^ (chance.random() < 0.02) * chance.randrange(256) for b in data)
    return data


def read_subtitles(data: bytes) -> None:
    """Read a subtitle file and hold its cues to what cues are."""
    try:
        text = decode_subtitles(data).text
    except MediaError:
        return
    for cue in read_cues(text).cues:
        if not cue.text.strip() or not cue.start_seconds < cue.end_seconds:
            raise ValueError(f"{cue} is none")
        cue.text.encode()


_KNOWN = ((42, 47, "milk is poured"), (60, 65, "sugar is added"), (125, 130, "stir"))
_ANSWER_PARTS = [
    *("[", "]", "[1]", "[2]", "[77]", "[1, 77]", "[1-3]", "[3–99999999999]", "[00:42-00:47]", "[00:43]", "[99:99]"),
    *("[9:59]", "[١]", "[٢-٣]", "【3】", "［8］", "[^1]", "[note 8]", "[³]", "[-1]", "[1e9]", "[film.mp4 00:42-00:47]"),
    *("[a 59:00-59:01]", "<video>", "</video>", "\ud800", "\0", "\u202e", "\ue000", "0\ue001", "**", "```", "\n"),
    *("Milk is poured", ".", " ", "3", "[" * 200, "1-" * 300, f"[{'1,' * 500}1]", "9" * 5000, f"[{'9' * 5000}]"),
    *("Dr. 3. ", "[[[7]7]7]", "[42:", "00-", "[00:42–77:47]", "[1](http://x)", "at 77 seconds", "[1][77]"),
]


def evidence() -> Evidence:
    """Return three captions as what was shown to a model."""
    shown = Evidence()
    shown.add([Hit(Caption("v" * 8, start, end, "speech", text, "fuzz")) for start, end, text in _KNOWN])
    return shown


def broken_answer(chance: random.Random) -> str:
    """Return an answer of citations, times, fences, marks and broken Unicode, put together by chance."""
    return "".join(chance.choice(_ANSWER_PARTS) for _ in range(chance.randrange(1, 15)))


def check_answer(shown: Evidence, answer: str) -> None:
    """Check an answer and look for citations that nothing was shown for."""
    checked = shown.check(answer)
    if not set(checked.cited) <= set(shown.captions.values()):
        raise ValueError("what is cited was never shown")
    told = {f"[{clock(start)}-{clock(end)}]" for start, end, _ in _KNOWN}
    left = set(re.findall(r"\[\s*(?:\d+|\d+:\d\d)(?:\s*[-–,;]\s*(?:\d+|\d+:\d\d))*\s*\]", checked.text)) - told
    if left:
        raise ValueError(f"{left} was left")
    sentences(checked.text)


def run_one(kind: str, folder: str) -> Callable[[random.Random], None]:
    """Return what makes and tries an input of a kind."""
    if kind == "media":
        whole = media(Path(folder))

        def try_media(chance: random.Random) -> None:
            ending, data = broken_head(whole, chance)
            path = Path(folder) / f"broken.{ending}"
            path.write_bytes(data)
            read_media(path)

        return try_media
    if kind == "subtitles":
        return lambda chance: read_subtitles(broken_subtitles(chance))
    shown = evidence()
    return lambda chance: check_answer(shown, broken_answer(chance))


def trial(seed: int, number: int, one: Callable[[random.Random], object]) -> tuple[float, str]:
    """Try one input; return its seconds and what was wrong, empty for nothing."""
    began = time.process_time()  # the machine may have other work too
    wrong = ""
    try:
        one(random.Random(f"{seed} {number}"))
    except Exception:  # what is looked for
        wrong = traceback.format_exc(limit=-4)
    seconds = time.process_time() - began
    return seconds, wrong or (f"took {seconds:.1f} s" if seconds > LONGEST_SECONDS else "")


def _child(kind: str, folder: str, seed: int, pipe: Connection) -> None:
    one = run_one(kind, folder)
    while True:
        number = pipe.recv()
        pipe.send(trial(seed, number, one))


def run_all(kind: str, seed: int, numbers: range, folder: str) -> tuple[int, float, int]:
    """Try inputs in a process of their own; print what is wrong; return (wrong, slowest seconds, tried)."""
    context = multiprocessing.get_context("spawn")
    wrong, slowest = 0, 0.0
    process = None
    for number in numbers:
        if process is None:
            pipe, theirs = context.Pipe()
            process = context.Process(target=_child, args=(kind, folder, seed, theirs), daemon=True)
            process.start()
            theirs.close()
            pipe.send(number)
            patience = _KILLED_AFTER_SECONDS * 4  # its files are drawn first
        else:
            pipe.send(number)
            patience = _KILLED_AFTER_SECONDS
        try:
            seconds, what = pipe.recv() if pipe.poll(patience) else (patience, "did not end")
        except EOFError:
            process.join()
            seconds, what = 0.0, f"the process died: {process.exitcode}"
        if what:
            wrong += 1
            print(f"{kind} {number} (seed {seed}): {what}", flush=True)
        if what.startswith(("did not end", "the process")):
            process.kill()
            process.join()
            process = None
        else:
            slowest = max(slowest, seconds)
    if process is not None:
        process.kill()
    return wrong, slowest, len(numbers)


def main() -> int:
    """Try all inputs of a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("media", "subtitles", "answers"))
    parser.add_argument("--count", type=int, help="how many; default 2,000 files, 10,000 of the others")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    count = arguments.count or (2_000 if arguments.kind == "media" else 10_000)
    numbers = range(arguments.first, arguments.first + count)
    with tempfile.TemporaryDirectory() as folder:
        wrong, slowest, tried = run_all(arguments.kind, arguments.seed, numbers, folder)
    print(f"{arguments.kind}: {tried} tried, {wrong} wrong, slowest {slowest:.2f} s")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
