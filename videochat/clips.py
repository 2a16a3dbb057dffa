"""Clips: ranges of a video as files of their own, and players that show a range.

An exact clip is encoded anew: its first picture is the one that a player shows at its start. A fast one copies what is
stored, which can only begin at a key picture; what really came out is said.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from videochat.errors import InvalidArgument, MediaError
from videochat.ffmpeg import run, seek_options
from videochat.intervals import Interval
from videochat.local_files import check_target, ffmpeg_input, open_container
from videochat.media import Video
from videochat.playback import SLACK_SECONDS, key_second

_CODECS: dict[str, dict[str, Any]] = {
    "h264": {"vcodec": "libx264", "crf": 18, "preset": "veryfast", "pix_fmt": "yuv420p", "acodec": "aac"},
    "vp9": {"vcodec": "libvpx-vp9", "crf": 30, "video_bitrate": 0, "pix_fmt": "yuv420p", "acodec": "libopus",
            "deadline": "realtime", "cpu-used": 6, "row-mt": 1},
}  # fmt: skip
_CONTAINERS = {".mp4": "h264", ".m4v": "h264", ".mov": "h264", ".mkv": "h264", ".webm": "vp9"}
_SOUND_FILES = {".m4a": "aac", ".mp3": "libmp3lame", ".wav": "pcm_s16le", ".flac": "flac", ".ogg": "libopus"}
_MOST_PICTURES_PER_SECOND = 60


@dataclass(frozen=True)
class Clip:
    """A file that was cut out of a video."""

    path: Path
    ranges: list[Interval]
    """What of the video is in it, in seconds of the video, as it really came out."""
    exact: bool
    """Whether it was encoded anew, so that it begins where it was asked to."""
    duration_seconds: float
    """How long the file is."""

    def __str__(self) -> str:
        ranges = ", ".join(f"{stamp(start)}-{stamp(end)}" for start, end in self.ranges)
        how = "encoded anew" if self.exact else "copied as it is stored, from the key picture before the start"
        return f"Wrote {self.path}: {ranges} ({self.duration_seconds:.3f} s; {how})"


def stamp(seconds: float) -> str:
    """Write seconds to the millisecond: `00:42.000`, from an hour on `1:00:42.000`."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"


def cut_clip(video: Video, ranges: Sequence[Interval], output: str | os.PathLike[str], *, fast: bool = False) -> Clip:
    """Write ranges of a video, one after another, into a file.

    Args:
        video: what is cut.
        ranges: in seconds of the video, within it.
        output: the file; its ending names the format: .mp4, .mov, .mkv, .webm, or of the sound .m4a, .mp3, .wav,
            .flac, .ogg.
        fast: copy what is stored instead of encoding it; for one range, which begins at the key picture before it.

    Raises:
        InvalidArgument: a range holds nothing, or another ending.
        MediaError: the file cannot be written, or what is copied does not fit into the format.
    """
    target = Path(output).expanduser()
    sound_only = target.suffix.lower() in _SOUND_FILES
    if not sound_only and target.suffix.lower() not in _CONTAINERS:
        known = ", ".join([*_CONTAINERS, *_SOUND_FILES])
        raise InvalidArgument(f"A clip's name must end with one of {known}; got {target.name!r}.")
    if not ranges:
        raise InvalidArgument("There is no range to cut; name at least one, as 0:42-0:50.")
    wanted = [video.span(*span) for span in ranges]
    if fast and len(wanted) > 1:
        raise InvalidArgument("A fast cut copies one range; several are joined by an exact one.")
    if sound_only and not video.has_audio:
        raise MediaError(f"{video.name!r} has no sound track to write into {target.name!r}.")
    if not sound_only and not video.has_video:
        raise MediaError(f"{video.name!r} has sound but no pictures; write its clip to an .m4a, .mp3, .wav or .flac.")
    check_target(target, [video.path])
    fast = fast and not sound_only  # sound is soon encoded
    begins = key_second(video, wanted[0][0]) if fast else wanted[0][0]
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".clip-") as folder:
            # What breaks off leaves no half file under the name that was asked for.
            part = Path(folder) / f"clip{target.suffix.lower()}"
            complaint = run(
                _copied(video, (begins, wanted[0][1]), part)
                if fast
                else _encoded(video, wanted, part, sound_only=sound_only)
            )
            if complaint or not part.exists():
                why = f" What is stored may not fit into {target.suffix}; cut without `fast`." if fast else ""
                raise MediaError(f"{target.name!r} cannot be cut out of {video.name!r} ({complaint}).{why}")
            made = Video(part)
            duration = made.duration_seconds
            if fast:
                begins = max(begins - made.first_picture_seconds, 0.0)  # sound is copied from a little earlier on
            part.replace(target)
    except OSError as error:
        raise MediaError(f"{str(target)!r} cannot be written ({error.strerror or error}).") from error
    came = [(begins, begins + duration)] if fast else wanted
    return Clip(target, came, not fast, duration)


