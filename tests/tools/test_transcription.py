"""Speech at a transcription endpoint: a server on this machine that speaks the OpenAI protocol."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from videochat.agent import VideoAgent
from videochat.errors import MissingDependency
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video
from videochat.tools import transcription
from videochat.tools.speech import SpeechRecognizer

pytestmark = pytest.mark.enable_socket

CUT = object()
"""In place of a reply: the connection ends in the middle of one."""
Reply = Callable[[dict[str, bytes]], tuple[int, Any]]


@contextmanager
def endpoint(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, bytes]]]:
    """Serve transcriptions; give the fields of every request."""
    asked: list[dict[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            mark = self.headers["Content-Type"].split("boundary=")[1].encode()
            fields = {}
            for part in body.split(b"--" + mark)[1:-1]:
                head, _, content = part.partition(b"\r\n\r\n")
                name = re.search(rb'name="([^"]+)"', head)
                assert name is not None
                fields[name[1].decode()] = content.removesuffix(b"\r\n")
            assert self.path == "/v1/audio/transcriptions"
            asked.append(fields)
            status, said = reply(fields)
            if said is CUT:
                self.send_response(status)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"text": "Good mor')
                return
            sent = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.send_header("retry-after-ms", "10")
            self.end_headers()
            self.wfile.write(sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


def spoken(fields: dict[str, bytes]) -> tuple[int, Any]:
    """Say two sentences of the sound that was sent."""
    words = [("Good", 0.4, 0.7), ("morning.", 0.7, 1.2), ("Sit", 1.8, 2.0), ("down.", 2.0, 2.4)]
    segment = {"id": 0, "seek": 0, "start": 0.3, "end": 2.5, "text": " Good morning. Sit down.", "tokens": []}
    segment |= {"temperature": 0.0, "avg_logprob": -0.1, "no_speech_prob": 0.01, "compression_ratio": 1.1}
    return 200, {
        "language": "english",
        "text": "Good morning. Sit down.",
        "duration": 3.6,
        "words": [{"word": word, "start": start, "end": end} for word, start, end in words],
        "segments": [segment],
    }


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    return draw_video(tmp_path / "talk.mp4", [Scene(8.0)], speech=[(2.0, 5.0)])


def watch(talk: Path, tmp_path: Path) -> tuple[list[tuple[float, float, str, str | None]], list[str]]:
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        agent = VideoAgent(talk, preset=[SpeechRecognizer("openai:whisper-1"), "shots"], memory=store, llm="extractive")
        report = agent.watch()
        said = [(c.start_seconds, c.end_seconds, c.text, c.language) for c in agent.captions("speech")]
        assert agent.captions("shot"), "the other senses go on"
        return said, [gap.reason for gap in report.gaps]


def test_what_is_said_comes_back_with_its_times(talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(spoken, monkeypatch) as asked:
        said, gaps = watch(talk, tmp_path)
    assert [(text, language) for _, _, text, language in said] == [("Good morning.", "en"), ("Sit down.", "en")]
    assert 2.0 < said[0][0] < said[0][1] <= said[1][0] < said[1][1] < 5.0
    assert not gaps
    (fields,) = asked
    assert fields["model"] == b"whisper-1"
    with wave.open(io.BytesIO(fields["file"])) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (1, 16000)
        assert sound.getnframes() / sound.getframerate() == pytest.approx(3.6, abs=0.5)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((500, {"error": {"message": "down"}}), "did not answer"),
        ((401, {"error": {"message": "no such key"}}), "no such key"),
        ((200, b"<html>"), "transcription endpoint"),
        ((200, {"segments": [{"start": 5, "end": 1, "text": "x"}], "text": "x"}), "answered no transcription"),
    ],
)
def test_a_server_that_fails_leaves_a_gap_and_the_others_go_on(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: tuple[int, Any], reason: str
) -> None:
    with endpoint(lambda fields: reply, monkeypatch):
        said, gaps = watch(talk, tmp_path)
    assert not said
    (gap,) = gaps
    assert reason in gap


def slow(fields: dict[str, bytes]) -> tuple[int, Any]:
    time.sleep(2)
    return spoken(fields)


@pytest.mark.parametrize("reply", [slow, lambda fields: (200, CUT)])
def test_a_server_that_is_slow_or_breaks_off_leaves_a_gap_that_is_watched_again(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(transcription, "_SECONDS", 0.5)
    monkeypatch.setattr(transcription, "_RETRIES", 1)
    with endpoint(reply, monkeypatch) as asked:
        said, gaps = watch(talk, tmp_path)
    assert len(asked) == 2
    assert not said
    (gap,) = gaps
    assert "The transcription endpoint did not answer" in gap
    with endpoint(spoken, monkeypatch):
        said, gaps = watch(talk, tmp_path)
    assert [text for _, _, text, _ in said] == ["Good morning.", "Sit down."], "nothing is lost"
    assert not gaps


@pytest.mark.parametrize(("language", "code"), [("polish", "pl"), ("pt-BR", "pt"), ("Klingon", None), ("", None)])
def test_the_language_is_the_one_that_the_server_heard(
    talk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, code: str | None
) -> None:
    def other(fields: dict[str, bytes]) -> tuple[int, Any]:
        status, said = spoken(fields)
        return status, said | {"language": language}

    with endpoint(other, monkeypatch):
        said, _ = watch(talk, tmp_path)
    assert {heard for *_, heard in said} == {code}


def test_without_an_endpoint_it_is_said_before_the_video_is_read() -> None:
    with pytest.raises(MissingDependency, match="set OPENAI_API_KEY, or OPENAI_BASE_URL"):
        SpeechRecognizer("openai:whisper-1").prepare()
