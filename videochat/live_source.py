"""Live sources: cameras, streams, devices and files that still grow, each opened with the protocols it needs alone.

A file that is only watched opens nothing but itself (`local_files`); here an address is asked for by name. Even so a
stream is a stranger: each kind has its protocols and formats, a playlist is fetched by us and not by FFmpeg, and leads
nowhere nearer than the address that was given.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit, urlunsplit

import av
import ffmpeg
from av.error import FFmpegError

from videochat.download import Address, Requests
from videochat.errors import InvalidArgument, MediaError, first_line
from videochat.ffmpeg import ffmpeg_exe, reason
from videochat.live_readers import OPEN_SECONDS, SILENCE_SECONDS, Datagrams, Growing, Incoming, Program
from videochat.transport_stream import TransportStream

Kind = Literal["rtsp", "rtmp", "srt", "hls", "http", "udp", "tcp", "device", "file"]

_MOST_PLAYLIST_BYTES = 2**22
# A list that has not changed is asked for again after this, or a fifth of a segment.
_LIST_POLL_SECONDS = 0.2

# How FFmpeg reads what it opens itself, and by which protocols; the rest is opened here and read by it as bytes.
_PROTOCOLS = {
    "rtsp": ("rtsp", "rtsp,rtp,tcp"),
    "rtsps": ("rtsp", "rtsp,rtp,tcp,tls"),
    "rtmp": ("flv", "rtmp,tcp"),
    "rtmps": ("flv", "rtmps,rtmp,tcp,tls"),
}
_KINDS: dict[str, Kind] = {
    "rtsp": "rtsp", "rtsps": "rtsp", "rtmp": "rtmp", "rtmps": "rtmp", "srt": "srt", "udp": "udp", "tcp": "tcp",
}  # fmt: skip
_FORMATS = "mpegts,flv,matroska,webm,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpjpeg,mp3,aac,ogg,nut"
_DEVICE = re.compile(r"/dev/video\d+")
_PREFIX = "live:"


def is_live(source: object) -> bool:
    """Whether a text names a live source: `rtsp://`, `udp://` ..., an http(s) `.m3u8`, `/dev/video0`, or `live:`."""
    if not isinstance(source, str):
        return False
    if source.lower().startswith(_PREFIX) or _DEVICE.fullmatch(source):
        return True
    scheme, separator, rest = source.partition("://")
    if not separator:
        return False
    is_list = scheme.lower() in ("http", "https") and urlsplit(source).path.lower().endswith((".m3u8", ".m3u"))
    return is_list or (scheme.lower() in _KINDS and bool(rest))


@dataclass(frozen=True)
class LiveSource:
    """Where pictures and sound come from without end."""

    kind: Kind
    """What sort of source it is."""
    address: str
    """As it is opened; it may hold a password."""

    @classmethod
    def parse(cls, text: str) -> LiveSource:
        """Read what people write: an address, a device, or `live:` before an http(s) address or a growing file.

        Raises:
            MediaError: it names no live source.
        """
        plain = text[len(_PREFIX) :] if text.lower().startswith(_PREFIX) else text
        if _DEVICE.fullmatch(plain):
            return cls("device", plain)
        scheme = plain.partition("://")[0].lower() if "://" in plain else ""
        try:
            parts = urlsplit(plain)
            _ = parts.port
            host = parts.hostname
        except ValueError as error:
            raise MediaError(f"{text!r} is no address ({first_line(error)}). Check how it is written.") from error
        if scheme in ("http", "https"):
            Address.parse(plain)
            return cls("hls" if parts.path.lower().endswith((".m3u8", ".m3u")) else "http", plain)
        if scheme in _KINDS:
            if not host and scheme != "udp":
                raise MediaError(f"{text!r} names no host; write it as {scheme}://HOST:PORT/PATH.")
            return cls(_KINDS[scheme], plain)
        if scheme or not is_live(text):
            known = ", ".join(f"{name}://" for name in _KINDS)
            raise MediaError(
                f"{text!r} is no live source; known are {known}, http(s)://...m3u8, /dev/video0, and live:PATH for a "
                "file that is still being written."
            )
        return cls("file", str(Path(plain).expanduser().absolute()))

    @property
    def shown(self) -> str:
        """The address without name, password and what follows `?`, for people and files."""
        if "://" not in self.address:
            return self.address
        parts = urlsplit(self.address)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    @property
    def id(self) -> str:
        """32 hex digits that tell it from other sources."""
        return hashlib.blake2b(f"live {self.address}".encode(), digest_size=16).hexdigest()

    def open(self, stopped: Callable[[], bool] = lambda: False) -> Connection:
        """Open it.

        Args:
            stopped: asked by a growing file while it waits for more; True ends it.

        Raises:
            MediaError: nothing answers, or what comes is no stream of that kind.
        """
        try:
            return self._open(stopped)
        except MediaError:
            raise
        except (FFmpegError, OSError, ValueError) as error:
            why = reason(error) if isinstance(error, FFmpegError) else first_line(error)
            if isinstance(error, TimeoutError | av.error.ExitError) or "Immediate exit" in why:
                why = f"nothing came within {OPEN_SECONDS:g} seconds"
            raise MediaError(
                f"{self.shown} cannot be opened as a live source ({why}). Check the address, and that it is sending."
            ) from error

    def _open(self, stopped: Callable[[], bool]) -> Connection:
        timeout = (OPEN_SECONDS, SILENCE_SECONDS)
        if self.kind == "device":
            return encoded(ffmpeg.input(self.address, format="v4l2", thread_queue_size=64))
        if self.kind in ("file", "tcp", "udp", "srt", "http"):
            return _read("mpegts" if self.kind in ("tcp", "udp", "srt") else None, self._reader(stopped))
        if self.kind == "hls":
            fetched = _Playlists(Requests(Address.parse(self.address), timeout_seconds=SILENCE_SECONDS))
            # The newest segment: what is older has been missed.
            options = _only("http,https") | {"http_persistent": "0", "live_start_index": "-1"}
            url = fetched.requests.address.url
            return Connection(
                av.open(url, format="hls", io_open=fetched.open, timeout=timeout, options=options), fetched
            )
        form, protocols = _PROTOCOLS[self.address.partition("://")[0].lower()]
        options = _only(protocols) | ({"rtsp_transport": "tcp"} if self.kind == "rtsp" else {})
        return Connection(av.open(self.address, format=form, timeout=timeout, options=options))

    def _reader(self, stopped: Callable[[], bool]) -> Any:
        """Return what has `read1` and `close`, and blocks for `SILENCE_SECONDS` at most."""
        if self.kind == "file":
            if not Path(self.address).is_file():
                raise MediaError(f"There is no file {self.address!r}; start the recording first, then watch it.")
            return Growing(Path(self.address), stopped)
        if self.kind == "http":
            requests = Requests(Address.parse(self.address), timeout_seconds=SILENCE_SECONDS)
            return requests.open(requests.address.url)
        if self.kind == "srt":
            return Program(self.address)
        parts = urlsplit(self.address)
        host, port = (parts.hostname or "").lstrip("@"), parts.port
        if port is None:
            raise MediaError(f"{self.shown!r} names no port; write it as {self.kind}://HOST:PORT.")
        if self.kind == "tcp":
            line = socket.create_connection((host, port), timeout=OPEN_SECONDS)
            line.settimeout(SILENCE_SECONDS)
            return line.makefile("rb")
        return Datagrams(host, port)


def _read(form: str | None, reader: Any) -> Connection:
    """Return what comes as bytes, of a format or of any that is known, opened."""
    incoming = Incoming(reader if isinstance(reader, TransportStream) else TransportStream(reader))
    formats = {} if form else {"format_whitelist": _FORMATS}
    try:
        return Connection(av.open(incoming, format=form, options=_only("") | formats), incoming=incoming)
    except BaseException:
        incoming.close()
        raise


def _only(protocols: str) -> dict[str, str]:
    # An empty list would allow all.
    return {"protocol_whitelist": protocols or "none"}


class Connection:
    """One opened line of a source.

    Args:
        container: what PyAV reads.
        playlists: of HLS, which may say when a picture was taken.
        incoming: what it reads bytes from, which knows when each came.
        process: what it comes from, to be ended with it.

    Raises:
        MediaError: it carries neither pictures nor sound.
    """

    def __init__(
        self,
        container: Any,
        playlists: _Playlists | None = None,
        *,
        incoming: Incoming | None = None,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._container, self._playlists, self._incoming, self._process = container, playlists, incoming, process
        self.pictures: Any = container.streams.best("video")
        """Its stream of pictures; None without."""
        self.sound: Any = container.streams.best("audio")
        """Its stream of sound; None without."""
        if self.pictures is None and self.sound is None:
            container.close()
            raise MediaError("It carries neither pictures nor sound.")
        self._known = len(container.streams)

    @property
    def taken_at(self) -> float | None:
        """When the first thing that came was taken, in seconds since 1970, where the source says so."""
        return None if self._playlists is None else self._playlists.first_at

    def arrived_at(self, packet: Any) -> float:
        """Return when a packet began to come, in seconds since 1970. FFmpeg hands it out some pictures later."""
        known = self._incoming.arrived_at(packet.pos) if self._incoming is not None and packet.pos is not None else None
        return time.time() if known is None else known

    def packets(self) -> Iterator[Any]:
        """Yield packets as they come.

        Raises:
            MediaError: the line is cut, is silent, or carries other streams from now on.
        """
        wanted = [stream for stream in (self.pictures, self.sound) if stream is not None]
        packets = self._container.demux(wanted)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                silent = isinstance(error, av.error.ExitError)
                why = f"nothing came for {SILENCE_SECONDS:g} seconds" if silent else reason(error)
                raise MediaError(f"the line was cut: {why}") from error
            except (OSError, ValueError) as error:
                raise MediaError(f"the line was cut: {first_line(error)}") from error
            if packet is None or (packet.dts is None and not packet.size):
                return
            if len(self._container.streams) != self._known:
                raise MediaError("the source changed its pictures or its sound to another kind")
            yield packet

    def follow(self) -> Connection | None:
        """Return what goes on where it ended, on the same line, if other streams begin there.

        Raises:
            MediaError: that is nothing which can be read.
        """
        reader = None if self._incoming is None else self._incoming.rest()
        try:
            return None if reader is None else _read("mpegts", reader)
        except (FFmpegError, OSError, ValueError) as error:
            why = reason(error) if isinstance(error, FFmpegError) else first_line(error)
            raise MediaError(f"the source changed to what cannot be read: {why}") from error

    def close(self) -> None:
        """Hang up, unless what follows is read."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._container.close()
        if self._incoming is not None:
            self._incoming.close()


