"""What a browser can play of a video, and how ffmpeg makes the rest so.

Where only the container is at fault the pictures are re-wrapped, else they are encoded to H.264, sound to AAC, while
they are watched.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ffmpeg
from av.error import FFmpegError
from PIL import Image

from videochat.errors import MediaError
from videochat.ffmpeg import ffmpeg_exe, reason, running
from videochat.local_files import ffmpeg_input, open_container, packets_of
from videochat.media import Video

_MOST_SIDE = 1280
_MOST_CLIP_BYTES = 3 * 2**20
_MOST_CLIP_SECONDS = 12.0
_PLAIN = ("yuv420p", "yuvj420p")
_MP4 = {"h264", "vp9", "av1"}, {"aac", "mp3", "opus", "flac"}
_WEBM = {"vp8", "vp9", "av1"}, {"opus", "vorbis"}
_SOUND = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}
_SHIFT_SECONDS = 0.02  # what a player may count from another moment than we do
# Room before the first picture of a stream, so that no time in it is negative: an encoder of sound begins earlier, and
# pictures that are shown in another order than they come are decoded earlier.
_LEAD_SECONDS = 4.0
SLACK_SECONDS = 0.001
"""Timestamps of Matroska are whole milliseconds: a picture this little after its time belongs to it."""


@dataclass(frozen=True)
class Playback:
    """How a browser plays a video."""

    way: Literal["file", "rewrapped", "encoded"]
    """`file`: as it is; `rewrapped`: the same pictures in another container; `encoded`: pictures made anew."""
    media_type: str
    """MIME type of what the browser gets."""
    why: str = ""
    """What it cannot play of the file, for the person; empty for `file`."""


def playback_of(video: Video) -> Playback:
    """Return how browsers of today (H.264, VP8, VP9, AV1) play a video; a picture is a second of it."""
    if video.is_picture:
        return Playback("encoded", "video/mp4", "a picture")
    with video.as_file(max(video.duration_seconds - 1.0, 0.0)) as (file, _):
        return _playback_of(file)


def _playback_of(video: Video) -> Playback:
    with _opened(video) as container:
        wrapped = container.format.name
        pictures, sound = (None if index is None else container.streams[index] for index in video.streams)
        codec = pictures.codec_context.codec.canonical_name if pictures else ""
        pixels = pictures.codec_context.pix_fmt if pictures else None
        heard = sound.codec_context.codec.canonical_name if sound else ""
    if not codec:
        if wrapped in _SOUND:
            return Playback("file", _SOUND[wrapped])
        if "mp4" in wrapped and heard in _MP4[1]:
            return Playback("file", "audio/mp4")
        return Playback("encoded", "video/mp4", f"sound as {heard} in {wrapped.split(',')[0]}")
    webm = "matroska" in wrapped and video.path.suffix.lower() == ".webm"
    mp4 = "mp4" in wrapped
    seen, listened = _WEBM if webm else _MP4
    plain = codec != "h264" or pixels in _PLAIN
    if codec in seen and plain and (not heard or heard in listened) and (webm or mp4):
        if abs(video.subtitle_shift_seconds) <= _SHIFT_SECONDS:
            return Playback("file", "video/webm" if webm else "video/mp4")
        return Playback("encoded", "video/mp4", "its sound begins before its pictures")
    if codec == "h264" and plain:
        return Playback("rewrapped", "video/mp4", f"H.264 in {_container(wrapped)}" if not mp4 else f"sound as {heard}")
    if codec in seen and plain:
        return Playback("encoded", "video/mp4", f"{codec.upper()} in {_container(wrapped)}")
    return Playback("encoded", "video/mp4", codec.upper() if plain else f"{codec.upper()} ({pixels})")


def _container(name: str) -> str:
    return {"matroska,webm": "Matroska", "mpegts": "MPEG-TS", "avi": "AVI", "flv": "FLV"}.get(name, name.split(",")[0])


@contextlib.contextmanager
def browser_stream(video: Video, start_seconds: float, *, way: str) -> Iterator[tuple[float, io.BufferedReader]]:
    """Give a fragmented MP4 from a second on: H.264 and AAC, as it is made.

    Args:
        video: what to play.
        start_seconds: from here, in seconds of the video.
        way: `rewrapped` or `encoded`.

    Yields:
        The second of the video at its own time 0, from where on it is empty for four seconds, and what to read it from.

    Raises:
        MediaError: ffmpeg gives not a byte of it.
    """
    if video.is_picture:
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "picture.png"
            Image.fromarray(video.frame_at(0.0, max_side=_MOST_SIDE).image).save(picture)
            shown = ffmpeg.input(picture, format="image2", loop=1, framerate=5, t=video.duration_seconds)
            flags = "frag_keyframe+empty_moov+default_base_moof"
            job = ffmpeg.output(shown, "pipe:", format="mp4", movflags=flags, **_encoder(_MOST_SIDE))
            with running(job, video.name) as pipe:
                yield 0.0, pipe
        return
    with video.as_file(start_seconds) as (file, zero), _stream(file, start_seconds - zero, way) as (began, pipe):
        yield began + zero, pipe


@contextlib.contextmanager
def _stream(video: Video, start_seconds: float, way: str) -> Iterator[tuple[float, io.BufferedReader]]:
    start = key = key_second(video, start_seconds)
    options: dict[str, Any] = {}
    if way == "rewrapped":
        source = _read_from(video, start)
    else:
        start = start_seconds
        source, options = _decoded_from(video, start, key)
    streams = [source[str(stream)] for stream in _streams(video)]
    # Every time as it is, from the first fragment on.
    flags = "empty_moov+default_base_moof+frag_discont"
    codecs: dict[str, Any] = {"c:a": "aac", "ac": 2, "b:a": "128k"}
    if not video.has_video:
        codecs["frag_duration"] = 2_000_000
    elif way == "rewrapped":
        # ffmpeg may begin to read at the key picture before; what comes before this one is left out.
        codecs |= {"c:v": "copy", "bsf:v": f"noise=drop=lt(pts*tb\\,-{SLACK_SECONDS})"}
    else:
        codecs |= _encoder(_MOST_SIDE) | {"g": 48, "force_key_frames": "expr:gte(t,n_forced*2)"}
    if video.has_video:
        flags += "+frag_keyframe"
    times = {"avoid_negative_ts": "disabled", "use_editlist": 0, "output_ts_offset": _LEAD_SECONDS}
    options |= codecs | times
    job = ffmpeg.output(*streams, "pipe:", format="mp4", movflags=flags, sn=None, dn=None, **options)
    with running(job, video.name) as pipe:
        yield start - _LEAD_SECONDS, pipe


def clip_of(video: Video, start_seconds: float, end_seconds: float, *, max_side: int = 480) -> bytes | None:
    """Return a small MP4 (H.264, AAC) of a moment, to stand inside a document; None where it cannot be had.

    Args:
        video: the video.
        start_seconds: first moment.
        end_seconds: first moment no longer; at most 12 s are taken, and at least 2.
        max_side: the longer side has at most so many pixels.
    """
    length = min(max(end_seconds - start_seconds, 2.0), _MOST_CLIP_SECONDS)
    with video.as_file(start_seconds, start_seconds + length) as (file, zero), tempfile.TemporaryDirectory() as folder:
        start = start_seconds - zero
        source, options = _decoded_from(file, start, key_second(file, start))
        target = Path(folder) / "clip.mp4"
        streams = [source[str(stream)] for stream in _streams(file)]
        options |= {"t": f"{length:.3f}", "c:a": "aac", "ac": 1, "b:a": "64k"}
        options |= _encoder(max_side) if file.has_video else {}
        job = ffmpeg.output(*streams, str(target), movflags="faststart", sn=None, dn=None, **options)
        done = subprocess.run(
            job.compile(cmd=[ffmpeg_exe(), "-v", "error"]), capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode or not target.is_file() or target.stat().st_size > _MOST_CLIP_BYTES:
            with _opened(file):  # a file that is gone is said
                return None
        return target.read_bytes()


def _encoder(max_side: int) -> dict[str, Any]:
    # No pictures out of order: their times would begin after those of the sound.
    scale = f"scale='min({max_side},iw)':'min({max_side},ih)':force_original_aspect_ratio=decrease:force_divisible_by=2"
    return {"c:v": "libx264", "preset": "veryfast", "crf": 24, "bf": 0, "pix_fmt": "yuv420p", "vf": scale}


def _read_from(video: Video, seconds: float) -> Any:
    return ffmpeg_input(video.path, nostdin=None, ss=f"{max(seconds - video.subtitle_shift_seconds, 0):.6f}")


def _decoded_from(video: Video, seconds: float, key: float) -> tuple[Any, dict[str, Any]]:
    """Return the input, read from before a key picture on, and the options of an output that begins at a second.

    Containers without an index put ffmpeg after the key picture, were it sent to the second itself.
    """
    near = max(key - 0.5, 0.0, video.subtitle_shift_seconds) if video.has_video else seconds
    return _read_from(video, near), {"ss": f"{max(seconds - near, 0):.6f}"}


def _streams(video: Video) -> list[int]:
    return [index for index in video.streams if index is not None]


def key_second(video: Video, seconds: float) -> float:
    """Return when the last picture that needs no other to be decoded is shown, not after `seconds`; 0 without any.

    Args:
        video: what is read.
        seconds: of the video.

    Raises:
        MediaError: the file can no longer be read.
    """
    zero = video.zero_seconds
    if seconds <= 0 or not video.has_video:
        return 0.0
    with _opened(video) as container:
        stream: Any = container.streams[video.streams[0] or 0]
        # Containers without an index put a reader after the key picture; step back until one lies before.
        for back in (0.0, 2.0, 10.0, 60.0, seconds):
            container.seek(int((zero + max(seconds - back, 0.0)) / stream.time_base), stream=stream)
            found = None
            for packet in packets_of(container, [stream]):
                if packet.pts is None:
                    continue
                shown = float(packet.pts * packet.time_base) - zero
                if packet.is_keyframe and shown <= seconds + SLACK_SECONDS:
                    found = shown
                elif shown > seconds + 1.0:
                    break
            if found is not None:
                return max(found, 0.0)
    return 0.0


@contextlib.contextmanager
def _opened(video: Video) -> Iterator[Any]:
    try:
        with open_container(video.path) as container:
            yield container
    except FFmpegError as error:
        raise MediaError(
            f"{video.name!r} can no longer be read ({reason(error)}). It was moved, deleted or changed; put it back."
        ) from error
