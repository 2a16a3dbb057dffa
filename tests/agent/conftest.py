"""Stores for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions


@pytest.fixture
def open_captions(tmp_path: Path) -> Iterator[Callable[..., VideoCaptions]]:
    stores: list[CaptionStore] = []

    def captions_of(video: Video, folder: str = "memory") -> VideoCaptions:
        stores.append(CaptionStore(tmp_path / folder))
        return stores[-1].captions_of(video.id)

    yield captions_of
    for store in stores:
        store.close()
