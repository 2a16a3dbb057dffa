"""A transport stream ends where other streams begin in it, and every byte of both is handed on."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import pytest

from tests.fakes.live_sender import encode, encoder, write_numbers
from videochat.transport_stream import TransportStream


class Line:
    """Bytes that come in pieces of any length."""

    def __init__(self, data: bytes, random: Random) -> None:
        self.data, self.random, self.closed = io.BytesIO(data), random, False

    def read1(self, size: int) -> bytes:
        return self.data.read(self.random.randint(1, min(size, 700)))

    def close(self) -> None:
        self.closed = True


def all_of(stream: TransportStream) -> bytes:
    return b"".join(iter(lambda: stream.read1(2**15), b""))


def write(path: Path, codec: str, **sound: Any) -> bytes:
    with av.open(str(path), "w", format="mpegts") as container:
        pictures = encoder(container, codec=codec)
        if sound:
            container.add_stream("aac", rate=48_000)
        for number in range(20):
            encode(container, pictures, number / 10, _picture(number))
        container.mux(pictures.encode())
    return path.read_bytes()


def _picture(number: int) -> Any:
    return np.full((180, 320, 3), number * 10, np.uint8)


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("ts") / "a.ts", "libx264")


@pytest.fixture(scope="module")
def h265(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("ts") / "b.ts", "libx265")


def test_it_ends_where_other_streams_begin_however_the_bytes_come(h264: bytes, h265: bytes) -> None:
    for seed in range(20):
        line = Line(h264 + h265, Random(seed))
        stream = TransportStream(line)
        before = all_of(stream)
        assert stream.changed
        rest = stream.rest()
        after = all_of(rest)
        assert not rest.changed
        assert before + after[188:] == h264 + h265, "and the table of programs before the rest, once more"
        with av.open(io.BytesIO(after), "r") as container:
            assert container.streams.video[0].codec_context.name == "hevc"
            assert len(list(container.decode(video=0))) == 20
        rest.close()
        assert line.closed


def test_the_same_streams_go_on(h264: bytes) -> None:
    stream = TransportStream(Line(h264 * 3, Random(1)))
    assert all_of(stream) == h264 * 3
    assert not stream.changed


def test_sound_that_joins_is_another_stream(h264: bytes, tmp_path: Path) -> None:
    stream = TransportStream(Line(h264 + write(tmp_path / "c.ts", "libx264", sound=True), Random(2)))
    assert all_of(stream).startswith(h264)
    assert stream.changed


def test_damage_is_handed_on(h264: bytes, h265: bytes) -> None:
    for seed in range(30):
        random = Random(seed)
        data = bytearray(h264 + h265)
        for _ in range(20):
            at = random.randrange(188, len(data))
            data[at : at + random.randrange(9)] = random.randbytes(random.randrange(9))
        stream = TransportStream(Line(bytes(data), random))
        read = all_of(stream)
        while stream.changed:
            stream = stream.rest()
            read += all_of(stream)
        assert len(read) >= len(data)


def test_what_is_no_transport_stream_comes_as_it_is(tmp_path: Path) -> None:
    data = write_numbers(tmp_path / "a.mkv", range(10)).read_bytes()
    assert all_of(TransportStream(Line(data, Random(3)))) == data
    assert all_of(TransportStream(Line(b"", Random(3)))) == b""
    assert all_of(TransportStream(Line(b"G", Random(3)))) == b"G"
