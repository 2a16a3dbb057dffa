"""Media files from http(s) addresses, fetched once into the data folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from videochat.errors import MediaError
from videochat.home import home


def download(url: str) -> Path:
    """Download a media file into the data folder, once per address, and return where it lies.

    Raises:
        MediaError: the address does not answer within 20 seconds, or answers with an error or a web page.
    """
    import urllib.error
    import urllib.request

    name = Path(unquote(urlsplit(url).path)).name or "video"
    target = home() / "downloads" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest() / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + f".{os.getpid()}.part")
    try:
        with urllib.request.urlopen(url, timeout=20) as answer, part.open("wb") as file:  # noqa: S310 - http(s) only
            if answer.headers.get_content_type() == "text/html":
                raise MediaError(f"{url} is a web page, not a media file; give the address of the file itself.")
            shutil.copyfileobj(answer, file, 2**20)
    except (urllib.error.URLError, OSError) as error:
        part.unlink(missing_ok=True)
        raise MediaError(f"{url} cannot be fetched ({error}). Check the address, or download it yourself.") from error
    except MediaError:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)
    return target
