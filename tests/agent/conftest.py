"""The harbour street of `tests.fakes.harbour`, and who asks of it, for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.harbour import Asker, harbour, noted
from videochat.media import Video
from videochat.memory import CaptionStore


@pytest.fixture(scope="package")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return harbour(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptionStore]:
    with CaptionStore(tmp_path_factory.mktemp("memory"), embeddings="builtin") as store:
        yield store


@pytest.fixture(scope="package")
def ask(video: Video, store: CaptionStore) -> Asker:
    return Asker(store, (video, noted(video)))


@pytest.fixture
def empty_store(tmp_path: Path) -> Iterator[CaptionStore]:
    with CaptionStore(tmp_path / "other-memory", embeddings="builtin") as store:
        yield store
