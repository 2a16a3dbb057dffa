"""Host and Origin headers are read exactly."""

from __future__ import annotations

import random
from typing import Any

import pytest

from videochat.hosts import AllowedHosts, HostCheck, is_loopback, split_address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("LocalHost:80", ("localhost", 80)),
        ("[::1]:8000", ("::1", 8000)),
        ("127.0.0.1", ("127.0.0.1", None)),
        ("a@b", None),
        ("127.0.0.1:8000@evil.example", None),
        ("127.0.0.1:8000.evil.example", None),
        ("127.0.0.1:8000/x", None),
        ("", None),
        ("a b", None),
        ("a:", None),
        ("::1", None),
    ],
)
def test_an_address_is_split(text: str, parts: object) -> None:
    assert split_address(text) == parts


def test_only_the_own_host_and_port_are_answered() -> None:
    port = random.randint(1025, 65535)
    allowed = AllowedHosts.listening_at("127.0.0.1", port)
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert allowed.allows_host(f"{host}:{port}")
        assert allowed.allows_origin(f"http://{host}:{port}")
        assert not allowed.allows_host(f"{host}:{port - 1}")
        assert not allowed.allows_host(f"{host}:{port}@evil.example")
        assert not allowed.allows_host(f"{host}:{port}.evil.example")
        assert not allowed.allows_origin(f"http://{host}:{port}.evil.example")
        assert not allowed.allows_origin(f"http://{host}:{port}@evil.example")
        assert not allowed.allows_origin(f"http://evil.example/{host}:{port}")
        assert not allowed.allows_origin(f"ftp://{host}:{port}")
    for origin in ("null", "", "http://evil.example", f"http://evil.example:{port}", f"127.0.0.1:{port}"):
        assert not allowed.allows_origin(origin)
    assert not allowed.allows_host(f"10.0.0.7:{port}")


def test_at_all_addresses_numbers_are_answered_and_only_the_names_that_were_given() -> None:
    allowed = AllowedHosts.listening_at("0.0.0.0", 8123, ["Films.example"])
    assert allowed.allows_host("10.0.0.7:8123")
    assert allowed.allows_host("localhost:8123")
    assert allowed.allows_host("films.example")
    assert allowed.allows_origin("https://films.example")
    assert not allowed.allows_host("10.0.0.7:80")
    assert not allowed.allows_host("rebound.example:8123")


def test_loopback_is_told_from_the_rest() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "127.0.0.1.example"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"127.0.0.1:8000")], 200),
        ([(b"host", b"127.0.0.1:8000"), (b"origin", b"http://127.0.0.1:8000")], 200),
        ([(b"host", b"evil.example")], 421),
        ([], 421),
        ([(b"host", b"127.0.0.1:8000"), (b"host", b"127.0.0.1:8000")], 421),
        ([(b"host", b"127.0.0.1:8000"), (b"origin", b"http://evil.example")], 403),
        ([(b"host", b"127.0.0.1:8000"), (b"origin", b"null")], 403),
    ],
)
async def test_foreign_requests_are_refused_before_anything_reads_them(headers: Any, status: int) -> None:
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    async def send(message: Any) -> None:
        sent.append(message)

    check = HostCheck(app, lambda: AllowedHosts.listening_at("127.0.0.1", 8000))
    await check({"type": "http", "headers": headers}, receive, send)
    assert sent[0]["status"] == status
