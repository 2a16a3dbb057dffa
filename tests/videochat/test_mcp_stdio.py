"""Over stdio a line that is no message is answered, so that nobody waits."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from videochat.mcp_stdio import AnsweringStream

GOOD = '{"jsonrpc":"2.0","id":9,"method":"ping"}'


def parsed(line: str) -> SessionMessage | Exception:
    """Return a line as the SDK hands it on."""
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as error:
        return error


@pytest.mark.parametrize(
    ("line", "id_", "code"),
    [
        (r'{"jsonrpc":"2.0","id":2,"method":"ping","params":{"a":"\ud800"}}', 2, -32700),
        (
            '{"jsonrpc":"2.0","id":"x\\n1","method":"ping","params":{"a":' + "[" * 5000 + "]" * 5000 + "}}",
            "x\n1",
            -32700,
        ),
        ("not json", None, -32700),
        ('{"jsonrpc":"2.0","id":7,"method":3}', 7, -32600),
        ('{"jsonrpc":"2.0","id":1.5e3,"method":3}', None, -32600),
    ],
)
def test_what_is_no_message_is_answered_and_not_handed_on(line: str, id_: int | str | None, code: int) -> None:
    async def talk() -> tuple[list[Any], list[Any]]:
        come, reading = create_context_streams[SessionMessage | Exception](9)
        writing, gone = create_context_streams[SessionMessage](9)
        async with come, writing:
            await come.send(parsed(line))
            await come.send(parsed(GOOD))
            come.close()
            async with AnsweringStream(reading, writing) as stream:
                handed_on = [item async for item in stream]
        return handed_on, [item async for item in gone]

    handed_on, answers = anyio.run(talk)
    assert [item.message.id for item in handed_on] == [9]
    (answer,) = answers
    assert (answer.message.id, answer.message.error.code) == (id_, code)
    assert "no message of JSON-RPC" in answer.message.error.message


def test_what_is_no_text_is_answered_too() -> None:
    async def talk() -> Any:
        come, reading = create_context_streams[SessionMessage | Exception](9)
        writing, gone = create_context_streams[SessionMessage](9)
        async with come, writing, gone:
            await come.send(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
            come.close()
            assert [item async for item in AnsweringStream(reading, writing)] == []
            return await gone.receive()

    assert anyio.run(talk).message.error.code == types.PARSE_ERROR
