"""A download is whole or not at all, and made once. From a real server: tests/stories/test_video_urls.py."""

from __future__ import annotations

import http.client
import io
import os
import time
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from videochat import download as module
from videochat.download import Address, download, is_private
from videochat.errors import MediaError


class Answer(io.BytesIO):
    """What a server sends."""

    def __init__(self, body: bytes, **headers: str) -> None:
        super().__init__(body)
        self.status = 200
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name.replace("_", "-")] = value


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answers in order; an exception is raised."""
    answers: list[Any] = []

    def open_url(self: Any, request: urllib.request.Request, timeout: float) -> Answer:
        assert timeout <= 20
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", open_url)
    return answers


def test_an_address_is_fetched_once(server: list[Any]) -> None:
    server.append(Answer(b"film", Content_Type="video/mp4", Content_Length="4"))
    path = download("http://example.org/a film.mp4?x=1#t=3", Path.stat)
    assert (path.name, path.read_bytes()) == ("a film.mp4", b"film")
    assert path.stat().st_mode & 0o777 == 0o600
    path.with_suffix(".srt").write_text("1")
    assert download("http://example.org/a%20film.mp4?x=1", Path.stat) == path


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>", Content_Type="text/html"), "is a web page"),
        (Answer(b"", Content_Type="video/mp4"), "answered with nothing"),
        (Answer(b"fi", Content_Type="video/mp4", Content_Length="4"), "broke off after 2 of 4 bytes"),
        (Answer(b"#EXTM3U\n/etc/passwd", Content_Type="video/mp4"), "is a playlist of other addresses"),
        (Answer(b"\xef\xbb\xbf\n<?xml version='1.0'?><MPD>", Content_Type="video/mp4"), "is a playlist"),
        (Answer(b"film", Content_Length=str(2**40)), "announces 1,099,511,627,776 bytes"),
        (TimeoutError("timed out"), r"cannot be fetched \(timed out\)"),
        (http.client.IncompleteRead(b""), r"cannot be fetched \(IncompleteRead"),
        (ValueError("odd"), r"cannot be fetched \(odd\)"),
    ],
)
def test_what_is_no_film_leaves_nothing_behind(server: list[Any], tmp_path: Path, answer: Any, words: str) -> None:
    server.append(answer)
    with pytest.raises(MediaError, match=words):
        download("http://example.org/film.mp4", Path.stat)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_does_not_open_is_not_kept_and_asked_for_again(server: list[Any], tmp_path: Path) -> None:
    def check(path: Path) -> None:
        if path.read_bytes() != b"film":
            raise MediaError(f"{str(path)!r} is not a video")

    server += [Answer(b"{}"), Answer(b"film")]
    with pytest.raises(MediaError, match=r"is no video: 'http://example.org/film.mp4' is not a video$"):
        download("http://example.org/film.mp4", check)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert download("http://example.org/film.mp4", check).read_bytes() == b"film"


def test_what_a_killed_process_left_is_removed(server: list[Any], tmp_path: Path) -> None:
    server.append(Answer(b"film"))
    folder = download("http://example.org/film.mp4", Path.stat).parent
    for name, age in (("unfinished-1", 10), ("unfinished-2", 10**5)):
        (folder / name).mkdir()
        for path in (folder / name / "film.mp4", folder / name):
            path.touch()
            os.utime(path, (time.time() - age,) * 2)
    download("http://example.org/film.mp4", Path.stat)
    assert sorted(path.name for path in folder.iterdir()) == ["film.mp4", "unfinished-1"]


def test_too_much_and_too_slow_are_refused(server: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3)
    server.append(Answer(b"film"))
    with pytest.raises(MediaError, match="sends more than 3 bytes"):
        download("http://example.org/film.mp4", Path.stat)
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    monkeypatch.setattr(module, "_MEASURED_SECONDS", -1)
    monkeypatch.setattr(module, "SLOWEST", 2**60)
    server.append(Answer(b"film"))
    with pytest.raises(MediaError, match="bytes a second"):
        download("http://example.org/film.mp4", Path.stat)


@pytest.mark.parametrize(
    ("given", "url", "name"),
    [
        ("HTTP://Example.org", "http://example.org/", "video"),
        (
            " https://example.org:8443/a b/é.mp4?q=ü&x=[1]#t=2 ",
            "https://example.org:8443/a%20b/%C3%A9.mp4?q=%C3%BC&x=[1]",
            "é.mp4",
        ),
        ("http://müller.example/x.mp4", "http://xn--mller-kva.example/x.mp4", "x.mp4"),
        ("http://[::1]:80/x.mp4", "http://[::1]:80/x.mp4", "x.mp4"),
        ("http://127.0.0.1:0/x.mp4", "http://127.0.0.1:0/x.mp4", "x.mp4"),
        ("http://ann:s%40crit@example.org/x", "http://example.org/x", "x"),
        ("http://example.org/%2e%2e", "http://example.org/%2e%2e", "video"),
        ("http://example.org/..%2f..%5c.bashrc", "http://example.org/..%2f..%5c.bashrc", "bashrc"),
        ("http://example.org/a%00\udcff.ts", "http://example.org/a%00%FF.ts", "a\ufffd.ts"),
        (f"http://example.org/{'é' * 200}.mp4", f"http://example.org/{'%C3%A9' * 200}.mp4", "é" * 60 + ".mp4"),
    ],
)
def test_addresses_as_people_write_them(given: str, url: str, name: str) -> None:
    address = Address.parse(given)
    assert (address.url, address.name) == (url, name)
    assert address.credentials == ("ann:s@crit" if "ann" in given else "")


@pytest.mark.parametrize(
    "given",
    [
        "http://",
        "http://[::1/x",
        "http://h:abc/",
        "http://h:99999/",
        "http://a b/",
        "http://%00/",
        f"http://{'a' * 70}.org/",
    ],
)
def test_what_is_no_address_is_one_sentence(given: str) -> None:
    with pytest.raises(MediaError, match="is no http"):
        Address.parse(given)


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True), ("localhost", True), ("LOCALHOST.", True), ("10.1.2.3", True), ("169.254.169.254", True),
        ("[::1]", True), ("fe80::1%eth0", True), ("::ffff:192.168.0.1", True), ("2002:7f00:1::", True),
        ("0.0.0.0", True), ("224.0.0.1", True),
        ("93.184.215.14", False), ("2606:2800:220:1::", False), ("example.org", False),
    ],
)  # fmt: skip
def test_which_addresses_are_of_this_machine_or_its_network(host: str, private: bool) -> None:
    assert is_private(host) is private


def test_a_request_goes_to_http_alone_and_tells_its_password_to_its_own_host() -> None:
    address = Address.parse("https://me:secret@example.org/hook")
    own = address.request(data=b"{}", headers={"Content-Type": "application/json"})
    assert (own.full_url, own.get_method(), own.get_header("Content-type")) == (
        "https://example.org/hook",
        "POST",
        "application/json",
    )
    assert own.get_header("Authorization") == "Basic bWU6c2VjcmV0"
    assert address.request("https://other.example/part.ts").get_header("Authorization") is None
    with pytest.raises(MediaError, match="no http"):
        address.request("file:///etc/passwd")
