"""What the page asks for."""

from __future__ import annotations

import io
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from starlette.testclient import TestClient

from tests.fakes.clips import SCENES
from tests.fakes.watching import Notes
from tests.serve.conftest import wait_for_watches
from videochat.agent import VideoAgent
from videochat.hosts import AllowedHosts
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.serve.app import make_app
from videochat.serve.videos import ServedVideos
from videochat.testing import Scene, draw_video


def test_videos_are_listed_with_their_state(client: TestClient, served: ServedVideos) -> None:
    wait_for_watches(served)
    (video,) = client.get("/api/videos").json()["videos"]
    assert (video["name"], video["state"], video["watched_seconds"]) == ("tea.mp4", "watched", 20.0)
    one = client.get(f"/api/videos/{video['id']}").json()
    assert one["playback"]["way"] == "file"
    noted = client.get(f"/api/videos/{video['id']}/captions").json()["captions"]
    assert 0 < len(noted) <= video["captions"], "summaries are kept, and are not shown"


def test_an_answer_comes_in_lines_and_its_citations_are_buttons(client: TestClient, served: ServedVideos) -> None:
    body = {"question": "When is the milk poured?", "videos": [served.all()[0].id]}
    response = client.post("/api/ask", json=body)
    events = [json.loads(line) for line in response.text.splitlines()]
    assert events[0]["kind"] == "evidence"
    assert any(event["kind"] == "token" and "milk" in event["text"] for event in events)
    last = events[-1]
    assert last["kind"] == "answer"
    assert 'data-start="14.500" data-end="17.500"' in last["html"]
    assert "onclick" not in last["html"]
    assert last["answer"]["status"] == "grounded"


