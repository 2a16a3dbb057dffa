"""Stores for the tests of the memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.stored_captions import fill
from videochat.memory import CaptionStore, VideoCaptions


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaptionStore]:
    """An empty store."""
    with CaptionStore(tmp_path / "memory") as opened:
        yield opened


@pytest.fixture
def library(store: CaptionStore) -> CaptionStore:
    """A store with two videos, `kitchen` and `garden`."""
    fill(store)
    return store


@pytest.fixture
def stored(store: CaptionStore) -> VideoCaptions:
    """The captions of a video of which there are none yet."""
    return store.captions_of("film")
