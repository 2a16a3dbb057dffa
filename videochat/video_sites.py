"""Pages of video sites: yt-dlp finds the video behind them, where it is installed (extra `sites`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from videochat.errors import MediaError, first_line
from videochat.ffmpeg import ffmpeg_exe

_MOST_SECONDS = 4 * 3600.0
_SILENCE_SECONDS = 20.0


class _Silent:
    """Takes what yt-dlp has to say; what matters comes as an exception."""

    def debug(self, text: str) -> None:
        pass

    warning = error = debug


def fetch_page(url: str, folder: Path, *, most_bytes: int, refuse: Callable[[str], bool]) -> Path:
    """Fetch the video of a page into a folder, and return where it lies.

    Args:
        url: address of the page.
        folder: where to.
        most_bytes: size of the largest file that is fetched.
        refuse: says of an address on the page whether it may not be fetched.

    Raises:
        MediaError: yt-dlp is not installed, or finds no video that can be fetched.
    """
    try:
        from yt_dlp import YoutubeDL
    except ImportError as error:
        raise MediaError(
            f"{url} is a web page, not a media file; give the address of the file itself, or let yt-dlp find it: "
            "pip install 'videochat[sites]'."
        ) from error
    until = time.monotonic() + _MOST_SECONDS

    def hook(_: dict[str, Any]) -> None:
        if time.monotonic() > until:
            raise MediaError(f"{url} took more than {_MOST_SECONDS / 3600:.0f} hours. Download it yourself.")

    options = {
        "outtmpl": str(folder).replace("%", "%%") + "/%(title).80B [%(id).40B].%(ext)s",
        "format": "bv*[height<=1080]+ba/b[height<=1080]/b",
        "noplaylist": True,
        "playlist_items": "1",
        "max_filesize": most_bytes,
        "socket_timeout": _SILENCE_SECONDS,
        "retries": 2,
        "ffmpeg_location": ffmpeg_exe(),
        "cachedir": False,
        "noprogress": True,
        "logger": _Silent(),
        "progress_hooks": [hook],
    }
    try:
        with YoutubeDL(options) as finder:
            info = finder.extract_info(url, download=False)
            info = next(iter(info["entries"])) if "entries" in info else info
            for part in info.get("requested_formats") or [info]:
                if refuse(part["url"]):
                    raise MediaError(
                        f"The video of {url} is in a private network; give its own address if it is meant."
                    )
            return Path(finder.process_ie_result(info)["requested_downloads"][0]["filepath"])
    except MediaError:
        raise
    except Exception as error:
        # An extractor reads a page of a stranger, and may fail in any way.
        raise MediaError(
            f"{url} is a web page in which yt-dlp finds no video that can be fetched ({first_line(error)[:200]}). "
            "Give the address of the file itself, or download it yourself."
        ) from error
