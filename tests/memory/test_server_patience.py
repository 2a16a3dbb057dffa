"""A server that is away is waited for by who writes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from videochat.memory import server_patience
from videochat.memory.server_patience import ServerPatience


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_patience, "_FIRST_PAUSE_SECONDS", 0.001)


def absent(times: int, error: Exception) -> tuple[list[int], Callable[[], str]]:
    calls: list[int] = []

    def do() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "there"

    return calls, do


def test_who_writes_waits_and_says_so_once() -> None:
    calls, do = absent(3, httpx.ConnectError("refused"))
    server = ServerPatience("http://chroma:8000")
    with server.waiting(), pytest.warns(UserWarning, match="http://chroma:8000 does not answer; captions wait") as said:
        assert server.ask(do) == "there"
    assert (len(calls), len(said)) == (4, 1)


def test_who_asks_is_told_at_once_and_a_refusal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ServerPatience("http://chroma:8000")
    calls, do = absent(1, httpx.ReadTimeout("slow"))
    with pytest.raises(httpx.ReadTimeout):
        server.ask(do)
    _, do = absent(1, ValueError("no such dimension"))
    with server.waiting(), pytest.raises(ValueError, match="dimension"):
        server.ask(do)
    monkeypatch.setattr(server_patience, "PATIENCE_SECONDS", -1.0)
    calls, do = absent(9, httpx.ConnectError("refused"))
    with server.waiting(), pytest.raises(httpx.ConnectError):
        server.ask(do)
    assert len(calls) == 1
