"""Pictures and texts as vectors in one space."""

import numpy as np
import pytest

from tests.fakes.senses import CPU, needs_cuda
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import choose_device
from videochat.errors import MissingDependency
from videochat.media import Video
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


@needs_cuda
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video) -> None:
    assert len(list(FrameEmbedder(tiny("siglip"), device=choose_device("cuda")).embed_frames(video.frames()))) == 5
