"""A video from an address is fetched once, whole or not at all."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videochat.errors import MediaError
from videochat.media import Video


@pytest.fixture
def address(clip: Video, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(clip.path, folder / "a film.mp4")
    (folder / "page.html").write_text("<html>Watch our video!</html>")

    class Server(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/half.mp4":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
            elif self.path == "/nothing.mp4":
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path == "/moved.mp4":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/film.mp4")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.enable_socket
def test_a_video_is_fetched_once_from_an_address(address: str, clip: Video) -> None:
    video = Video(f"{address}/a%20film.mp4")
    assert video.id == clip.id
    assert video.name == "a film.mp4"
    changed = video.path.stat().st_mtime_ns
    assert Video(f"{address}/a%20film.mp4").path.stat().st_mtime_ns == changed


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("nowhere.mp4", "cannot be fetched .*404"),
        ("page.html", "is a web page, not a media file"),
        ("half.mp4", "broke off after 10 of 1,000 bytes"),
        ("nothing.mp4", "answered with nothing"),
        ("moved.mp4", "leads to ftp://127.0.0.1/film.mp4, which is no http"),
    ],
)
def test_an_address_without_a_video_is_refused(address: str, tmp_path: Path, page: str, words: str) -> None:
    with pytest.raises(MediaError, match=words):
        Video(f"{address}/{page}")
    assert not [p for p in (tmp_path / "home").rglob("*") if p.is_file()], "nothing half-fetched stays"


@pytest.mark.enable_socket
def test_an_address_where_nobody_answers_is_refused() -> None:
    with pytest.raises(MediaError, match=r"cannot be fetched \(.*Check the address"):
        Video("http://127.0.0.1:9/film.mp4")
