"""Moments found by what they look like; a picture is made a vector once."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat import VideoAgent
from videochat.errors import InvalidArgument
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Video:
    drawn = [Scene(4, word, colour) for word, colour in [("A", "red"), ("B", "green"), ("C", "blue"), ("D", "white")]]
    return Video(draw_video(tmp_path_factory.mktemp("scenes") / "scenes.mp4", drawn))


def test_moments_are_found_by_picture_and_words(
    tiny: TinyCheckpoints, scenes: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny("siglip")
    store = tmp_path / "memory"
    agent = VideoAgent(scenes, memory=store, llm="extractive", preset=["subtitles"])
    seen: list[float] = []
    shown = scenes.frame_at(10.0).image
    best, *others = agent.find_frames(image=shown, model=model, k=3, progress=seen.append)
    assert best.start_seconds <= 10.0 < best.end_seconds
    assert best.start_seconds >= 8.0
    assert [frame.similarity for frame in (best, *others)] == sorted(
        [frame.similarity for frame in (best, *others)], reverse=True
    )
    assert all(abs(best.start_seconds - other.start_seconds) > 2 for other in others)
    assert max(seen) == pytest.approx(16.0, abs=0.1)
    jpeg = best.picture()
    assert jpeg is not None
    assert jpeg[:2] == b"\xff\xd8"
    Image.fromarray(shown).save(tmp_path / "shown.png")
    assert agent.find_frames(image=tmp_path / "shown.png", model=model, k=3) == [best, *others]
    assert str(best) == f"scenes.mp4 00:08 ({best.similarity:.2f})"
    agent.close()

    def sample(*args: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(Video, "sample", sample)
    again = VideoAgent(scenes, memory=store, llm="extractive", preset=["subtitles"])
    assert again.find_frames(image=shown, model=model, k=1)[0].start_seconds == best.start_seconds
    words = again.find_frames("a red car", model=model, start_seconds=4, end_seconds=8)
    assert words
    assert all(frame.end_seconds > 4 and frame.start_seconds < 8 for frame in words)
    again.close()


def test_only_what_was_not_looked_at_is_looked_at(tiny: TinyCheckpoints, scenes: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        agent = VideoAgent(scenes, memory=store, llm="extractive", preset=["subtitles"])
        seen: list[float] = []
        agent.find_frames("x", model=tiny("siglip"), start_seconds=4, end_seconds=8, progress=seen.append)
        assert 4 < min(seen) <= max(seen) <= 8.001
        seen.clear()
        agent.find_frames("x", model=tiny("siglip"), progress=seen.append)
        assert not [seconds for seconds in seen if 4.001 < seconds < 7.999]
        whole, _, vectors = store.captions_of(scenes.id).frame_vectors(
            f"{agent.video_set.frame_search(tiny('siglip')).embedder.source} every 2 s"
        )
        assert whole[0] == 0
        assert np.diff(whole).min() > 0
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Say what to find"),
        ({"what": " "}, "Say what to find"),
        ({"what": "a dog", "image": np.zeros((2, 2, 3), np.uint8)}, "Say what to find"),
        ({"image": np.zeros((2, 2), np.uint8)}, "of shape"),
        ({"image": "no.png"}, "cannot be read"),
        ({"what": "a dog", "k": 0}, "at least 1"),
        ({"what": "a dog", "start_seconds": 90.0}, "16.0"),
    ],
)
def test_what_cannot_be_found_is_said(
    tiny: TinyCheckpoints, scenes: Video, tmp_path: Path, asked: dict, words: str
) -> None:
    agent = VideoAgent(scenes, memory=tmp_path, llm="extractive", preset=["subtitles"])
    with pytest.raises(InvalidArgument, match=words):
        agent.find_frames(**asked, model=tiny("siglip"))
    agent.close()


def test_there_is_nothing_to_find_where_there_are_no_pictures(
    tiny: TinyCheckpoints, sound_only: Video, tmp_path: Path
) -> None:
    with VideoAgent(sound_only, memory=tmp_path, llm="extractive", preset=["speech_regions"]) as agent:
        assert agent.find_frames("a red car", model=tiny("siglip")) == []