def encoded(source: Any) -> Connection:
    """Return an input of ffmpeg-python, such as a device whose pictures are not compressed, as H.264 without delay.

    Args:
        source: the input.

    Raises:
        OSError: it cannot be opened.
    """
    # A key picture a second; a camera gives at most some dozens of pictures in that time.
    form = {"vcodec": "libx264", "preset": "ultrafast", "tune": "zerolatency", "pix_fmt": "yuv420p", "format": "nut"}
    job = ffmpeg.output(source, "pipe:", force_key_frames="expr:gte(t,n_forced)", flush_packets=1, **form)
    process = subprocess.Popen(
        job.compile(cmd=[ffmpeg_exe(), "-v", "error", "-nostdin"]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        return Connection(av.open(process.stdout, format="nut", options=_only("")), process=process)
    except BaseException:
        process.kill()
        process.wait()
        raise


class _Playlists:
    """Opens what a stream of HLS names, and takes note of when its segments were recorded."""

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self._dates: dict[str, float] = {}
        self._texts: dict[str, bytes] = {}
        self._opened = False
        self.first_at: float | None = None

    def open(self, url: str, flags: int, options: dict[str, str]) -> Any:
        """Return an address opened; what is no http(s) is refused."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise MediaError(f"The playlist names {url[:200]!r}, which is no http(s) address.")
        if urlsplit(url).path.lower().endswith((".m3u8", ".m3u")):
            return BytesIO(self._changed(url))
        answer = self.requests.open(url)
        if not self._opened and url in self._dates:
            self.first_at = self._dates[url]
        self._opened = True
        return answer

    def _changed(self, url: str) -> bytes:
        """Return a list once it is another than before, with segments so short that FFmpeg soon asks for it again.

        By itself FFmpeg asks once a segment, and so learns of the next one up to a segment late.
        """
        began = time.monotonic()
        while True:
            with contextlib.closing(self.requests.open(url)) as answer:
                text: bytes = answer.read(_MOST_PLAYLIST_BYTES)
            if b"#EXT-X-ENDLIST" in text:
                self._note(url, text.decode(errors="replace"))
                return text
            lengths = re.findall(rb"#EXTINF:(\d+(?:\.\d+)?)", text)
            length = float(lengths[-1]) if lengths else 1.0
            if text != self._texts.get(url) or time.monotonic() - began > min(1.5 * length, SILENCE_SECONDS):
                self._texts[url] = text
                self._note(url, text.decode(errors="replace"))
                return re.sub(rb"#EXTINF:\d+(?:\.\d+)?", b"#EXTINF:0.1", text)
            time.sleep(max(length / 5, _LIST_POLL_SECONDS))

    def _note(self, url: str, text: str) -> None:
        at: float | None = None
        length = 0.0
        self._dates = {}
        for line in text.splitlines():
            if line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                at = _date(line.partition(":")[2].strip())
            elif line.startswith("#EXTINF:"):
                found = re.match(r"#EXTINF:([\d.]+)", line)
                length = float(found[1]) if found else 0.0
            elif line.strip() and not line.startswith("#") and at is not None:
                self._dates[urljoin(url, line.strip())] = at
                at += length


def _date(text: str) -> float | None:
    """Return an ISO 8601 date as seconds since 1970; None where it is none, or has no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def parse_length(text: str) -> float:
    """Return the seconds of a length as people write it: `24h`, `90m`, `45s`, `7d`, or a number of seconds.

    Raises:
        InvalidArgument: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower(), re.ASCII)
    if not found or not float(found[1]):
        raise InvalidArgument(f"{text!r} is no length of time; write it as 90s, 30m, 24h or 7d.")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
