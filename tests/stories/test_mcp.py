"""The MCP server in a process of its own, asked by a real client over stdio and over HTTP."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from tests.fakes.mcp_results import first_text

SERVE = [sys.executable, "-m", "videochat.cli", "mcp"]


async def use(client: Client) -> None:
    """Do what a client does: list, call, see pictures, make mistakes."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"browse", "search", "read", "look", "count", "frames"}
    assert tools["read"].input_schema["required"] == ["start", "end"]
    found = await client.call_tool("search", {"query": "milk"})
    assert not found.is_error
    assert "Now the milk is poured, slowly and last. [" in first_text(found)
    assert 14.5 in [caption["start_seconds"] for caption in found.structured_content["captions"]]
    pictures = await client.call_tool("frames", {"start": 0, "end": 4, "n": 2})
    assert [block.type for block in pictures.content] == ["text", "image", "text", "image"]
    wrong = await client.call_tool("read", {"start": "soon"})
    assert wrong.is_error
    assert "start: Input should be a valid number" in first_text(wrong)
    reversed_range = await client.call_tool("read", {"start": 9, "end": 3})
    assert reversed_range.is_error
    assert "holds nothing" in first_text(reversed_range)
    unknown = await client.call_tool("google", {})
    assert unknown.is_error
    assert "known ones are browse" in first_text(unknown)


async def test_over_stdio(tea: Path, tmp_path: Path) -> None:
    environment = {"VIDEOCHAT_HOME": str(tmp_path), "VIDEOCHAT_EMBEDDINGS": "builtin"}
    parameters = StdioServerParameters(command=SERVE[0], args=[*SERVE[1:], str(tea)], env=environment)
    async with Client(stdio_client(parameters)) as client:
        await use(client)


@pytest.mark.enable_socket
async def test_over_http(tea: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([*SERVE, str(tea), "--http", str(port)])
    try:
        while True:
            assert server.poll() is None, "the server has ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            await use(client)
    finally:
        server.terminate()
        server.wait(20)
