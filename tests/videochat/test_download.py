"""A download is whole or not at all, and made once. From a real server: tests/stories/test_video_urls.py."""

from __future__ import annotations

import io
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from videochat.download import download
from videochat.errors import MediaError


class Answer(io.BytesIO):
    """What a server sends."""

    def __init__(self, body: bytes, **headers: str) -> None:
        super().__init__(body)
        self.headers = Message()
        for name, value in headers.items():
            self.headers[name.replace("_", "-")] = value


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Answers in order; an exception is raised."""
    answers: list[Any] = []

    def open_url(self: Any, url: str, timeout: float) -> Answer:
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
    path = download("http://example.org/a%20film.mp4?x=1")
    assert (path.name, path.read_bytes()) == ("a film.mp4", b"film")
    assert download("http://example.org/a%20film.mp4?x=1") == path


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>", Content_Type="text/html"), "is a web page"),
        (Answer(b"", Content_Type="video/mp4"), "answered with nothing"),
        (Answer(b"fi", Content_Type="video/mp4", Content_Length="4"), "broke off after 2 of 4 bytes"),
        (TimeoutError("timed out"), r"cannot be fetched \(timed out\)"),
    ],
)
def test_what_is_no_film_leaves_nothing_behind(server: list[Any], tmp_path: Path, answer: Any, words: str) -> None:
    server.append(answer)
    with pytest.raises(MediaError, match=words):
        download("http://example.org/film.mp4")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
