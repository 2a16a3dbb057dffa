from __future__ import annotations

import json
import pickle
import shutil
import sys
from typing import Any

import pytest
import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
)

from tests.fakes.tiny_embed import TOY, byte_tokenizer, toy_frames, worst_error
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.conversion import convert, read_weights
from videochat.embed_model.model import VideoChatEmbed
from videochat.errors import MissingDependency


class EasyDict(dict):
    """Stands for upstream's class, which lies pickled in checkpoints of its training script."""


EasyDict.__module__, EasyDict.__qualname__ = "utils.easydict", "EasyDict"


def test_a_converted_folder_holds_safetensors_only(converted):
    kinds = {path.suffix for path in converted.rglob("*") if path.is_file()}
    assert kinds <= {".safetensors", ".json", ".jinja"}
    assert json.loads((converted / "config.json").read_text())["model_type"] == "videochat_embed"


@pytest.mark.parametrize(
    ("left_out", "says"),
    [
        ("vit", r"lack \d+ of the \d+ tensors .*vision\.vit\.embeddings\.class_embedding"),
        ("qformer", r"lack \d+ of the \d+ tensors .*bridge\.qformer"),
        ("videochat", r"lack \d+ of the \d+ tensors .*bridge\.extra_queries"),
    ],
)
def test_what_the_files_do_not_cover_is_listed(files, tmp_path, left_out, says):
    # Another file in its place: all four arguments are there, but not all weights.
    given = files | {left_out: next(path for key, path in files.items() if key not in (left_out, "llm"))}
    with pytest.raises(CheckpointError, match=says):
        convert(tmp_path / "out", config=TOY, **given)
    assert not (tmp_path / "out").exists()


def test_files_of_another_size(files, tmp_path):
    with pytest.raises(CheckpointError, match=r"lack \d+ of the|tensors of another shape: .* is \(.*\), not \("):
        convert(tmp_path / "out", **files)


def test_weights_made_for_another_llm(files, tmp_path):
    wide = LlamaForCausalLM(LlamaConfig(vocab_size=300, hidden_size=96, num_hidden_layers=1, intermediate_size=8))
    wide.save_pretrained(tmp_path / "wide")
    byte_tokenizer().save_pretrained(tmp_path / "wide")
    with pytest.raises(CheckpointError, match="for an LLM of width 64, but the LLM given has width 96"):
        convert(tmp_path / "out", config=TOY, **(files | {"llm": tmp_path / "wide"}))


def test_a_missing_file(files, tmp_path):
    with pytest.raises(MissingDependency, match=r"There is no file of weights '.*nowhere.pth'"):
        convert(tmp_path / "out", config=TOY, **(files | {"vit": tmp_path / "nowhere.pth"}))


@pytest.mark.parametrize("keep", [0, 10, 5000])
def test_a_truncated_pth(files, tmp_path, keep):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(files["videochat"].read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=rf"cut.pth \({keep:,} bytes\) is cut short or not a checkpoint"):
        read_weights(cut)


def test_a_web_page_called_pth(tmp_path):
    (tmp_path / "page.pth").write_text("<html>404</html>")
    with pytest.raises(CheckpointError, match=r"page.pth .* not a checkpoint"):
        read_weights(tmp_path / "page.pth")


def test_a_checkpoint_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="holds no tensors by name"):
        read_weights(tmp_path / "empty.pth")


@pytest.fixture
def with_objects(files, tmp_path, monkeypatch):
    from types import ModuleType

    module: Any = ModuleType("utils.easydict")
    module.EasyDict = EasyDict
    monkeypatch.setitem(sys.modules, "utils", ModuleType("utils"))
    monkeypatch.setitem(sys.modules, "utils.easydict", module)
    path = tmp_path / "trained.pth"
    state = torch.load(files["videochat"])["model"]
    settings: Any = EasyDict(lr=1e-4, nested=EasyDict(epochs=3))
    settings.frames = 4
    torch.save({"model": state, "config": settings, "epoch": 3}, path)
    monkeypatch.delitem(sys.modules, "utils.easydict")
    monkeypatch.delitem(sys.modules, "utils")
    return path


def test_objects_beside_the_weights_are_named(with_objects):
    with pytest.raises(CheckpointError, match=r"stand_in=\['utils.easydict.EasyDict'\]"):
        read_weights(with_objects)


