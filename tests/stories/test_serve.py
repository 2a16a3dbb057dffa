"""`videochat serve` in a process of its own: clients of the protocol, one answer on every surface, rough clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client
from pydantic import SecretStr

from tests.fakes.video_server import serving
from videochat import CaptionStore, VideoAgent

pytestmark = pytest.mark.enable_socket

QUESTION = "When is the milk poured?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def memory(tea_memory: CaptionStore) -> str:
    """The place of a store in which the clip has been watched."""
    return str(tea_memory.path)


@pytest.fixture(scope="module")
def address(tea: Path, home: Path, memory: str) -> Iterator[str]:
    with serving(str(tea), "--memory", memory, home=home) as found:
        yield found


async def test_every_surface_gives_the_same_citations(
    address: str, tea: Path, home: Path, tea_memory: CaptionStore, memory: str
) -> None:
    answer = VideoAgent(tea, memory=tea_memory, llm="extractive", preset="builtin").ask(QUESTION)
    expected = [(citation.caption.id, citation.start_seconds, citation.end_seconds) for citation in answer.citations]
    assert expected

    command = [sys.executable, "-m", "videochat.cli", "ask", str(tea), QUESTION, "--json", "--preset", "builtin"]
    run = subprocess.run([*command, "--memory", memory], capture_output=True, text=True, check=True)
    page = httpx.get(f"{address}/api/videos").json()["videos"][0]["id"]
    lines = httpx.post(
        f"{address}/api/ask", json={"question": QUESTION, "videos": [page]}, timeout=60
    ).text.splitlines()
    messages = [{"role": "user", "content": QUESTION}]
    chat = httpx.post(f"{address}/v1/chat/completions", json={"messages": messages}, timeout=60).json()
    served = ["-m", "videochat.cli", "mcp", str(tea), "--preset", "builtin", "--memory", memory]
    environment = {"VIDEOCHAT_HOME": str(home), "VIDEOCHAT_EMBEDDINGS": "builtin"}
    async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=served, env=environment))) as mcp:
        told = await mcp.call_tool("ask", {"question": QUESTION})
        sought = await mcp.call_tool("search", {"query": QUESTION})
    assert {c[0] for c in expected} <= {caption["id"] for caption in sought.structured_content["captions"]}
    for found in (json.loads(run.stdout), json.loads(lines[-1])["answer"], chat["videochat"], told.structured_content):
        assert [(c["id"], c["start_seconds"], c["end_seconds"]) for c in found["citations"]] == expected
    # A citation's address opens the page at its second.
    url = chat["choices"][0]["message"]["annotations"][0]["url_citation"]["url"]
    assert url == f"{address}/?video={page}&t={expected[0][1]:g},{expected[0][2]:g}"
    assert httpx.get(url).status_code == 200


def test_the_openai_client_asks_streams_and_reads_citations(address: str) -> None:
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="unused")
    assert [model.id for model in client.models.list()] == ["videochat", "tea.mp4"]
    whole = client.chat.completions.create(model="tea.mp4", messages=[{"role": "user", "content": QUESTION}])
    message = whole.choices[0].message
    assert message.content is not None
    assert message.annotations is not None
    cited = message.annotations[0].url_citation
    assert message.content[cited.start_index : cited.end_index] == "[00:14-00:18]"
    pieces, usage = [], None
    for chunk in client.chat.completions.create(
        model="tea.mp4",
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
    assert "".join(pieces) == message.content
    assert len(pieces) > 3
    assert usage is not None
    response = client.responses.create(model="tea.mp4", input=QUESTION)
    assert response.output_text == message.content
    with client.responses.stream(model="tea.mp4", input=QUESTION, previous_response_id=response.id) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    with pytest.raises(openai.NotFoundError, match="known ones are videochat, tea.mp4"):
        client.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": QUESTION}])
    with pytest.raises(openai.BadRequestError, match="last of messages must be a question"):
        client.chat.completions.create(model="tea.mp4", messages=[{"role": "assistant", "content": "Hello."}])


def test_langchain_takes_it_for_a_chat_model(address: str) -> None:
    plain = ChatOpenAI(model="tea.mp4", base_url=f"{address}/v1", api_key=SecretStr("unused"))
    assert "[00:14-00:18]" in plain.invoke(QUESTION).text
    assert "".join(chunk.text for chunk in plain.stream(QUESTION)) == plain.invoke(QUESTION).text
    model = ChatOpenAI(model="tea.mp4", base_url=f"{address}/v1", api_key=SecretStr("unused"), use_responses_api=True)
    block = model.invoke(QUESTION).content[0]
    assert isinstance(block, dict)
    assert block["annotations"][0]["url"].endswith("&t=14.5,17.5")


def test_clients_that_go_away_and_many_readers_leave_it_standing(address: str) -> None:
    id_ = httpx.get(f"{address}/api/videos").json()["videos"][0]["id"]
    host, port = urlsplit(address).hostname, urlsplit(address).port
    body = json.dumps({"question": QUESTION, "videos": [id_]})
    for request in (
        f"POST /api/ask HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n{body}",
        f"POST /api/ask HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 5000\r\n\r\nhalf",
        f"POST /api/upload?name=a.mp4 HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 5000\r\n\r\nhalf",
        f"GET /media/{id_}/stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n",
        f"GET /media/{id_} HTTP/1.1\r\nHost: {host}:{port}\r\nRange: bytes=0-\r\n\r\n",
        "\x16\x03\x01 no HTTP at all\r\n\r\n",
    ):
        with socket.create_connection((str(host), int(port or 0))) as connection:
            connection.sendall(request.encode("latin-1"))

    def read(number: int) -> int:
        with httpx.Client(base_url=address, timeout=60) as client:
            first = client.get("/")
            ranges = client.get(f"/media/{id_}", headers={"range": f"bytes={number}-{number + 99}"})
            again = client.get("/", headers={"if-none-match": first.headers["etag"]})
            return (first.status_code, ranges.status_code, len(ranges.content), again.status_code).count(304)

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(read, range(200))) == [1] * 200
    large = httpx.post(f"{address}/v1/chat/completions", content=iter([b"x" * 2**20] * 50), timeout=60)
    assert large.status_code == 413
    assert httpx.get(f"{address}/api/videos", headers={"host": "evil.example"}).status_code == 421
    assert httpx.get(f"{address}/api/videos").json()["videos"][0]["state"] == "watched"


def test_without_a_player_play_opens_the_page_at_the_second(tea: Path, home: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    program.chmod(0o755)
    environment = os.environ | {"VIDEOCHAT_HOME": str(home), "VIDEOCHAT_EMBEDDINGS": "builtin"}
    environment |= {"BROWSER": str(program), "PATH": f"{tmp_path}:/bin"}
    command = [sys.executable, "-m", "videochat.cli", "play", str(tea), "0:14-0:17"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)
    try:
        while not opened.exists():
            assert process.poll() is None
            time.sleep(0.05)
        address = opened.read_text().strip()
        assert address.endswith("&t=14,17")
        assert httpx.get(address, timeout=90).status_code == 200
        id_ = parse_qs(urlsplit(address).query)["video"][0]
        assert httpx.get(urljoin(address, f"/media/{id_}"), timeout=90).content == tea.read_bytes()
    finally:
        process.terminate()
        said = process.communicate(timeout=90)[1]
    assert process.returncode == 0, said
    assert f"Opened {address}" in said


def test_a_port_that_is_taken_is_said(address: str, tea: Path) -> None:
    port = str(urlsplit(address).port)
    command = [sys.executable, "-m", "videochat.cli", "serve", str(tea), "--port", port]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert f"Nothing can be served at 127.0.0.1 port {port} (Address already in use)" in run.stderr
