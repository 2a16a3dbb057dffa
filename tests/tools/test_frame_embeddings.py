"""Pictures and texts as vectors in one space."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes.senses import CPU, needs_cuda
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat import VideoAgent
from videochat.devices import choose_device
from videochat.errors import InvalidArgument, MissingDependency
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video
from videochat.tools.frame_embeddings import FrameEmbedder


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(2, "HELLO", "red", moving=True), Scene(3, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


@pytest.mark.parametrize("architecture", ["siglip", "clip"])
def test_vectors_with_true_seconds(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    embedder = FrameEmbedder(tiny(architecture), batch_size=1, device=CPU)
    single = list(embedder.embed_frames(video.frames()))
    assert [(moment.start_seconds, moment.end_seconds) for moment in single] == [(i, i + 1) for i in range(5)]
    vectors = np.stack([moment.vector for moment in single])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    batched = FrameEmbedder(tiny(architecture), batch_size=3, device=CPU).embed_frames(video.frames())
    np.testing.assert_allclose([moment.vector for moment in batched], vectors, atol=1e-5)


def test_a_picture_finds_itself(tiny: TinyCheckpoints, video: Video) -> None:
    embedder = FrameEmbedder(tiny("siglip"), device=CPU)
    moments = list(embedder.embed_frames(video.frames()))
    wanted = embedder.embed_image(video.frame_at(3.0).image)
    nearness = [float(moment.vector @ wanted) for moment in moments]
    assert np.argmax(nearness) == 3
    assert embedder.embed_text("A red car").shape == wanted.shape
    np.testing.assert_array_equal(embedder.embed_text("A red car"), embedder.embed_text("a RED car"))


def test_another_architecture_is_refused(tiny: TinyCheckpoints) -> None:
    with pytest.raises(MissingDependency, match="takes siglip, clip"):
        FrameEmbedder(tiny("t5")).embed_text("a dog")


def test_close_and_go_on(tiny: TinyCheckpoints) -> None:
    embedder = FrameEmbedder(tiny("siglip"), device=CPU)
    first = embedder.embed_text("a dog")
    embedder.close()
    np.testing.assert_array_equal(embedder.embed_text("a dog"), first)
    assert embedder.source.startswith("frame_embeddings:tiny-siglip@")


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
            f"{agent.video_set.frames(tiny('siglip')).embedder.source} every 2 s"
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


@needs_cuda
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video) -> None:
    assert len(list(FrameEmbedder(tiny("siglip"), device=choose_device("cuda")).embed_frames(video.frames()))) == 5
