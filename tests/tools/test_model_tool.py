"""Weights are found once, loaded at first use, counted in the memory budget and freed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tests.fakes.senses import CPU
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import BUDGET, Device, config_of
from videochat.errors import MissingDependency
from videochat.hub import identity, known
from videochat.media import Video
from videochat.tools.base import at_rate
from videochat.tools.captions import FrameCaptioner
from videochat.tools.model_tool import UsesModel
from videochat.tools.tags import FrameTagger


class Reader(UsesModel[str]):
    """Its model is the text of its config.json."""

    name: ClassVar[str] = "reader"
    accepts: ClassVar[tuple[str, ...]] = ("t5",)
    batch_on_gpu: ClassVar[int] = 32
    batch_on_cpu: ClassVar[int] = 4
    loads = 0

    def load_model(self, folder: Path, device: Device) -> str:
        self.loads += 1
        return f"{config_of(folder)['model_type']} on {device.name}"


def claimed(model: str) -> int:
    """Bytes that count for a model in the budget of this process."""
    return BUDGET.left(1e12, besides=[known(model)]) - BUDGET.left(1e12)


def test_loaded_at_first_use_and_once(tiny: TinyCheckpoints) -> None:
    reader = Reader(tiny("t5"), device="cpu")
    reader.prepare()
    assert reader.loads == 0
    assert reader.loaded() == reader.loaded() == "t5 on cpu"
    assert reader.loads == 1
    reader.close()
    assert reader.loaded() == "t5 on cpu"
    assert reader.loads == 2


def test_what_is_loaded_counts_in_the_budget_until_it_is_freed(tiny: TinyCheckpoints, tmp_path: Path) -> None:
    folder = str(shutil.copytree(tiny("t5"), tmp_path / "own"))
    one, other = Reader(folder, device=CPU), Reader(folder, device=CPU)
    assert claimed(folder) == 0
    one.loaded()
    assert claimed(folder) == one.memory_bytes() > 0
    other.loaded()
    assert claimed(folder) == one.memory_bytes(), "one model is counted once"
    one.close()
    assert claimed(folder) > 0
    other.close()
    assert claimed(folder) == 0


def test_whoever_is_gone_holds_no_memory(tiny: TinyCheckpoints, tmp_path: Path) -> None:
    folder = str(shutil.copytree(tiny("t5"), tmp_path / "own"))
    Reader(folder, device=CPU).loaded()
    assert claimed(folder) == 0


@pytest.mark.parametrize("device", [None, "cpu", Device("cpu", torch.float16)])
def test_the_device_may_be_a_name(tiny: TinyCheckpoints, device: str | Device | None) -> None:
    chosen = Reader(tiny("t5"), device=device).device
    assert isinstance(chosen, Device)
    assert device is None or chosen.name == "cpu"
    assert not isinstance(device, Device) or chosen is device


def test_the_batch_suits_the_device_unless_it_is_given(tiny: TinyCheckpoints) -> None:
    assert Reader(tiny("t5"), device=CPU).batcher.size == 4
    assert Reader(tiny("t5"), device=Device("cuda", torch.float16)).batcher.size == 32
    assert Reader(tiny("t5"), device=CPU, batch_size=7).batcher.size == 7


def test_another_architecture_is_refused(tiny: TinyCheckpoints) -> None:
    with pytest.raises(MissingDependency, match="'reader' cannot use .* of type 'clip', and this sense takes t5"):
        Reader(tiny("clip")).loaded()
    with pytest.raises(MissingDependency, match="'reader' needs the model"):
        Reader("some/model").loaded()


def test_the_source_names_model_and_rate_before_and_after_it_is_found(tiny: TinyCheckpoints, video: Video) -> None:
    tool = FrameCaptioner(tiny("florence"), device=CPU)
    name = f"captions:{identity(known(tiny('florence')))}"
    assert tool.source == name
    denser = at_rate(tool, 4)
    assert denser.source == f"{name}@4fps"
    denser.prepare()
    tool.prepare()
    assert (tool.source, denser.source) == (name, f"{name}@4fps")
    assert tool.version(video) != denser.version(video)
    assert tool.version(video).startswith(f"{name} ")


def test_a_pinned_model_is_named_by_its_revision() -> None:
    assert FrameTagger("google/siglip2-base-patch16-224").source == "tags:google/siglip2-base-patch16-224@75de2d55ec2d"
    assert at_rate(FrameTagger("some/model"), 0.5).source == "tags:some/model@0.5fps"


@pytest.fixture
def video(silent: Video) -> Video:
    return silent
