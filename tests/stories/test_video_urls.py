"""A video from an address is fetched once, whole or not at all."""

from __future__ import annotations

import contextlib
import functools
import http.server
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videochat import download
from videochat.errors import MediaError
from videochat.media import Video


@pytest.fixture
def address(clip: Video, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(clip.path, folder / "a film.mp4")
    (folder / "page.html").write_text("<html>Watch our video!</html>")
    (folder / "site.html").write_text('<html><title>Ann films</title><video src="a%20film.mp4"></video></html>')
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{clip.path}\n#EXT-X-ENDLIST\n")

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
            elif self.path == "/on.mp4":
                self.send_response(302)
                self.send_header("Location", "/a%20film.mp4")
                self.end_headers()
            elif self.path == "/cut.mp4":
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"ffff\r\nabc")
            elif self.path == "/part.mp4":
                self.send_response(206)
                self.end_headers()
                self.wfile.write(clip.path.read_bytes()[:1000])
            elif self.path == "/error.mp4":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"error": "expired"}')
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
        ("page.html", "is a web page in which yt-dlp finds no video"),
        ("list.m3u8", "is a playlist of other addresses"),
        ("cut.mp4", r"cannot be fetched \(IncompleteRead"),
        ("part.mp4", "status 206"),
        ("error.mp4", "is no video"),
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


@pytest.mark.enable_socket
def test_the_video_of_a_page_is_fetched_once(address: str, clip: Video) -> None:
    video = Video(f"{address}/site.html")
    assert video.id == clip.id
    assert video.name.startswith("Ann films")
    assert video.path.stat().st_mode & 0o777 == 0o600
    assert Video(f"{address}/site.html").path == video.path


@pytest.mark.enable_socket
def test_a_public_address_does_not_lead_into_the_own_network(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no public host in a test: what the request comes to first counts as one.
    asked: list[str] = []

    def private(host: str) -> bool:
        asked.append(host)
        return len(asked) > 2

    monkeypatch.setattr(download, "is_private", private)
    with pytest.raises(MediaError, match="leads to 127.0.0.1, which is in a private network"):
        Video(f"{address}/on.mp4")


@pytest.mark.enable_socket
def test_a_head_that_never_ends_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_HEAD_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def trickle() -> None:
            connection = server.accept()[0]
            with contextlib.suppress(OSError):
                for letter in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 1000:
                    connection.sendall(bytes([letter]))
                    time.sleep(0.05)

        threading.Thread(target=trickle, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(MediaError, match="cannot be fetched"):
            Video(f"http://127.0.0.1:{server.getsockname()[1]}/film.mp4")
        assert time.monotonic() - began < 10
