"""Live sources are named in words, opened with the protocols they need, and lead nowhere else."""

from __future__ import annotations

import io
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import av
import ffmpeg
import pytest

from tests.fakes.live_sender import write_numbers
from videochat import live_readers, live_source
from videochat.download import Address, Requests
from videochat.errors import InvalidArgument, MediaError
from videochat.live_source import LiveSource, encoded, is_live, parse_length


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rtsp://camera/1", "rtsp"),
        ("RTSP://camera:8554/1", "rtsp"),
        ("http://host/live.m3u8", "hls"),
        ("https://host/a/live.M3U8?key=1", "hls"),
        ("live:http://host/stream", "http"),
        ("udp://@239.0.0.1:5000", "udp"),
        ("tcp://127.0.0.1:9000", "tcp"),
        ("srt://host:9000", "srt"),
        ("rtmp://host/app/key", "rtmp"),
        ("/dev/video0", "device"),
        ("live:recording.mkv", "file"),
    ],
)
def test_what_is_live(text: str, kind: str) -> None:
    assert is_live(text)
    assert LiveSource.parse(text).kind == kind


@pytest.mark.parametrize("text", ["clip.mp4", "http://host/clip.mp4", "https://youtu.be/x", "", "file:///etc/passwd"])
def test_what_is_not(text: str) -> None:
    assert not is_live(text)


@pytest.mark.parametrize("text", ["clip.mp4", "", "file:///etc/passwd", "gopher://host/x"])
def test_what_names_no_live_source(text: str) -> None:
    with pytest.raises(MediaError, match="is no live source"):
        LiveSource.parse(text)


def test_what_cannot_be_opened_is_said() -> None:
    with pytest.raises(MediaError, match="There is no file"):
        LiveSource.parse("live:concat:a|b").open()
    with pytest.raises(MediaError, match="names no host"):
        LiveSource.parse("tcp://:9000/")
    with pytest.raises(MediaError, match="names no port"):
        LiveSource.parse("tcp://host").open()
    with pytest.raises(MediaError, match="is no address"):
        LiveSource.parse("tcp://host:port")


def test_a_password_is_not_shown() -> None:
    source = LiveSource.parse("rtsp://user:secret@camera:554/1?token=secret")
    assert source.shown == "rtsp://camera:554/1"
    assert source.id != LiveSource.parse("rtsp://camera:554/1").id
    assert len(source.id) == 32


def test_a_growing_file_is_read_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_readers, "SILENCE_SECONDS", 0.6)
    whole = write_numbers(tmp_path / "whole.ts", range(30)).read_bytes()
    growing = tmp_path / "growing.ts"
    growing.write_bytes(whole[: len(whole) // 2])

    def grow() -> None:
        time.sleep(0.3)
        with growing.open("ab") as file:
            file.write(whole[len(whole) // 2 :])

    threading.Thread(target=grow).start()
    line = LiveSource.parse(f"live:{growing}").open()
    packets = list(line.packets())
    assert len(packets) == 30
    assert line.arrived_at(packets[-1]) - line.arrived_at(packets[0]) > 0.2
    line.close()


def test_a_playlist_leads_to_no_file_and_no_nearer_host(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(Address.parse("http://93.184.216.34/live.m3u8"), timeout_seconds=1)
    playlists = live_source._Playlists(requests)
    for url in ("file:///etc/passwd", "concat:a", "udp://127.0.0.1:1", "crypto+http://host/x"):
        with pytest.raises(MediaError, match="no http"):
            playlists.open(url, 1, {})


def test_a_playlist_says_when_its_segments_were_recorded() -> None:
    text = (
        "#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2026-03-04T10:00:00.500+00:00\n#EXTINF:2.0,\na.ts\n#EXTINF:2.0,\nb.ts\n"
        "#EXT-X-PROGRAM-DATE-TIME:no date\n#EXTINF:2.0,\nc.ts\n"
    )

    class Answers(Requests):
        def __init__(self) -> None:
            pass  # it asks nobody

        def open(self, url: str) -> Any:
            return io.BytesIO(text.encode() if url.endswith("m3u8") else b"")

    playlists = live_source._Playlists(Answers())
    playlists.open("http://host/x/live.m3u8", 1, {})
    assert playlists.first_at is None
    playlists.open("http://host/x/b.ts", 1, {})
    assert playlists.first_at == pytest.approx(1772618402.5)


def test_a_playlist_that_has_not_changed_is_asked_for_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_source, "_LIST_POLL_SECONDS", 0.01)
    line = "#EXTM3U\n#EXTINF:{}\n{}.ts".format
    lists = [line("0.05,", 1), line("0.05,", 1), line("0.05,", 2), line("0.05,", 2) + "\n#EXT-X-ENDLIST"]

    class Answers(Requests):
        def __init__(self) -> None:
            pass  # it asks nobody

        def open(self, url: str) -> Any:
            return io.BytesIO((lists.pop(0) if len(lists) > 1 else lists[0]).encode())

    playlists = live_source._Playlists(Answers())
    shown = [playlists.open("http://host/a.m3u8", 1, {}).read().decode() for _ in range(4)]
    assert shown[:2] == [line("0.1,", 1), line("0.1,", 2)]
    assert shown[2] == shown[3] == lists[0], "it will not change any more"
    lists[:] = [line("0.05,", 3)]
    assert [playlists.open("http://host/a.m3u8", 1, {}).read().decode() for _ in range(2)] == [line("0.1,", 3)] * 2


def test_a_device_is_encoded() -> None:
    line = encoded(ffmpeg.input("testsrc=size=160x90:rate=10", format="lavfi", t=3))
    packets = list(line.packets())
    line.close()
    assert len(packets) == 30
    assert sum(packet.is_keyframe for packet in packets) == 3
    with pytest.raises((OSError, av.error.FFmpegError, subprocess.SubprocessError)):
        encoded(ffmpeg.input("/dev/video99", format="v4l2"))


def test_lengths_of_time() -> None:
    assert [parse_length(text) for text in ("90", "90s", "1.5m", "24h", "7D")] == [90, 90, 90, 86_400, 604_800]
    for text in ("", "0", "-3h", "3 weeks", "h"):
        with pytest.raises(InvalidArgument, match="no length of time"):
            parse_length(text)