def test_objects_asked_for_by_name_become_plain_dictionaries(with_objects, files, tmp_path):
    found = read_weights(with_objects, stand_in=["utils.easydict.EasyDict"])
    assert found.keys() == read_weights(files["videochat"]).keys()
    convert(
        tmp_path / "out",
        config=TOY,
        stand_in=["utils.easydict.EasyDict"],
        **(files | {"videochat": with_objects}),
    )


class Trap:
    def __reduce__(self):
        return print, ("a file must not run this",)


def test_nothing_a_file_brings_along_is_run(tmp_path, capsys):
    torch.save({"model": {"w": torch.zeros(1)}, "trap": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(CheckpointError, match="print"):
        read_weights(tmp_path / "trap.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap()))
    for stand_in in ((), ("builtins.print",)):
        for name in ("trap.pth", "old.pth"):
            with pytest.raises(CheckpointError):
                read_weights(tmp_path / name, stand_in)
    assert "must not run" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def blip2(tmp_path_factory):
    """A BLIP-2 repository of the hub, toy-sized."""
    torch.manual_seed(8)
    vision, bridge = TOY.vision, TOY.bridge
    config = Blip2Config(
        vision_config=Blip2VisionConfig(
            hidden_size=vision.width,
            intermediate_size=vision.mlp_width,
            num_hidden_layers=vision.depth,
            num_attention_heads=vision.heads,
            image_size=vision.image_size,
        ).to_dict(),
        qformer_config=Blip2QFormerConfig(
            hidden_size=bridge.width,
            num_hidden_layers=bridge.depth,
            num_attention_heads=bridge.heads,
            intermediate_size=bridge.mlp_width,
            encoder_hidden_size=vision.width,
        ).to_dict(),
        text_config=OPTConfig(
            vocab_size=99,
            hidden_size=16,
            ffn_dim=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            word_embed_proj_dim=16,
        ).to_dict(),
        num_query_tokens=bridge.queries,
    )
    folder = tmp_path_factory.mktemp("blip2")
    Blip2ForConditionalGeneration(config).save_pretrained(folder, max_shard_size="40KB")
    return folder


def test_blip2_of_the_hub_takes_the_place_of_two_files(blip2, files, tmp_path):
    out = convert(tmp_path / "out", config=TOY, blip2=blip2, videochat=files["videochat"], llm=files["llm"])
    model = VideoChatEmbed.from_pretrained(out)
    original = Blip2ForConditionalGeneration.from_pretrained(blip2)
    frames = toy_frames(1, 2)
    with torch.no_grad():
        seen = original.vision_model(frames[0], output_hidden_states=True).hidden_states[-1]
        assert worst_error(model.vision(frames)[:, :-1], seen.flatten(0, 1)[None]) < 1e-6
    assert torch.equal(model.bridge.queries, original.query_tokens)


def test_new_layers_begin_as_the_plain_vit(blip2, files, tmp_path):
    out = convert(tmp_path / "out", config=TOY, blip2=blip2, new_layers=True, llm=files["llm"])
    model = VideoChatEmbed.from_pretrained(out)
    assert torch.equal(model.vision(toy_frames(1, 2))[:, -1], torch.zeros(1, 32))
    norm = Blip2ForConditionalGeneration.from_pretrained(blip2).vision_model.post_layernorm
    assert torch.equal(model.bridge.norm.weight, norm.weight)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"vit": "a", "qformer": "b"}, "either the file `videochat` or new_layers"),
        ({"vit": "a", "videochat": "c"}, "either `blip2` or both"),
        ({"vit": "a", "qformer": "b", "blip2": "d", "videochat": "c"}, "either `blip2` or both"),
    ],
)
def test_arguments_that_do_not_go_together(tmp_path, given, says):
    with pytest.raises(ValueError, match=says):
        convert(tmp_path, llm="e", **given)


def test_an_llm_that_is_none(files, tmp_path):
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm" / "config.json").write_text("{}")
    with pytest.raises(MissingDependency, match="The conversion needs .* no weights are in it"):
        convert(tmp_path / "out", config=TOY, **(files | {"llm": tmp_path / "llm"}))
    shutil.copy(files["llm"] / "model.safetensors", tmp_path / "llm")
    with pytest.raises(CheckpointError, match="as an LLM of transformers, cannot be loaded"):
        convert(tmp_path / "out", config=TOY, **(files | {"llm": tmp_path / "llm"}))
    assert not (tmp_path / "out").exists()
