"""Routes, errors, files of the page, listening."""

from __future__ import annotations

import re
import socket

import pytest
from starlette.testclient import TestClient

from videochat.errors import VideoChatError
from videochat.serve.app import listen


def test_the_page_loads_only_from_here(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|\sstyle=|https?://", page.text)
    for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
        file = client.get(address)
        assert file.status_code == 200, address
        assert "http://" not in file.text.replace("http://www.w3.org/2000/svg", "")
    again = client.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/nowhere", "/static/nowhere.js", "/static/..%2Fapp.py", "/static/%2e%2e/app.py", "/v1/x"]
)
def test_what_is_not_there_is_said_as_json(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "There is nothing at this address" in response.json()["error"]["message"]


def test_another_method_is_said(client: TestClient) -> None:
    assert client.get("/api/ask").status_code == 405
    assert client.delete("/api/videos").status_code == 405


def test_a_port_that_is_taken_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(self: socket.socket, address: object) -> None:
        raise OSError(98, "Address already in use")

    class Socket:
        def setsockopt(self, *_: object) -> None: ...
        def bind(self, address: object) -> None:
            raise OSError(98, "Address already in use")

        def close(self) -> None: ...

    monkeypatch.setattr("videochat.serve.app.socket.socket", lambda *_: Socket())
    with pytest.raises(VideoChatError, match=r"port 8421 \(Address already in use\); --port 0 takes"):
        listen("127.0.0.1", 8421)
