"""Local files are opened as files, whatever their name or content: nothing in them opens another file or host."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import av
import ffmpeg
from av.container import InputContainer

from videochat.errors import InvalidArgument, MediaError

# Readers that open what a file names (playlists, manifests, scripts, patterns of names), hosts, or devices.
_NOT_ONE_FILE = re.compile(
    r"hls|applehttp|dash|webm_dash_manifest|imf|vobsub|concat|sdp|rtsp|rtp|sap|avisynth|vapoursynth|lavfi|image2"
    r"|alsa|android_camera|avfoundation|bktr|decklink|dshow|fbdev|gdigrab|iec61883|jack|kmsgrab|libcdio|libdc1394"
    r"|openal|oss|pulse|sndio|video4linux2|v4l2|vfwcap|x11grab|xcbgrab"
)
_PLAYLISTS = (
    (re.compile(rb"#EXTM3U"), "an HLS playlist (.m3u8)"),
    (re.compile(rb"ffconcat version"), "a list of ffmpeg (ffconcat)"),
    (re.compile(rb"v=0\r?\n"), "a session description (SDP)"),
    (re.compile(rb"(?s)<\?xml.*<MPD|<MPD"), "a DASH manifest (.mpd)"),
    (re.compile(rb"(?is)<\?xml.*<CompositionPlaylist|<CompositionPlaylist"), "an IMF playlist"),
    (re.compile(rb"(?i)\[playlist\]|<asx|\[reference\]"), "a playlist"),
)
_HEAD_BYTES = 4096


def local_path(source: str | bytes | os.PathLike[Any]) -> Path:
    """Return the path of a local file by any name; `~` is the user's home where no file is called so.

    Raises:
        MediaError: no file can be called so.
    """
    text = os.fsdecode(source)
    path = Path(text)
    try:
        if "\0" in text or (text.startswith("~") and path.exists()):
            return path
        with contextlib.suppress(RuntimeError):  # ~name of nobody
            path = path.expanduser()
        path.exists()
    except OSError as error:
        raise MediaError(f"No file can be called {text[:80]!r} ({error.strerror}). Check the path.") from error
    return path


def is_there(name: str | Path) -> bool:
    """Whether there is a file or folder of a name; not where none can be called so."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def check_target(target: Path, originals: Iterable[Path]) -> None:
    """Check that a file may be written.

    Args:
        target: the file, which may be there already.
        originals: videos, which are never written over, by whatever name.

    Raises:
        InvalidArgument: it is one of them.
    """
    for original in originals:
        with contextlib.suppress(OSError):
            if target.samefile(original):
                raise InvalidArgument(f"{target.name!r} is the video itself; name another file to write.")


def shown_name(path: Path) -> str:
    """Return a file's name as one line of text; bytes that are no text, and line ends, are question marks."""
    text = os.fsencode(path.name).decode("utf-8", errors="replace").replace("\ufffd", "?")
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]", "?", text)


def open_container(path: Path) -> InputContainer:
    """Open a media file with PyAV.

    Raises:
        FFmpegError: it is none, or one that would open other files or hosts; `playlist_of` tells.
    """
    return av.open(_url(path), metadata_errors="ignore", options=_options())


def packets_of(container: InputContainer, streams: Sequence[Any]) -> Iterator[Any]:
    """Yield the packets of some streams of an open file, in the order of the file, then an empty one for each.

    Raises:
        FFmpegError: reading broke.
    """
    # Where damage makes a stream appear in the middle of a file, PyAV stumbles over it behind the last packet.
    with contextlib.suppress(IndexError):
        yield from container.demux(streams)


def ffmpeg_input(path: Path, **options: Any) -> Any:
    """Return a media file as an input of ffmpeg-python."""
    # As a path: ffmpeg-python cannot take a text with bytes that are no UTF-8.
    return ffmpeg.input(Path(_url(path)), **_options(), **options)


def playlist_of(path: Path) -> str | None:
    """Return what sort of list of other files a file is, or None."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return next((name for pattern, name in _PLAYLISTS if pattern.match(head)), None)


def _url(path: Path) -> str:
    return f"file:{path.absolute()}"


def _options() -> dict[str, str]:
    return {"protocol_whitelist": "file", "format_whitelist": _formats()}


@cache
def _formats() -> str:
    """Return every format of FFmpeg whose readers open nothing but the file."""
    entries = sorted(av.formats_available)
    return ",".join(entry for entry in entries if not any(map(_NOT_ONE_FILE.fullmatch, entry.split(","))))
