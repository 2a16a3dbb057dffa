"""Objects of stores, read by ranges; fsspec's store in memory stands for the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from videochat import object_stores
from videochat.errors import MediaError
from videochat.media import Video
from videochat.object_stores import is_object


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(object_stores, "SCHEMES", object_stores.SCHEMES | {"memory"})
    monkeypatch.setattr(object_stores, "_RANGE_BYTES", 10_000)
    monkeypatch.setattr(object_stores, "_PAUSE_SECONDS", 0.0)
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/films", recursive=True)


def test_an_object_is_fetched_by_ranges_once_until_it_changes(
    store: Any, silent: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = silent.path.read_bytes()
    store.pipe("/films/my film.mp4", data)
    asked: list[tuple[int, int]] = []
    plain = type(store).cat_file

    def cat_file(self: Any, path: str, start: int, end: int) -> bytes:
        asked.append((start, end))
        if len(asked) == 2:
            raise OSError("connection reset")
        return plain(self, path, start=start, end=end)

    monkeypatch.setattr(type(store), "cat_file", cat_file)
    video = Video("memory://films/my film.mp4")
    assert (video.id, video.name, video.address) == (silent.id, "my film.mp4", "memory://films/my film.mp4")
    assert asked[:3] == [(0, 10_000), (10_000, 20_000), (10_000, 20_000)], "what failed is asked for again"
    assert asked[-1][1] == len(data)
    count = len(asked)
    assert Video("memory://films/my film.mp4").path == video.path
    assert len(asked) == count
    store.pipe("/films/my film.mp4", data + b"\0")
    assert Video("memory://films/my film.mp4").path != video.path


def test_what_was_begun_is_gone_on_with(store: Any, silent: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    data = silent.path.read_bytes()
    store.pipe("/films/a.mp4", data)
    plain, starts = type(store).cat_file, list[int]()

    def cat_file(self: Any, path: str, start: int, end: int) -> bytes:
        starts.append(start)
        if start >= 20_000 and len(starts) < 9:
            raise OSError("away")
        return plain(self, path, start=start, end=end)

    monkeypatch.setattr(type(store), "cat_file", cat_file)
    with pytest.raises(MediaError, match="memory://films/a.mp4 cannot be read .*away.*credentials"):
        Video("memory://films/a.mp4")
    starts += [0] * 9
    assert Video("memory://films/a.mp4").id == silent.id
    assert 0 not in starts[15:]


def test_what_is_no_video_is_a_sentence(store: Any) -> None:
    store.pipe("/films/text.mp4", b"no video at all")
    store.pipe("/films/empty.mp4", b"")
    for address, said in (
        ("memory://films/none.mp4", "There is no object"),
        ("memory://films/text.mp4", "is no video"),
        ("memory://films/empty.mp4", "is empty"),
        ("memory://films", "is a folder of a store"),
        ("s3://a.zip::memory://films/x", "is a chain"),
        ("gs://bucket/film.mp4", "needs a package|cannot be read"),
    ):
        with pytest.raises(MediaError, match=said):
            Video(address)


def test_only_object_stores_are_left_to_fsspec(tmp_path: Path) -> None:
    assert is_object("s3://bucket/film.mp4")
    for text in (
        "file:///etc/passwd",
        "zip://a",
        "github://a:b@c",
        "local://x",
        "C:\\film.mp4",
        "s3:/film",
        str(tmp_path),
    ):
        assert not is_object(text)
