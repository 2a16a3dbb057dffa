"""Media files from http(s) addresses, fetched once into the data folder: whole, opened before they are kept, or not.

Whoever answers at an address is a stranger. What he sends has limits of size and time, and where he leads on to is
not followed into this machine or its network, unless the address that was given is there itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import os
import re
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from videochat.errors import MediaError, first_line
from videochat.home import home
from videochat.video_sites import fetch_page

MOST_BYTES = 50 * 2**30
"""Size of the largest file that is fetched."""
SLOWEST = 2**10
"""Bytes a second that a server must send, measured over half a minute; else a file could come for years."""
_SILENCE_SECONDS, _HEAD_SECONDS, _MEASURED_SECONDS = 20.0, 60.0, 30.0
_STALE_SECONDS = 3600.0
_LONGEST_NAME, _LONGEST_SUFFIX = 120, 12  # bytes; other programs add to it, and 255 is all a name may have
# What may stand in a path and in a query as it is.
_PATH, _QUERY = "/%:@!$&'()*+,;=~-._", "/?%:@!$&'()*+,;=~-._[]"
_PLAYLIST = re.compile(
    rb"\s*(#EXTM3U|ffconcat\s|\[(playlist|reference)\]|v=0\s|<(?=.{0,2000}<(MPD|smil|asx|SmoothStreamingMedia)\b))",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """An http(s) address as it can be asked for."""

    url: str
    """In ASCII, without name and password, without what follows a `#`."""
    credentials: str = ""
    """`name:password` where the address has them."""

    @property
    def name(self) -> str:
        """Name for the file, which any file system takes."""
        last = unquote(urlsplit(self.url).path, errors="replace").replace("\\", "/").rsplit("/", 1)[-1]
        clean = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", last).strip(" .") or "video"
        suffix = Path(clean).suffix
        suffix = suffix if len(suffix.encode()) <= _LONGEST_SUFFIX else ""
        return clean.removesuffix(suffix).encode()[:_LONGEST_NAME].decode(errors="ignore") + suffix

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address as people write it: with spaces, with letters of any script.

        Raises:
            MediaError: it is none.
        """
        try:
            parts = urlsplit(text.strip())
            port, host = parts.port, parts.hostname or ""
            if parts.scheme not in ("http", "https") or not host or re.search(r"[\x00-\x20\x7f%/\\]", host):
                raise ValueError("it names no host")
            host = f"[{host}]" if ":" in host else host.encode("idna").decode()
        except ValueError as error:
            raise MediaError(
                f"{text!r} is no http(s) address ({first_line(error)}). Check how it is written."
            ) from error
        path = quote(parts.path or "/", safe=_PATH, errors="surrogateescape")
        query = "?" + quote(parts.query, safe=_QUERY, errors="surrogateescape") if parts.query else ""
        given = ":".join(unquote(part or "") for part in (parts.username, parts.password)) if parts.username else ""
        return cls(f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path}{query}", given)

    def request(
        self, url: str | None = None, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib.request.Request:
        """Return a request of this address, or of one that it leads to; only its own host gets name and password.

        Args:
            url: what is asked for; None for this address.
            data: what is posted; None for GET.
            headers: further ones.

        Raises:
            MediaError: it is no http(s) address.
        """
        url = url or self.url
        if not url.startswith(("http://", "https://")):
            raise MediaError(f"{url!r} is no http(s) address. Check what {self.url} leads to.")
        request = urllib.request.Request(url, data, dict(headers or {}))  # noqa: S310 - files were refused just above
        if self.credentials and urlsplit(url)[:2] == urlsplit(self.url)[:2]:
            # Not sent on to where the server leads.
            request.add_unredirected_header("Authorization", f"Basic {b64encode(self.credentials.encode()).decode()}")
        return request


def download(text: str, check: Callable[[Path], object]) -> Path:
    """Download a media file into the data folder, once per address, and return where it lies.

    A page of a video site is left to yt-dlp (extra `sites`).

    Args:
        text: the address.
        check: opens the file, and raises MediaError where it is no video; it is not kept then.

    Raises:
        MediaError: it is no address, nobody answers within 20 seconds, or what comes is an error, a web page, a
            playlist, nothing, less than was announced, too much, too slow, or no video.
    """
    address = Address.parse(text)
    folder = home() / "downloads" / hashlib.blake2b(address.url.encode(), digest_size=8).hexdigest()
    work = folder / f"unfinished-{os.urandom(4).hex()}"
    try:
        if kept := _kept(folder):
            return kept
        work.mkdir(mode=0o700, parents=True)
        file = work / address.name
        if not _fetch(address, file):
            page = address.url
            file = fetch_page(page, work, most_bytes=MOST_BYTES, refuse=lambda url: is_near(url) and not is_near(page))
        try:
            check(file)
        except MediaError as error:
            said = str(error).replace(str(file), address.url)
            raise MediaError(f"What {address.url} answers with is no video: {said}") from error
        file.chmod(0o600)
        return file.replace(folder / file.name)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise MediaError(
            f"{address.url} cannot be fetched ({first_line(error)[:200]}). Check the address, or download it yourself."
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _kept(folder: Path) -> Path | None:
    """Return the file that was fetched before; what killed processes have left is removed."""
    files = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_file():
            files.append(path)
        elif time.time() - max(one.stat().st_mtime for one in (path, *path.glob("*"))) > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
    # Beside it there may be subtitles that were put there.
    return max(files, key=lambda path: path.stat().st_size, default=None)


def _fetch(address: Address, part: Path) -> bool:
    """Write what an address answers with into a file; return False if it is a web page, of which nothing is written."""
    answer = Requests(address, timeout_seconds=_SILENCE_SECONDS).open(address.url)
    with answer:
        if answer.status != http.client.OK:
            raise MediaError(f"{address.url} answered with status {answer.status}, not with a whole file. Try again.")
        if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            return False
        announced = answer.headers.get("Content-Length", "")
        _copy(address.url, answer, part, int(announced) if re.fullmatch("[0-9]{1,18}", announced) else None)
    return True


def _copy(url: str, answer: Any, part: Path, announced: int | None) -> None:
    size, since, before = 0, time.monotonic(), 0
    if (announced or 0) > MOST_BYTES:
        raise MediaError(f"{url} announces {announced:,} bytes; at most {MOST_BYTES:,} are fetched.")
    with open(part, "xb", opener=partial(os.open, mode=0o600)) as file:
        while block := answer.read1(2**18):
            if not size and _PLAYLIST.match(block.removeprefix(b"\xef\xbb\xbf")):
                raise MediaError(
                    f"{url} is a playlist of other addresses, which are not followed; give that of a file."
                )
            file.write(block)
            size += len(block)
            if size > MOST_BYTES:
                raise MediaError(f"{url} sends more than {MOST_BYTES:,} bytes, and is not fetched further.")
            if (passed := time.monotonic() - since) > _MEASURED_SECONDS:
                if (size - before) / passed < SLOWEST:
                    raise MediaError(f"{url} sends less than {SLOWEST:,} bytes a second. Try again later.")
                since, before = time.monotonic(), size
    if size == 0:
        raise MediaError(f"{url} answered with nothing (0 bytes). Check the address, or try again.")
    if announced is not None and size < announced:
        raise MediaError(f"{url} broke off after {size:,} of {announced:,} bytes. Try again.")


class Requests:
    """Opens addresses on behalf of one that was given; none of them may lead nearer to this machine than that one.

    Args:
        address: what was given.
        timeout_seconds: how long a server may be silent.
    """

    def __init__(self, address: Address, *, timeout_seconds: float) -> None:
        self.address = address
        self._timeout = timeout_seconds
        self._peers = _Peers()
        self._opener = urllib.request.build_opener(_Redirects(address.url), _Http(self._peers), _Https(self._peers))

    def open(self, url: str) -> http.client.HTTPResponse:
        """Return the answer of an http(s) address: the one that was given, or one that it names.

        Raises:
            MediaError: it leads into a private network, and the first did not.
            OSError: nobody answers, or with an error.
        """
        request = self.address.request(url)
        # Each read has its own limit; a head that comes letter by letter would never reach it.
        watchdog = threading.Timer(_HEAD_SECONDS, self._peers.hang_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=self._timeout)
            return answer
        finally:
            watchdog.cancel()


class _Peers:
    """The machines that one request comes to; those that it is led on to may not be nearer than the first."""

    def __init__(self) -> None:
        self._private: bool | None = None
        self._socket: socket.socket | None = None

    def connected(self, connection: http.client.HTTPConnection) -> None:
        """Take note of a connection before anything is sent.

        Raises:
            MediaError: it leads into a private network, and the first did not.
        """
        self._socket = connection.sock
        private = is_private(self._socket.getpeername()[0])
        if private and self._private is False:
            raise MediaError(_inside(connection.host))
        self._private = private if self._private is None else self._private

    def hang_up(self) -> None:
        """End the connection; whoever reads from it finds its end."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def is_private(host: str) -> bool:
    """Return whether a host is an address of this machine or of a network that the world does not see; no name is."""
    try:
        address = ipaddress.ip_address(host.strip("[]").split("%")[0])
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    return not address.is_global or address.is_multicast


def is_near(url: str) -> bool:
    """Return whether the host of an address is, or is a name of, one that `is_private`."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(OSError, UnicodeError):
        return any(is_private(str(found[4][0])) for found in socket.getaddrinfo(host, None))
    return is_private(host)


def _inside(host: str) -> str:
    return f"The address leads to {host}, which is in a private network; give that address itself if it is meant."


class _Connection(http.client.HTTPConnection):
    def __init__(self, *args: Any, peers: _Peers, **options: Any) -> None:
        super().__init__(*args, **options)
        self._peers = peers

    def connect(self) -> None:
        super().connect()
        self._peers.connected(self)


class _TlsConnection(http.client.HTTPSConnection):
    def __init__(self, *args: Any, peers: _Peers, **options: Any) -> None:
        super().__init__(*args, **options)
        self._peers = peers

    def connect(self) -> None:
        super().connect()
        self._peers.connected(self)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, peers: _Peers) -> None:
        super().__init__()
        self._peers = peers

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, peers=self._peers), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, peers: _Peers) -> None:
        super().__init__()
        self._peers = peers

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_TlsConnection, peers=self._peers), req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only; the library's own handler also goes to ftp."""

    def __init__(self, url: str) -> None:
        self._private = is_private(urlsplit(url).hostname or "")

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the request to go on with.

        Raises:
            MediaError: it is no http(s) address, or one of a private network where the first was not.
        """
        parts = urlsplit(newurl)
        if parts.scheme not in ("http", "https"):
            raise MediaError(f"{req.full_url} leads to {newurl}, which is no http(s) address; give that of the file.")
        # Behind a proxy it is the proxy that is connected to.
        if not self._private and req.has_proxy() and is_private(parts.hostname or ""):
            raise MediaError(_inside(parts.hostname or ""))
        return super().redirect_request(req, fp, code, msg, headers, newurl)