def _encoded(video: Video, ranges: Sequence[Interval], part: Path, *, sound_only: bool) -> Any:
    """Return the job that decodes the ranges, joins them and encodes them."""
    pictures, sound = video.streams
    streams: list[Any] = []
    for number, (start, end) in enumerate(ranges):
        near = max((key_second(video, start) if pictures is not None else start) - 0.5, 0.0)
        seek = seek_options(near, -video.subtitle_shift_seconds, 0.0)
        # ffmpeg-python takes inputs that are described alike for one; the size of a queue tells them apart.
        source = ffmpeg_input(video.path, copyts=None, thread_queue_size=8 + number, **seek)
        if not sound_only:
            streams.append(_pictures(source[str(pictures)], video, start, end))
        if sound is not None:
            streams.append(_sound(source[str(sound)], video, start, end))
    codecs = {"acodec": _SOUND_FILES[part.suffix]} if sound_only else dict(_CODECS[_CONTAINERS[part.suffix]])
    if sound is None:
        codecs.pop("acodec")
    if len(ranges) > 1:
        kinds = {"v": int(not sound_only), "a": int(sound is not None)}
        joined = ffmpeg.concat(*streams, **kinds).node
        streams = [joined[i] for i in range(sum(kinds.values()))]
    return ffmpeg.output(*streams, str(part), **codecs, **_flags(part))


def _pictures(stream: Any, video: Video, start: float, end: float) -> Any:
    shift = round((video.zero_seconds + start + SLACK_SECONDS) * 1e6)
    # round=up puts into each place the last picture with a time <= it: what a player shows there.
    return (
        stream.filter("settb", "1/1000000")
        .filter("setpts", f"PTS-({shift})")
        .filter("fps", fps=f"{_rate(video):.6f}", round="up", start_time=0)
        .filter("trim", end=f"{end - start:.6f}")
        .filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2")
    )


def _sound(stream: Any, video: Video, start: float, end: float) -> Any:
    return (
        stream.filter("aresample", 48_000)
        .filter("asetpts", f"PTS-({video.zero_seconds + start:.6f})/TB")
        .filter("atrim", start=0, end=f"{end - start:.6f}")
        .filter("aresample", **{"async": 1, "first_pts": 0})
        .filter("apad", whole_dur=f"{end - start:.6f}")
    )


def _rate(video: Video) -> float:
    """Return pictures per second that leave out none, also where they come at no even rate."""
    with open_container(video.path) as container:
        finest = float(getattr(container.streams[video.streams[0] or 0], "base_rate", None) or 0)
    usual = video.frame_rate or 25.0
    if usual <= finest <= max(_MOST_PICTURES_PER_SECOND, usual * 1.01):
        return finest
    return max(usual, 30.0) if finest > usual else usual


def _copied(video: Video, span: Interval, part: Path) -> Any:
    """Return the job that copies what is stored of a range."""
    start, end = span
    seek = seek_options(start, -video.subtitle_shift_seconds, 0.0)
    source = ffmpeg_input(video.path, t=f"{end - start:.6f}", **{"ss": 0, **seek})
    streams = [source[str(index)] for index in video.streams if index is not None]
    # ffmpeg may begin to read at the key picture before; what comes before this one is left out.
    own = {"bsf": f"noise=drop=lt(pts*tb\\,-{SLACK_SECONDS})"} if start > 0 else {}
    return ffmpeg.output(*streams, str(part), c="copy", avoid_negative_ts="make_zero", **own, **_flags(part))


def _flags(part: Path) -> dict[str, Any]:
    # So that a browser plays it before it has all of it.
    return {"movflags": "+faststart"} if _CONTAINERS.get(part.suffix) == "h264" and part.suffix != ".mkv" else {}


def player_command(video: Video, start_seconds: float, end_seconds: float | None = None) -> list[str] | None:
    """Return the command that plays a video from a second on, by mpv or ffplay; None where neither is installed.

    Args:
        video: what is played.
        start_seconds: from where.
        end_seconds: up to where; None for the end.
    """
    # Players count from where the container starts.
    start = max(start_seconds - video.subtitle_shift_seconds, 0.0)
    end = None if end_seconds is None else end_seconds - video.subtitle_shift_seconds
    path = str(video.path.resolve())
    if mpv := shutil.which("mpv"):
        return [mpv, f"--start={start:.3f}", *([f"--end={end:.3f}"] if end is not None else []), "--", path]
    if ffplay := shutil.which("ffplay"):
        until = [] if end is None else ["-t", f"{end - start:.3f}", "-autoexit"]
        return [ffplay, "-loglevel", "error", "-ss", f"{start:.3f}", *until, "-i", path]
    return None


def file_address(video: Video, start_seconds: float, end_seconds: float | None = None) -> str:
    """Return the address of a video's file, which a browser plays from a second on (a media fragment)."""
    start = max(start_seconds - video.subtitle_shift_seconds, 0.0)
    until = "" if end_seconds is None else f",{end_seconds - video.subtitle_shift_seconds:.3f}"
    return f"{video.path.resolve().as_uri()}#t={start:.3f}{until}"
