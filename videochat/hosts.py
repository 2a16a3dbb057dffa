"""Who may talk to a server on this machine: the Host and Origin headers that it answers, read exactly.

A page of another site can make a browser send requests to loopback, and a name of its own can be made to point there
(DNS rebinding). Such requests carry that site's name in Host or Origin, and are refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine that nobody outside of it can reach."""

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def is_loopback(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine alone."""
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> tuple[str, int | None] | None:
    """Return host, in small letters and without brackets, and port of `host:port`; None where it is no such text.

    Args:
        text: as a Host header has it; with a user (`a@b`), a path or spaces it is none.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    return (match[1] or match[2]).lower(), int(match[3]) if match[3] else None


@dataclass(frozen=True)
class AllowedHosts:
    """The names under which a server is asked."""

    names: frozenset[str]
    """Host names and addresses, in small letters."""
    port: int
    """Where it listens."""
    any_address: bool = False
    """Whether an address in numbers is answered too, whatever it is: for a server that listens at all addresses and
    asks for a token. Names can be rebound, numbers cannot."""

    @classmethod
    def listening_at(cls, host: str, port: int, more: Iterable[str] = ()) -> AllowedHosts:
        """Return what a server that listens at `host` and `port` answers to.

        Args:
            host: address that it listens at.
            port: where.
            more: further names by which it is reached, as behind a proxy.
        """
        everywhere = host in ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened at
        own = LOOPBACK if everywhere or is_loopback(host) else frozenset({host.lower()})
        return cls(own | {host.lower()} | {name.lower() for name in more}, port, everywhere)

    def allows_host(self, header: str) -> bool:
        """Whether a Host header names this server."""
        return self._is_ours(header, "http")

    def allows_origin(self, header: str) -> bool:
        """Whether an Origin header names a page of this server."""
        scheme, separator, address = header.partition("://")
        return bool(separator) and scheme in _DEFAULT_PORTS and self._is_ours(address, scheme)

    def _is_ours(self, address: str, scheme: str) -> bool:
        parts = split_address(address)
        if parts is None:
            return False
        name, port = parts
        if name not in LOOPBACK and name in self.names:
            # A proxy in front has a port of its own.
            return True
        known = name in self.names or (self.any_address and _is_number(name))
        return known and (_DEFAULT_PORTS[scheme] if port is None else port) == self.port


class HostCheck:
    """ASGI middleware that refuses requests whose Host or Origin is of another server, before anything reads them.

    Args:
        app: what answers the others.
        allowed: the names of this server; called for each request, since a port is known only after listening began.
    """

    def __init__(self, app: App, allowed: Callable[[], AllowedHosts]) -> None:
        self._app, self._allowed = app, allowed

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer 421 to a foreign Host, 403 to a foreign Origin, and hand on the rest."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        allowed = self._allowed()
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        if len(hosts) != 1 or not allowed.allows_host(hosts[0]):
            await _refuse(scope, send, 421, "This server does not answer to that Host; use the address it printed.")
        elif not all(allowed.allows_origin(origin) for origin in origins):
            await _refuse(scope, send, 403, "A page of another site (Origin) may not use this server.")
        else:
            await self._app(scope, receive, send)


async def _refuse(scope: Scope, send: Callable[[Any], Awaitable[None]], status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
