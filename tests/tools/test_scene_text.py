"""Text on things, read by the model that also captions them."""

from pathlib import Path

import pytest

from tests.fakes.senses import CPU, seen
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.dense_captions import DenseCaptioner
from videochat.tools.florence import shared_florence
from videochat.tools.scene_text import SceneTextReader


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [Scene(1, "SHOP")], frame_rate=2))


def test_each_piece_of_text_has_its_place(tiny: TinyCheckpoints, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    florence = shared_florence(Path(tiny("florence")), CPU)
    corners = "<loc_100><loc_200><loc_500><loc_200><loc_500><loc_600><loc_100><loc_600>"
    monkeypatch.setattr(florence.processor, "batch_decode", lambda ids, **options: [f"</s><s>No. 7{corners}</s>"])
    (caption,) = seen(SceneTextReader(tiny("florence"), device=CPU), video)
    assert (caption.kind, caption.text, caption.box) == ("ocr", "No. 7", (32.0, 36.0, 160.0, 108.0))
    assert caption.source.startswith("scene_text:tiny-florence@")


def test_it_shares_the_model_of_the_dense_captions(tiny: TinyCheckpoints) -> None:
    reader, captioner = (tool(tiny("florence"), device=CPU) for tool in (SceneTextReader, DenseCaptioner))
    assert reader.loaded() is captioner.loaded()
