"""Fixtures that several modules of this room share."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from runs.toy_world import make_clip, write_clip
from tests.fakes.tiny_embed import TOY, upstream_files
from tests.fakes.tiny_training import write_training_data
from videochat.embed_model.conversion import convert


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Upstream's files of a toy model, by the argument of `convert`."""
    return upstream_files(tmp_path_factory.mktemp("upstream"), TOY)


@pytest.fixture(scope="session")
def converted(files: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder made of them; nobody writes in it."""
    return convert(tmp_path_factory.mktemp("toy"), config=TOY, llm_dtype="float32", **files)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips, two images, and files that are none."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(3):
        write_clip(root / f"{number}.mp4", make_clip(Random(number)))
    (root / "zero.mp4").touch()
    (root / "text.mp4").write_text("not a video")
    (root / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("RGB", (40, 20), "red").save(root / "a.png")
    Image.new("L", (20, 40), 90).save(root / "b.png")
    return root


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short clips with captions and conversations, and a model to start from."""
    return write_training_data(tmp_path_factory.mktemp("world"))
