"""A camera over TCP whose line is cut: true seconds, a gap, an answer and an alert while it goes on."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmarks.live import CONDITION, PLANTED, Figures, Numbers
from tests.fakes.chroma_server import ChromaServer
from tests.fakes.live_sender import Camera, HlsSender, TcpSender, pictures
from videochat.agent import VideoAgent
from videochat.agent.alert_delivery import Teller
from videochat.agent.alerts import Alert, AlertRule
from videochat.agent.live_watch import LiveWatch
from videochat.agent.second_look import look_with_sense
from videochat.errors import MediaError
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import LiveSource
from videochat.memory import CaptionStore
from videochat.recorder import Recorder
from videochat.records import Caption

pytestmark = [pytest.mark.timeout(180), pytest.mark.enable_socket]


def until(true: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def errors(recording: LiveRecording) -> tuple[float, float]:
    """Return by how many seconds pictures are off at most, in the recording and by the wall clock."""
    rows = list(pictures(recording))
    midnight = datetime.fromtimestamp(recording.began_at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    drawn = [midnight.timestamp() + of_day for _, _, of_day in rows]
    origin = statistics.median(at - taken for (at, *_), taken in zip(rows, drawn, strict=True))
    media = max(abs(at - taken - origin) for (at, *_), taken in zip(rows, drawn, strict=True))
    wall = max(abs(recording.taken_at(at) - taken) for (at, *_), taken in zip(rows, drawn, strict=True))
    return media, wall


def test_a_line_that_is_cut(tmp_path: Path) -> None:
    entered = threading.Event()
    camera = Camera(lambda _: {"person": entered.is_set(), "words": PLANTED})
    sender = TcpSender(camera)
    camera.start()
    alerts: list[Alert] = []
    watch = LiveWatch(
        sender.address, every_seconds=1.0, llm="extractive", preset=[Numbers(), Figures()], memory=tmp_path / "memory"
    )
    watch.start()
    stored = watch.agent.video_set.captions_of(watch.recording)
    rule = AlertRule(CONDITION, look_with_sense(watch.agent.senses), alerts.append)
    watch.on_watched.append(lambda recording, start, end: rule.check(recording, stored.between(start, end)))
    until(lambda: stored.count() >= 3)
    # What says so is no reason to believe it.
    watch.agent.memory.add([Caption(watch.recording.id, 0.5, 1.5, "objects", PLANTED, "figures")])
    rule.check(watch.recording, stored.between(0.0, 2.0))
    sender.refusing = True
    sender.cut()
    time.sleep(2.0)
    sender.refusing = False
    until(stored.gaps)
    entered.set()
    until(lambda: any(alert.judgement == "confirmed" for alert in alerts))
    with VideoAgent(sender.address, preset=[Numbers()], llm="extractive", memory=tmp_path / "memory") as other:
        asked = datetime.now().astimezone()
        answer = other.ask(f"Which number was there at {asked:%H:%M}?")
    watch.stop()
    camera.stopped.set()
    sender.close()
    media, wall = errors(watch.recording)
    assert media < 0.005
    assert wall < 0.1
    gaps = [gap for gap in stored.gaps() if gap.source == "line"]
    assert len(gaps) == 1
    assert 1.9 < gaps[0].end_seconds - gaps[0].start_seconds < 10
    assert [alert.judgement for alert in alerts] == ["rejected", "confirmed"]
    assert answer.citations


@pytest.mark.parametrize("settings", [{"codec": "libx265"}, {"size": (480, 270)}])
def test_other_pictures_on_the_same_line(settings: dict[str, Any], tmp_path: Path) -> None:
    camera = Camera()
    sender = TcpSender(camera)
    camera.start()
    recorder = Recorder(RecordingFolder(LiveSource.parse(sender.address), tmp_path / "recording"), segment_seconds=1.0)
    recorder.start()
    until(lambda: len(recorder.folder.segments()) >= 2)
    before = recorder.folder.segments()[-1].end_seconds
    sender.change(**settings)
    until(lambda: recorder.folder.segments()[-1].end_seconds > before + 6)
    recorder.stop()
    camera.stopped.set()
    sender.close()
    recording = LiveRecording(recorder.folder)
    media, wall = errors(recording)
    assert media < 0.005
    assert wall < 0.1
    numbers = [number for _, number, _ in pictures(recording)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), "each picture once"
    assert recorder.lines == 1
    assert not recorder.gaps


class Told(Numbers):
    """Keeps the numbers that it tells."""

    numbers: ClassVar[list[Any]] = []

    def perceive(self, *given: Any) -> Iterator[Any]:
        for item in super().perceive(*given):
            if isinstance(item, Caption):
                self.numbers.append(item.attributes["number"])
            yield item


@pytest.mark.material
def test_a_chroma_server_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    camera = Camera()
    sender = TcpSender(camera)
    camera.start()
    with ChromaServer(tmp_path / "chroma") as server:
        watch = LiveWatch(sender.address, every_seconds=1.0, llm="extractive", preset=[Told()], memory=server.url)
        watch.start()
        until(lambda: watch.watched_seconds > 3)
        server.kill()
        time.sleep(4.0)
        server.start()
        back = watch.recording.duration_seconds
        until(lambda: watch.watched_seconds > back + 2)
        watch.stop()
        camera.stopped.set()
        sender.close()
        with CaptionStore(server.url) as store:
            captions = store.captions_of(watch.recording.id).between(kinds=["tags"])
    stored = [caption.attributes["number"] for caption in captions]
    assert len(stored) == len(set(stored)), "nothing twice"
    assert set(stored) == set(Told.numbers), "nothing lost"
    assert captions[-1].start_seconds > back


def test_a_list_of_hls_that_grows(tmp_path: Path) -> None:
    camera = Camera()
    sender = HlsSender(camera, tmp_path / "hls")
    camera.start()
    until((tmp_path / "hls" / "live.m3u8").exists)
    recorder = Recorder(RecordingFolder(LiveSource.parse(sender.address), tmp_path / "recording"), segment_seconds=1.0)
    recorder.start()
    until(lambda: len(recorder.folder.segments()) >= 4)
    recorder.stop()
    camera.stopped.set()
    sender.close()
    media, wall = errors(LiveRecording(recorder.folder))
    assert media < 0.005
    assert wall < 0.05


def test_nobody_answers(tmp_path: Path) -> None:
    folder = RecordingFolder(LiveSource.parse("tcp://127.0.0.1:9"), tmp_path / "recording")
    with pytest.raises(MediaError, match="cannot be opened as a live source .*refused"):
        Recorder(folder).start()


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(302 if self.path == "/away" else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_an_address_gets_it_and_nobody_else(hook: tuple[str, list[Any]]) -> None:
    address, got = hook
    said: list[str] = []
    alert = Alert(
        CONDITION, "tcp://camera:1", "confirmed", "", Caption("v" * 32, 1, 2, "objects", "a person", "x"), 0.0
    )
    for path in ("/alert", "/away"):
        teller = Teller(f"webhook:{address}{path}", said.append)
        teller(alert)
        teller.close()
    assert [path for path, _ in got] == ["/alert", "/away"]
    assert got[0][1]["condition"] == "a person enters"
    assert len(said) == 1
