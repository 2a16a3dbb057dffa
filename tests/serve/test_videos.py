"""ServedVideos: names, states, agents."""

from __future__ import annotations

import random
import shutil
import threading
from pathlib import Path

import pytest

from videochat.errors import InvalidArgument, MediaError, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore, VideoCaptions
from videochat.records import Caption
from videochat.serve.videos import ServedVideos
from videochat.testing import Scene, draw_video


def test_the_library_is_what_the_memory_has_seen(tea_memory: CaptionStore, tea: Path) -> None:
    videos = ServedVideos(memory=tea_memory, llm="extractive", library=True)
    assert "tea.mp4" in [served.name for served in videos.all()]
    assert videos.get("tea.mp4").id == Video(tea).id
    assert 14.5 in [hit.start_seconds for _, hit in videos.search("milk")[:3]]
    with pytest.raises(UnknownName, match="tea.mp4"):
        videos.get("coffee.mp4")


def test_a_large_library_is_listed_and_searched_without_opening_each_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{number:032x}" for number in range(30)]
    sought = random.choice(ids)
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        for id_ in ids:
            text = "A zebra drinks." if id_ == sought else "A cow eats grass."
            memory.add([Caption(id_, 1.0, 2.0, "speech", text, source="test")])
            memory.captions_of(id_).set_facts(
                name=f"{id_}.mp4", path=f"/films/{id_}.mp4", duration_seconds=9.0, size=None
            )
        memory.sync()
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        videos = ServedVideos(memory=memory, llm="extractive", library=True)

        opened: set[str] = set()
        usual = memory.captions_of

        def open_one(id_: str) -> VideoCaptions:
            opened.add(id_)
            return usual(id_)

        monkeypatch.setattr(memory, "captions_of", open_one)
        assert {videos.state(served)["captions"] for served in videos.all()} == {1}
        assert opened == set()
        assert [served.id for served, _ in videos.search("zebra")] == [sought], "what only is nearest is no find"
        assert len(opened) <= 8
        assert videos.search("giraffe") == []


def test_names_tell_videos_apart_and_files_are_watched_in_turn(tmp_path: Path) -> None:
    paths = []
    for number, colour in enumerate(("red", "green", "blue")):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths.append(draw_video(folder / "a.mp4", [Scene(2, "", colour)], frame_rate=5))
    videos = ServedVideos(paths, memory=tmp_path / "memory", preset="builtin", llm="extractive")
    assert [served.name for served in videos.all()] == ["a.mp4", "a (2).mp4", "a (3).mp4"]
    all_ids = [served.id for served in videos.all()]
    for served in videos.all():
        videos.agent([served.id]).watching.wait(60)  # type: ignore[union-attr]  # the server watches what it serves
        assert videos.state(served)["state"] == "watched"
    together = videos.agent(all_ids)
    assert together is videos.agent(list(reversed(all_ids)))
    assert together.senses is videos.agent(all_ids[:1]).senses or [sense.name for sense in together.senses] == [
        sense.name for sense in videos.agent(all_ids[:1]).senses
    ]
    videos.close()


def test_a_file_that_changed_is_not_taken_for_the_one_that_was_watched(tmp_path: Path) -> None:
    film = draw_video(tmp_path / "a.mp4", [Scene(2, "", "red")], frame_rate=5)
    videos = ServedVideos([film], memory=tmp_path / "memory", preset="builtin", llm="extractive")
    videos.agent([videos.all()[0].id]).watching.wait(60)  # type: ignore[union-attr]  # as above
    videos.close()
    draw_video(film, [Scene(2, "", "blue")], frame_rate=5)
    again = ServedVideos(memory=tmp_path / "memory", llm="extractive", library=True)
    with pytest.raises(MediaError, match="has changed since it was watched"):
        again.agent([again.all()[0].id])
    shutil.rmtree(tmp_path / "memory")


def test_a_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--folder needs a folder"):
        ServedVideos(memory=tmp_path / "memory", folders=[tmp_path / "nowhere"])


def test_a_store_that_is_busy_does_not_stop_the_list(served: ServedVideos, monkeypatch: pytest.MonkeyPatch) -> None:
    video = served.all()[0]
    before = served.state(video)["captions"]
    assert before > 0
    free = threading.Event()
    stored = served.memory.captions_of(video.id)
    count = stored.count

    def slow() -> int:
        free.wait(30)
        return count()

    monkeypatch.setattr(stored, "count", slow)
    assert served.state(video)["captions"] == before
    free.set()
    assert served.state(video)["captions"] >= before
