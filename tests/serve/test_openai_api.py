"""The endpoint: models, conversations, refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from videochat.media import Video
from videochat.serve.videos import ServedVideos


def ask(client: TestClient, *messages: str, **more: Any) -> Any:
    roles = ("user", "assistant")
    sent = [{"role": roles[i % 2], "content": text} for i, text in enumerate(messages)]
    response = client.post("/v1/chat/completions", json={"model": "tea.mp4", "messages": sent} | more)
    return response.json() if response.headers["content-type"] == "application/json" else response.text


def test_videos_are_models(client: TestClient) -> None:
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["videochat", "tea.mp4"]
    assert client.get("/v1/models/tea.mp4").json()["id"] == "tea.mp4"
    assert client.get("/v1/models/..%2F..%2Fetc%2Fpasswd").json()["error"]["code"] == "model_not_found"


def test_a_conversation_goes_on_with_what_the_client_sends(client: TestClient) -> None:
    first = ask(client, "When is the milk poured?")["choices"][0]["message"]
    assert first["annotations"][0]["url_citation"]["url"].endswith("&t=14.5,17.5")
    assert "[00:14-00:18]" in first["content"]
    later = ask(client, "When is the milk poured?", first["content"], "What is said before that?")
    times = [citation["start_seconds"] for citation in later["videochat"]["citations"]]
    assert times
    assert max(times) < 14.5
    again = ask(client, "When is the milk poured?", first["content"], "What is said before that?")
    assert again["choices"][0]["message"]["content"], "asked once more from the same turn"


def test_a_stream_ends_with_usage_and_done(client: TestClient) -> None:
    text = ask(client, "When is the milk poured?", stream=True, stream_options={"include_usage": True})
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    assert json.loads(lines[-2])["choices"] == []
    said = "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines[:-2])
    assert said == ask(client, "When is the milk poured?")["choices"][0]["message"]["content"]


def test_responses_remember_by_id(client: TestClient) -> None:
    first = client.post("/v1/responses", json={"model": "videochat", "input": "When is the milk poured?"}).json()
    assert first["output"][0]["content"][0]["annotations"][0]["type"] == "url_citation"
    body = {"model": "videochat", "input": "What is said before that?", "previous_response_id": first["id"]}
    assert client.post("/v1/responses", json=body).json()["status"] == "completed"
    lost = client.post("/v1/responses", json=body | {"previous_response_id": "resp_x"})
    assert (lost.status_code, lost.json()["error"]["param"]) == (404, "previous_response_id")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"model": 3}, 400, None),
        ({"n": 2}, 400, None),
        ({"messages": []}, 400, None),
        ({"messages": "x", "stream": True, "model": "gpt-9"}, 404, "model_not_found"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_streamed(
    client: TestClient, more: dict[str, Any], status: int, code: str | None
) -> None:
    response = client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hi?"}]} | more)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_title_is_no_question(client: TestClient) -> None:
    said = ask(client, "### Task:\nGenerate a title.\n<chat_history>\nUSER: Who pours?\n</chat_history>")
    assert said["choices"][0]["message"]["content"] == "Who pours"
    assert "videochat" not in said


def test_a_video_is_named_by_its_file_below_an_allowed_folder(
    client: TestClient, served: ServedVideos, clip: Video, tmp_path: Path
) -> None:
    inside = Path(shutil.copy(clip.path, tmp_path / "films" / "a b.mp4"))
    outside = Path(shutil.copy(clip.path, tmp_path / "b.mp4"))

    def asked(url: str) -> Any:
        content = [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": "How long is the video?"}]
        return client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": content}]})

    for url in (inside.as_uri(), f"http://127.0.0.1:8421/media/{clip.id}", f"http://127.0.0.1:8421/?video={clip.id}"):
        assert "12.0 seconds" in asked(url).json()["choices"][0]["message"]["content"]
    for url in (
        outside.as_uri(),
        f"{inside.parent.as_uri()}/../b.mp4",
        f"{inside.parent.as_uri()}/%2e%2e/b.mp4",
        "file://elsewhere/a.mp4",
        "http://evil.example/a.mp4",
        "data:video/mp4;base64,AAAA",
        "file:///%00",
    ):
        assert asked(url).status_code in (400, 403), url
    assert asked(f"http://127.0.0.1:8421/media/{'0' * 32}").status_code == 404
