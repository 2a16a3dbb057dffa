"""Actions in windows of the video's own time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes.senses import CPU, captions_of, needs_cuda, run
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import choose_device
from videochat.frames import Sampling
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.actions import ActionRecognizer, _OpenLabels
from videochat.tools.text_vectors import word_list

LABELS = ("archery", "juggling balls", "yoga", "playing guitar")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(3, "HELLO", "red", moving=True), Scene(4, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


def recognizer(folder: str, **options: Any) -> ActionRecognizer:
    usual: dict[str, Any] = {"labels": LABELS, "min_score": 0.0, "device": CPU}
    return ActionRecognizer(folder, **(usual | options))


@pytest.mark.parametrize(("architecture", "every_seconds"), [("xclip", 0.25), ("videomae", 0.125)])
def test_a_caption_for_each_window(
    tiny: TinyCheckpoints, video: Video, architecture: str, every_seconds: float
) -> None:
    tool = recognizer(tiny(architecture))
    told = captions_of(run(tool, video))
    assert tool.needs == Sampling(every_seconds=every_seconds, max_side=320)
    assert [(caption.start_seconds, caption.end_seconds) for caption in told] == [(0, 2), (2, 4), (4, 6), (6, 7)]
    for caption in told:
        assert caption.kind == "action"
        assert set(caption.text.split(", ")) <= set(LABELS)
        assert caption.score is not None


def test_a_range_gives_the_windows_of_the_whole(tiny: TinyCheckpoints, video: Video) -> None:
    tool = recognizer(tiny("xclip"))
    whole = captions_of(run(tool, video))
    part = captions_of(run(tool, video, 3.0, 6.0))
    assert [(caption.start_seconds, caption.end_seconds) for caption in part] == [(3, 4), (4, 6)]
    assert part[1] == whole[2]


def test_labels_encoded_once_give_what_the_model_gives(tiny: TinyCheckpoints) -> None:
    classifier = _OpenLabels(Path(tiny("xclip")), CPU, LABELS, "test")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 40, 60, 3), dtype=np.uint8)
    clips = [list(clip) for clip in pictures]
    inputs = classifier.processor(text=list(LABELS), videos=clips, return_tensors="pt", padding=True)
    with torch.inference_mode():
        expected = classifier.model(**inputs).logits_per_video.softmax(-1).numpy()
    np.testing.assert_allclose(classifier.probabilities(clips), expected, rtol=1e-3)


def test_the_400_actions_of_kinetics() -> None:
    names = word_list("kinetics400.txt")
    assert len(names) == len(set(names)) == 400
    assert {"yoga", "playing guitar", "hitting baseball", "making a cake"} <= set(names)


def test_unlikely_actions_are_left_out(tiny: TinyCheckpoints, video: Video) -> None:
    assert captions_of(run(recognizer(tiny("videomae"), min_score=1.0), video)) == []
    assert all("," not in c.text for c in captions_of(run(recognizer(tiny("xclip"), top=1), video)))


def test_other_labels_are_watched_anew(tiny: TinyCheckpoints, video: Video) -> None:
    usual = recognizer(tiny("xclip")).version(video)
    assert recognizer(tiny("xclip")).version(video) == usual
    assert recognizer(tiny("xclip"), labels=["sleeping"]).version(video) != usual
    assert recognizer(tiny("xclip"), window_seconds=3.0).version(video) != usual


@needs_cuda
@pytest.mark.parametrize("architecture", ["xclip", "videomae"])
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    assert len(captions_of(run(recognizer(tiny(architecture), device=choose_device("cuda")), video))) == 4
