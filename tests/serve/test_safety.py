"""Token, headers, bounded bodies, one form of error."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from videochat.serve.safety import COOKIE, MOST_JSON_BYTES, problem


def test_without_the_token_nothing_is_told(client_for: Callable[..., TestClient]) -> None:
    token = secrets.token_urlsafe(9)
    client = client_for(token=token)
    for address in ("/api/videos", "/media/x", "/v1/models", "/api/search?q=a"):
        refused = client.get(address)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
        for given in (f"Bearer {token}x", f"Basic {token}", "Bearer", "Bearer é"):
            assert client.get(address, headers={b"authorization": given.encode()}).status_code == 401
    assert client.get("/").status_code == 200, "the page asks for the token"
    assert client.get("/api/videos?token=" + token).status_code == 401, "an address is kept in logs"
    assert client.get("/v1/models", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_a_browser_gives_the_token_once(client_for: Callable[..., TestClient]) -> None:
    client = client_for(token="right")
    assert client.get("/?token=wrong").status_code == 401
    first = client.get("/?token=right", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=strict" in first.headers["set-cookie"]
    assert client.get("/api/videos").status_code == 200
    linked = client.get("/?video=abc&t=4,7&token=right", follow_redirects=False)
    assert linked.headers["location"] == "/?video=abc&t=4%2C7", "a link to a moment stays one"
    refused = client.get("/?token=wrong", headers={"accept": "text/html"}, follow_redirects=False)
    assert (refused.status_code, refused.headers["location"]) == (303, "/#refused"), "the page asks a person again"
    assert "set-cookie" not in refused.headers
    client.cookies.set(COOKIE, "wrong")
    client.cookies.clear()
    assert client.get("/api/videos", headers={"cookie": f"{COOKIE}=wrong"}).status_code == 401
    assert client.get("/api/videos", headers={"cookie": ";;==\x01"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:8421@evil.example"}, 421),
        ({"host": "127.0.0.1:8421.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8421.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:8421"}, 200),
    ],
)
def test_other_sites_are_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.get("/api/videos", headers=headers).status_code == status


def test_a_long_body_is_refused_before_it_is_read(client: TestClient) -> None:
    for address in ("/api/ask", "/api/videos", "/v1/chat/completions", "/v1/responses"):
        assert client.post(address, content=b"x" * (MOST_JSON_BYTES + 1)).status_code == 413
        parts = iter([b"x" * MOST_JSON_BYTES, b"xx"])
        assert client.post(address, content=parts).status_code == 413


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"null", b'"a"', b"\xff\xfe", b"[" * 100_000, b'{"question": "\\ud800"}']
)
def test_wrong_json_is_said(client: TestClient, body: bytes) -> None:
    for address in ("/api/ask", "/v1/chat/completions"):
        response = client.post(address, content=body)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_json")


def test_errors_have_the_form_of_the_protocol() -> None:
    assert problem(401, "No.").headers["www-authenticate"] == "Bearer"
    assert b'"type":"server_error"' in problem(503, "Busy.").body
