"""Prompts and resources of the MCP server, as a client in this process gets them."""

from pathlib import Path

import pytest
from mcp.client.client import Client
from mcp_types import TextContent, TextResourceContents

from videochat.agent import VideoToolkit
from videochat.mcp_server import make_server
from videochat.memory import CaptionStore


@pytest.fixture
def toolkit(tea: Path, tea_memory: CaptionStore) -> VideoToolkit:
    return VideoToolkit(tea, memory=tea_memory)


async def test_prompts_are_offered_and_filled_in(toolkit: VideoToolkit) -> None:
    async with Client(make_server(toolkit)) as client:
        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        assert set(prompts) == {"ask", "summarize", "chapters"}
        got = await client.get_prompt("ask", {"question": "When is {the} milk poured?"})
        said = got.messages[0].content
        assert isinstance(said, TextContent)
        assert said.text.startswith("When is {the} milk poured?\n\nAnswer from the video alone")
        for name in ("ask", "sing"):
            with pytest.raises(Exception, match="needs question|no prompt 'sing'"):
                await client.get_prompt(name, {})


async def test_what_is_noted_can_be_read(toolkit: VideoToolkit, tea: Path) -> None:
    async with Client(make_server(toolkit)) as client:
        addresses = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert addresses == [f"videochat://captions/{tea.name}", f"videochat://chapters/{tea.name}"]
        read = [(await client.read_resource(address)).contents[0] for address in addresses]
        captions, chapters = [content.text for content in read if isinstance(content, TextResourceContents)]
        assert captions.startswith("<video>")
        assert "Now the milk is poured, slowly and last." in captions
        assert "\n00:00 " in chapters
        with pytest.raises(Exception, match="no resource|Internal"):
            await client.read_resource("videochat://captions/..%2Fetc%2Fpasswd")
