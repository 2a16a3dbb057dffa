"""A server over the demo clip, asked without a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from videochat.hosts import AllowedHosts
from videochat.memory import CaptionStore
from videochat.serve.app import make_app
from videochat.serve.videos import ServedVideos

BASE = "http://127.0.0.1:8421"


def wait_for_watches(videos: ServedVideos) -> None:
    """Wait until every video that is there has been watched."""
    for agent in (videos.agent([served.id]) for served in videos.all() if served.is_there):
        assert agent.watching is not None
        agent.watching.wait(30)


@pytest.fixture
def served(tea: Path, tea_memory: CaptionStore, tmp_path: Path) -> Iterator[ServedVideos]:
    """The demo clip, which has been watched, and a folder from which files may be added."""
    (tmp_path / "films").mkdir()
    before = tea_memory.video_ids()
    videos = ServedVideos([tea], memory=tea_memory, preset="builtin", llm="extractive", folders=[tmp_path / "films"])
    yield videos
    wait_for_watches(videos)
    # The store is that of other tests too; what was added goes.
    for video_id in set(tea_memory.video_ids()) - set(before):
        tea_memory.forget(video_id)


@pytest.fixture
def client_for(served: ServedVideos) -> Iterator[Callable[..., TestClient]]:
    """Make a client of a server with settings of its own."""
    clients: list[TestClient] = []

    def make(**settings: Any) -> TestClient:
        app = make_app(served, allowed=lambda: AllowedHosts.listening_at("127.0.0.1", 8421), **settings)
        clients.append(TestClient(app, base_url=BASE, raise_server_exceptions=False))
        clients[-1].__enter__()
        return clients[-1]

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(client_for: Callable[..., TestClient]) -> TestClient:
    """A client of a server without a token."""
    return client_for()
