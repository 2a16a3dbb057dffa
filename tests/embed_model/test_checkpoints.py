from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

from videochat.embed_model.checkpoints import CheckpointError, folder_tensors
from videochat.embed_model.model import VideoChatEmbed
from videochat.errors import MissingDependency


def test_shards_and_saving_change_nothing(converted, tmp_path):
    model = VideoChatEmbed.from_pretrained(converted)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 3
    again = VideoChatEmbed.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


def test_a_missing_shard(converted, tmp_path):
    VideoChatEmbed.from_pretrained(converted).save_pretrained(tmp_path, max_shard_size="20KB")
    next(tmp_path.glob("model-00002*")).unlink()
    with pytest.raises(MissingDependency, match="lacks model-00002"):
        dict(folder_tensors(tmp_path))
    with pytest.raises(MissingDependency):
        VideoChatEmbed.from_pretrained(tmp_path)


def test_truncated_safetensors(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "cut")
    whole = tmp_path / "cut" / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model.safetensors .* is cut short"):
        VideoChatEmbed.from_pretrained(tmp_path / "cut")


def test_a_folder_of_another_model(files):
    with pytest.raises(CheckpointError, match="holds a model of type 'llama', not 'videochat_embed'"):
        VideoChatEmbed.from_pretrained(files["llm"])


def test_a_folder_that_was_not_finished(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "half")
    (tmp_path / "half" / "config.json").unlink()
    with pytest.raises(MissingDependency, match="make one with `videochat embed convert`"):
        VideoChatEmbed.from_pretrained(tmp_path / "half")


def test_a_damaged_config(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "bad")
    (tmp_path / "bad" / "config.json").write_text('{"model_type": "videochat_embed", "vision": {"colour": 3}}')
    with pytest.raises(CheckpointError, match="does not describe a VideoChat-Embed"):
        VideoChatEmbed.from_pretrained(tmp_path / "bad")


def test_a_folder_without_weights(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    with pytest.raises(MissingDependency, match="There are no safetensors"):
        VideoChatEmbed.from_pretrained(tmp_path / "bare")


def test_weights_without_some_tensors(converted, tmp_path):
    from safetensors.torch import save_file

    shutil.copytree(converted, tmp_path / "less")
    weights = load_file(converted / "model.safetensors")
    del weights["bridge.projection.bias"]
    save_file(weights, tmp_path / "less" / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lack 1 of the \d+ tensors of VideoChat-Embed: bridge.projection.bias"):
        VideoChatEmbed.from_pretrained(tmp_path / "less")
