"""The MCP server's side of stdio: also a line that cannot be read as a message gets an answer.

The SDK passes over such lines (a lone surrogate, JSON deeper than parsers go, no JSON at all), and whoever sent
a request in one would wait for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

_ID = re.compile(r'"id"\s*:\s*(-?\d{1,18}(?![\d.eE])|"(?:[^"\\]|\\.){0,200}")')
_HEAD_CHARACTERS = 2000


@asynccontextmanager
async def answering_stdio() -> AsyncIterator[tuple[Any, Any]]:
    """Yield the streams of stdin and stdout, as `mcp.server.stdio.stdio_server` does."""
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (reading, writing):
        yield AnsweringStream(reading, writing), writing


class AnsweringStream:
    """Messages that come; what is none is answered with an error instead of being handed on.

    Args:
        reading: where messages and exceptions come from.
        writing: where answers go.
    """

    def __init__(self, reading: Any, writing: Any) -> None:
        self._reading, self._writing = reading, writing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reading, name)

    async def __aenter__(self) -> AnsweringStream:
        await self._reading.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._reading.__aexit__(*error)

    def __aiter__(self) -> AnsweringStream:
        return self

    async def __anext__(self) -> Any:
        while isinstance(item := await self._reading.__anext__(), Exception):
            await self._writing.send(_refusal(item))
        return item


def _refusal(error: Exception) -> Any:
    """Return the message that says that a line is none, to the request in it where that can be told."""
    import mcp_types as types
    from mcp.shared.message import SessionMessage
    from pydantic import ValidationError

    why, code, asked = str(error), types.PARSE_ERROR, None
    if isinstance(error, ValidationError):
        problems = error.errors(include_url=False)
        why = str(problems[0]["msg"])
        if problems[0]["type"] == "json_invalid":
            asked = _id_in(str(problems[0]["input"]))
        else:
            code = types.INVALID_REQUEST
            ids = [each["input"].get("id") for each in problems if isinstance(each["input"], dict)]
            asked = next((one for one in ids if isinstance(one, str) or type(one) is int), None)
    text = f"This line is no message of JSON-RPC ({why[:200]}); send one JSON object a line."
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=asked, error=types.ErrorData(code=code, message=text)))


def _id_in(line: str) -> int | str | None:
    """Return the id of a request that is no JSON as a whole."""
    found = _ID.search(line[:_HEAD_CHARACTERS])
    try:
        id_: int | str | None = json.loads(found[1]) if found else None
    except ValueError:
        return None
    return id_
