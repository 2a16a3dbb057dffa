"""The MCP server in this process: what a client is told, and what mistakes look like to it."""

from pathlib import Path

import pytest
from mcp.client.client import Client

from tests.fakes.mcp_results import first_text
from videochat.agent import VideoToolkit
from videochat.cli import main
from videochat.mcp_server import make_server
from videochat.memory import CaptionStore


@pytest.fixture
def toolkit(tea: Path, tea_memory: CaptionStore) -> VideoToolkit:
    return VideoToolkit(tea, memory=tea_memory, pictures=True)


async def test_tools_are_listed_with_their_arguments(toolkit: VideoToolkit) -> None:
    async with Client(make_server(toolkit)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"browse", "search", "read", "look", "count", "frames"}
    assert tools["read"].input_schema["required"] == ["start", "end"]
    assert "in temporal order" in (tools["read"].description or "")


async def test_captions_come_as_text_and_as_data(toolkit: VideoToolkit) -> None:
    async with Client(make_server(toolkit)) as client:
        found = await client.call_tool("search", {"query": "milk"})
    assert not found.is_error
    assert "Now the milk is poured, slowly and last. [" in first_text(found)
    assert 14.5 in [caption["start_seconds"] for caption in found.structured_content["captions"]]


@pytest.mark.parametrize(
    ("tool", "arguments", "hint"),
    [
        ("read", {"start": "soon", "end": 3}, "start: Input should be a valid number"),
        ("read", {"start": 9, "end": 3}, "holds nothing"),
        ("google", {}, "known ones are browse"),
    ],
)
async def test_a_mistake_is_an_error_with_a_hint(toolkit: VideoToolkit, tool: str, arguments: dict, hint: str) -> None:
    async with Client(make_server(toolkit)) as client:
        wrong = await client.call_tool(tool, arguments)
    assert wrong.is_error
    assert hint in first_text(wrong)


@pytest.mark.parametrize("address", ["here", "1:99999", "localhost:"])
def test_a_wrong_address_is_one_sentence(tea: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", str(tea), "--http", address]) == 1
    assert "needs PORT or HOST:PORT" in capsys.readouterr().err
