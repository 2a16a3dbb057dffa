"""What is said where yt-dlp is missing or finds nothing; a page that it reads: tests/stories/test_video_urls.py."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yt_dlp

from videochat.errors import MediaError
from videochat.video_sites import fetch_page

PAGE = "https://example.org/watch?v=1"


def fetch(folder: Path, refuse: Callable[[str], bool] = lambda url: False) -> Path:
    return fetch_page(PAGE, folder, most_bytes=10**6, refuse=refuse)


def test_without_yt_dlp_the_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(MediaError, match=r"is a web page, not a media file; .*videochat\[sites\]"):
        fetch(tmp_path)


@pytest.mark.parametrize("failure", [KeyError("formats"), RecursionError(), yt_dlp.utils.DownloadError("Unsupported")])
def test_an_extractor_may_fail_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def extract_info(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)
    with pytest.raises(MediaError, match="yt-dlp finds no video"):
        fetch(tmp_path)


def test_a_page_does_not_lead_where_it_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = [{"url": "https://example.org/v"}, {"url": "http://10.0.0.1/a"}]
    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", lambda *_, **__: {"requested_formats": formats})
    with pytest.raises(MediaError, match="in a private network"):
        fetch(tmp_path, refuse=lambda url: "10.0.0.1" in url)
