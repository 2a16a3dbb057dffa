"""The MCP server in a process of its own, asked by a real client over stdio and over HTTP."""

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from tests.fakes.mcp_results import first_text
from videochat import CaptionStore

SERVE = [sys.executable, "-m", "videochat.cli", "mcp"]


async def use(client: Client) -> None:
    """Do what a client does: list, call, see pictures, make mistakes."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"browse", "search", "read", "look", "count", "frames", "ask"}
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


@pytest.fixture
def serve(tea: Path, tea_memory: CaptionStore) -> Iterator[Callable[..., str]]:
    """Starts a server over what has been watched, with further arguments, and returns `127.0.0.1:port`."""
    watched = [str(tea), "--preset", "builtin", "--memory", str(tea_memory.path)]
    servers: list[subprocess.Popen] = []

    def serve(host: str = "", *arguments: str) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        servers.append(subprocess.Popen([*SERVE, *watched, "--http", f"{host}{port}", *arguments]))
        while True:
            assert servers[-1].poll() is None, "the server has ended"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"127.0.0.1:{port}"
            time.sleep(0.1)

    yield serve
    for server in servers:
        server.terminate()
        assert server.wait(60) == 0


@pytest.mark.enable_socket
async def test_over_http(serve: Callable[..., str]) -> None:
    address = serve()
    async with Client(f"http://{address}/mcp") as client:
        await use(client)
    port = address.split(":")[1]
    for headers, status in [
        ({}, 200),
        ({"Host": f"localhost:{port}"}, 200),
        ({"Host": f"{address}@evil.example"}, 421),
        ({"Host": f"{address}.evil.example"}, 421),
        ({"Origin": f"http://{address}"}, 200),
        ({"Origin": f"http://localhost:{port}@evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ]:
        assert status_of(address, headers) == status, headers


@pytest.mark.enable_socket
def test_another_address_than_loopback_needs_the_token(serve: Callable[..., str]) -> None:
    address = serve("0.0.0.0:", "--token", "sesame", "--name", "films.example")
    assert status_of(address, {}) == 401
    assert status_of(address, {"Authorization": "Bearer sesame"}) == 200
    assert status_of(address, {"Authorization": "Bearer sesame", "Host": "films.example"}) == 200
    assert status_of(address, {"Authorization": "Bearer sesame", "Host": "evil.example"}) == 421


def status_of(address: str, headers: dict[str, str]) -> int:
    """Return the status that the first message of a client gets."""
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "0"}},
    }
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("POST", "/mcp", json.dumps(hello), usual | headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
