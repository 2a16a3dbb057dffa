"""Media files from http(s) addresses, fetched once into the data folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from videochat.errors import MediaError
from videochat.home import home

_TIMEOUT_SECONDS = 20.0


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http(s) only; the library's own handler also goes to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise MediaError(f"{req.full_url} leads to {newurl}, which is no http(s) address; give that of the file.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str) -> Path:
    """Download a media file into the data folder, once per address, and return where it lies.

    Raises:
        MediaError: the address does not answer within 20 seconds, or answers with an error, a web page, nothing, or
            less than it announced.
    """
    name = Path(unquote(urlsplit(url).path)).name or "video"
    target = home() / "downloads" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest() / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + f".{os.getpid()}.part")
    opener = urllib.request.build_opener(_OnlyHttp)
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer, part.open("wb") as file:
            if answer.headers.get_content_type() == "text/html":
                raise MediaError(f"{url} is a web page, not a media file; give the address of the file itself.")
            shutil.copyfileobj(answer, file, 2**20)
            _check_size(url, file.tell(), answer.headers.get("Content-Length"))
        part.replace(target)
    except (urllib.error.URLError, OSError) as error:
        raise MediaError(f"{url} cannot be fetched ({error}). Check the address, or download it yourself.") from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _check_size(url: str, size: int, announced: str | None) -> None:
    if size == 0:
        raise MediaError(f"{url} answered with nothing (0 bytes). Check the address, or try again.")
    if announced is not None and announced.isdigit() and size < int(announced):
        raise MediaError(f"{url} broke off after {size:,} of {int(announced):,} bytes. Try again.")