def test_a_question_waits_for_the_first_that_is_noted(
    clip: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def has_begun(agent: VideoAgent) -> bool:
        nonlocal looked
        looked += 1
        if looked == 2:
            go_on.set()
        return any(agent.video_set.captions_of(video).count() for video in agent.videos)

    go_on = threading.Event()
    slow = Notes(before=lambda _: go_on.wait(30))
    monkeypatch.setattr("videochat.serve.api._has_begun", has_begun)
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        videos = ServedVideos([clip.path], memory=memory, preset=[slow], llm="extractive")
        app = make_app(videos, allowed=lambda: AllowedHosts.listening_at("127.0.0.1", 8421))
        with TestClient(app, base_url="http://127.0.0.1:8421") as client:
            body = {"question": "What is in the picture at 1 second?", "videos": [videos.all()[0].id]}
            events = [json.loads(line) for line in client.post("/api/ask", json=body).text.splitlines()]
        videos.close()
    assert events[0]["kind"] == "waiting"
    assert "Nothing of the video has been seen" not in events[-1]["answer"]["text"]


def test_media_comes_whole_and_in_ranges_and_is_remembered(client: TestClient, served: ServedVideos) -> None:
    video = served.all()[0]
    whole = client.get(f"/media/{video.id}")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content == video.path.read_bytes()
    part = client.get(f"/media/{video.id}", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert client.get(f"/media/{video.id}", headers={"range": "bytes=999999999-"}).status_code == 416
    etag = whole.headers["etag"]
    assert client.get(f"/media/{video.id}", headers={"if-none-match": etag}).status_code == 304
    changed = client.get(f"/media/{video.id}", headers={"range": "bytes=0-9", "if-range": '"another"'})
    assert changed.status_code == 200, "a part of another file would not fit"


def test_what_a_browser_cannot_play_is_a_stream(client: TestClient, served: ServedVideos) -> None:
    response = client.get(f"/media/{served.all()[0].id}/stream?from=5.25")
    assert response.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(response.content), "r") as container:
        first = next(container.decode(video=0))
    assert float(response.headers["playback-start"]) + (first.time or 0) == pytest.approx(5.25, abs=0.1)
    assert b"moof" in response.content


def test_search_leads_to_the_moment(client: TestClient) -> None:
    moments = client.get("/api/search", params={"q": "milk"}).json()["moments"]
    assert (14.5, "speech") in [(moment["start_seconds"], moment["kind"]) for moment in moments[:3]]
    assert client.get("/api/search", params={"q": " "}).status_code == 400


def test_pictures_and_subtitles(client: TestClient, served: ServedVideos) -> None:
    base = f"/api/videos/{served.all()[0].id}"
    picture = client.get(f"{base}/picture?at=3")
    assert picture.content.startswith(b"\xff\xd8")
    assert client.get(f"{base}/picture?at=3", headers={"if-none-match": picture.headers["etag"]}).status_code == 304
    for wrong in ("at=soon", "at=-1", "at=1e400", "at=3&size=huge"):
        assert client.get(f"{base}/picture?{wrong}").status_code == 400
    assert "00:00:14.500 --> 00:00:17.500\nNow the milk" in client.get(f"{base}/subtitles.vtt").text


def test_a_file_below_an_allowed_folder_is_added_and_no_other(
    client: TestClient, served: ServedVideos, clip: Video, tmp_path: Path
) -> None:
    inside = shutil.copy(clip.path, tmp_path / "films" / "a.mp4")
    outside = shutil.copy(clip.path, tmp_path / "b.mp4")
    (tmp_path / "films" / "link.mp4").symlink_to(outside)
    added = client.post("/api/videos", json={"path": str(inside)})
    assert (added.status_code, added.json()["name"]) == (201, "a.mp4")
    for path in (outside, tmp_path / "films" / "link.mp4", tmp_path / "films" / ".." / "b.mp4", "/etc/passwd", "\0"):
        refused = client.post("/api/videos", json={"path": str(path)})
        assert (refused.status_code, "may not be added" in refused.text) == (403, True), path
    assert client.post("/api/videos", json={"path": str(tmp_path / "nowhere.mp4")}).status_code == 403
    for body in ({}, {"path": 3}, {"path": " "}):
        assert client.post("/api/videos", json=body).status_code == 400


def test_a_file_that_is_sent_is_kept_and_watched(client: TestClient, served: ServedVideos, tmp_path: Path) -> None:
    film = draw_video(tmp_path / "new.mp4", SCENES[:2], frame_rate=5)
    sent = client.post("/api/upload?name=..%2F..%2Fnew%3Cb%3E.mp4", content=film.read_bytes())
    assert (sent.status_code, sent.json()["name"]) == (201, "new_b_.mp4")
    kept = served.get(sent.json()["id"]).path
    assert kept.is_relative_to(served.uploads.resolve())
    served.agent([sent.json()["id"]]).watching.wait(60)  # type: ignore[union-attr]  # as above
    assert client.get(f"/api/videos/{sent.json()['id']}").json()["state"] == "watched"
    again = client.post("/api/upload?name=copy.mp4", content=film.read_bytes())
    assert (again.status_code, again.json()["id"]) == (201, sent.json()["id"])
    assert {file.name: file.stat().st_nlink for file in kept.parent.iterdir()} == {"new_b_.mp4": 2, "copy.mp4": 2}
    assert client.post("/api/upload?name=x.mp4", content=b"").status_code == 400
    assert client.post("/api/upload?name=%2F", content=b"x").status_code == 400
    bad = client.post("/api/upload?name=x.mp4", content=b"no video at all")
    assert (bad.status_code, bad.json()["error"]["code"]) == (415, "no_video")
    assert str(served.uploads) not in bad.text
    assert not list(served.uploads.glob(".*.part"))


def test_a_file_that_is_too_large_is_refused(client_for: Callable[..., TestClient], served: ServedVideos) -> None:
    client = client_for(most_upload_bytes=1000)
    assert client.post("/api/upload?name=x.mp4", content=b"x" * 1001).status_code == 413
    assert client.post("/api/upload?name=x.mp4", content=iter([b"x" * 600] * 2)).status_code == 413
    assert not list(served.uploads.glob(".*.part"))


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("replaced", [True, False])
def test_a_video_that_went_away_is_said_and_can_still_be_asked(
    client: TestClient, served: ServedVideos, clip: Video, tmp_path: Path, replaced: bool, opened: bool
) -> None:
    film = Path(shutil.copy(clip.path, tmp_path / "films" / "gone.mp4"))
    id_ = client.post("/api/videos", json={"path": str(film)}).json()["id"]
    served.agent([id_]).watching.wait(60)  # type: ignore[union-attr]  # as above
    if opened:
        assert client.get(f"/api/videos/{id_}/picture?at=1.7").status_code == 200
    film.unlink()
    if replaced:
        draw_video(film, [Scene(2, "", "gray")])
    else:
        assert client.get(f"/api/videos/{id_}").json()["state"] == "gone"
    for address in (f"/media/{id_}", f"/media/{id_}/stream", f"/api/videos/{id_}/picture?at=1.7"):
        response = client.get(address)
        assert (response.status_code, response.json()["error"]["code"]) == (410, "gone"), address
    answer = client.post("/api/ask", json={"question": "What is said?", "videos": [id_]})
    assert json.loads(answer.text.splitlines()[-1])["kind"] == "answer"


@pytest.mark.parametrize(
    "body", [{}, {"question": " "}, {"question": "x" * 5000}, {"question": "a", "videos": []}, {"question": 3}]
)
def test_a_question_that_is_none_is_refused(client: TestClient, body: dict[str, object]) -> None:
    response = client.post("/api/ask", json={"videos": ["x"]} | body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


@pytest.mark.parametrize("id_", ["nowhere", "..%2F..%2Fetc%2Fpasswd", "%00", "a" * 500])
def test_a_video_that_is_not_served_is_not_found(client: TestClient, id_: str) -> None:
    for address in (f"/media/{id_}", f"/media/{id_}/stream", f"/api/videos/{id_}", f"/api/videos/{id_}/captions"):
        assert client.get(address).status_code == 404, address
    assert client.post("/api/ask", json={"question": "a", "videos": [id_]}).status_code == 404
