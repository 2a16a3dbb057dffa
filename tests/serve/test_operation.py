"""Health, figures, and lines of log."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.serve.conftest import wait_for_watches
from videochat.errors import StoreError
from videochat.serve.operation import log_to_stderr, note
from videochat.serve.videos import ServedVideos


def figures(client: TestClient, **headers: str) -> dict[tuple[str, ...], float]:
    """Read /metrics as Prometheus does: values by name and what the labels, in alphabetical order, say."""
    answer = client.get("/metrics", headers=headers)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_requests_and_answers_are_counted_where_they_were_asked(client: TestClient, served: ServedVideos) -> None:
    wait_for_watches(served)
    asked, lost = random.randint(1, 3), random.randint(1, 5)
    for _ in range(asked):
        client.post("/api/ask", json={"question": "When is the milk poured?", "videos": [served.all()[0].id]})
    client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "When does the cat jump?"}]})
    for number in range(lost):
        client.get(f"/nowhere/{number}")
    found = figures(client)
    assert found["videochat_answer_seconds_count", "grounded", "page"] == asked
    assert found["videochat_answer_seconds_count", "not_found", "endpoint"] == 1
    assert found["videochat_request_seconds_count", "ask", "200"] == asked
    assert found["videochat_request_seconds_count", "none", "404"] == lost, "names in addresses make no figures"
    assert found["videochat_requests_running",] == 1
    assert found["videochat_videos", "watched"] == 1
    assert found["videochat_watched_seconds",] == found["videochat_video_seconds",] == 20
    assert found["videochat_captions",] > 10


def test_health_needs_no_token_and_figures_do(client_for: Callable[..., TestClient]) -> None:
    client = client_for(token="sesame")
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/metrics").status_code == 401
    assert figures(client, authorization="Bearer sesame")
    assert client.get("/health", headers={"host": "evil.example"}).status_code == 421


def test_a_store_that_cannot_be_read_is_unhealthy(
    client: TestClient, served: ServedVideos, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> None:
        raise StoreError("The store is gone; put it back.")

    wait_for_watches(served)
    with monkeypatch.context() as patch:
        patch.setattr(served.memory, "captions_of", gone)
        answer = client.get("/health")
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, "The store is gone; put it back.")


@pytest.fixture
def log_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Turns the log on, for this test alone."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger("videochat.serve"), "level", logging.NOTSET)
    return log_to_stderr


@pytest.mark.parametrize("form", ["json", "text"])
def test_each_request_and_answer_is_a_line(
    form: str,
    client: TestClient,
    served: ServedVideos,
    capsys: pytest.CaptureFixture[str],
    log_as: Callable[[str], None],
) -> None:
    log_as(form)
    question = "When is the milk poured?"
    client.post("/api/ask?token=secret", json={"question": question, "videos": [served.all()[0].id]})
    try:
        raise ValueError("broken\nin two lines")
    except ValueError:
        logging.getLogger("videochat.serve").exception("failed")
    said = capsys.readouterr().err
    assert question not in said
    assert "secret" not in said
    if form == "text":
        assert " info answer surface=page status=grounded seconds=0." in said
        assert "ValueError: broken" in said
        return
    lines = [json.loads(line) for line in said.splitlines()]
    (answer,), (asked,) = ([line for line in lines if line["event"] == event] for event in ("answer", "request"))
    assert (answer["surface"], answer["status"], answer["videos"]) == ("page", "grounded", 1)
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", "/api/ask", 200)
    assert asked["bytes"] > 1000
    assert asked["time"].endswith("Z")
    assert "ValueError: broken" in lines[-1]["trace"]


def test_facts_of_any_kind_are_written(capsys: pytest.CaptureFixture[str], log_as: Callable[[str], None]) -> None:
    log_as("json")
    note("saved", path=Path("\udce9\n.mp4"))
    assert json.loads(capsys.readouterr().err)["path"] == "\udce9\n.mp4"
