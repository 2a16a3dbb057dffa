"""The MCP server in this process: what a client is told, and what mistakes look like to it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client

from tests.fakes.mcp_results import first_text
from tests.fakes.watching import Notes
from videochat.agent import VideoAgent, VideoToolkit
from videochat.cli import main
from videochat.fence import unfenced
from videochat.mcp_server import TokenCheck, make_server
from videochat.media import Video
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


async def test_a_whole_question_is_answered_by_itself(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive", preset="builtin")
    toolkit = VideoToolkit(video_set=agent.video_set)
    expected = agent.ask("When is the milk poured?")
    async with Client(make_server(toolkit, agent=agent)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["ask"].input_schema["required"] == ["question"]
        for _ in range(2):
            found = await client.call_tool("ask", {"question": "When is the milk poured?"})
            assert first_text(found).startswith("<video>")
            assert expected.text in first_text(found)
            assert found.structured_content["citations"] == expected.as_dict()["citations"]
        for arguments in ({}, {"question": ""}, {"question": "a", "thread": "b"}):
            assert (await client.call_tool("ask", arguments)).is_error
        unknown = await client.call_tool("google", {})
    assert first_text(unknown).endswith("count, ask.")


@pytest.mark.parametrize("address", ["here", "1:99999", "localhost:"])
def test_a_wrong_address_is_one_sentence(tea: Path, address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", str(tea), "--http", address]) == 1
    assert "needs PORT or HOST:PORT" in capsys.readouterr().err


async def test_a_call_on_an_unwatched_video_tells_how_far_it_is_and_answers_from_what_is_seen(
    clip: Video, tmp_path: Path
) -> None:
    go_on = threading.Event()
    slow = Notes(before=lambda seconds: seconds < 3 or go_on.wait(60))
    toolkit = VideoToolkit(clip, preset=[slow], memory=tmp_path / "memory")
    told: list[tuple[float, float | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))
        assert message is not None
        assert message.endswith(" of 00:12")

    toolkit.start_watching()
    while toolkit.video_set.reached(clip) < 3:
        time.sleep(0.01)
    async with Client(make_server(toolkit, patience_seconds=1.2)) as client:
        found = await client.call_tool("read", {"start": 0, "end": 12}, progress_callback=tell)
        assert not found.is_error
        assert "picture at 1.00" in first_text(found)
        assert "is still being watched: so far up to 00:03 of 00:12" in str(found.content[-1])
        assert len(told) >= 2
        assert [now for now, _ in told] == sorted({now for now, _ in told})
        assert {total for _, total in told} == {12.0}
        go_on.set()
        toolkit.start_watching().wait()
        found = await client.call_tool("read", {"start": 10, "end": 12})
        assert "picture at 11.00" in first_text(found)
        assert len(found.content) == 1
    toolkit.close()


async def test_a_watch_that_fails_is_an_error_with_its_sentence(tmp_path: Path, clip: Video) -> None:
    toolkit = VideoToolkit(clip, preset=[Notes()], memory=tmp_path / "memory")
    (tmp_path / "memory").write_text("in its place")
    async with Client(make_server(toolkit)) as client:
        wrong = await client.call_tool("read", {"start": 0, "end": 12})
    assert wrong.is_error
    assert "cannot be used" in unfenced(first_text(wrong))
    assert "cannot be used" not in first_text(wrong).split("<video>")[0]


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([], False),
        ([(b"authorization", b"Bearer sesame")], True),
        ([(b"authorization", b"bearer sesame")], True),
        ([(b"authorization", b"Bearer sesam")], False),
        ([(b"authorization", b"Basic sesame")], False),
        ([(b"authorization", b"Bearer \xff")], False),
        ([(b"authorization", b"Bearer sesame"), (b"authorization", b"Bearer x")], False),
    ],
)
async def test_only_who_has_the_token_is_answered(headers: list, passes: bool) -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"status": 200})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await TokenCheck(app, "sesame")({"type": "http", "headers": headers}, None, send)
    assert sent[0]["status"] == (200 if passes else 401)
