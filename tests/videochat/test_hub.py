"""Weights are found without the network where they can be, and missed in one clear sentence where not."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import errors
from safetensors.numpy import save_file

import videochat.hub
from videochat.agent.watch import watch
from videochat.errors import MissingDependency
from videochat.frames import Frame, Sampling
from videochat.hub import CATALOGUE, Weights, find_weights, identity, known
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, Settled

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache and a hub that may be asked."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def answer(monkeypatch: pytest.MonkeyPatch, said: Any) -> list[dict[str, Any]]:
    """Let the hub answer, raise or hang; return what it is asked."""
    asked = []

    def model_info(self: Any, model: str, **options: Any) -> Any:
        asked.append({"model": model} | options)
        if isinstance(said, Exception):
            raise said
        if said == "hang":
            time.sleep(60)
        return said

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    return asked


def fill_cache(hub: Path, *files: str) -> Path:
    repository = hub / "models--acme--eye"
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (folder / "config.json").write_text("{}")
    for name in files:
        save_file({"w": np.zeros(2, np.float32)}, folder / name)
    return folder


def test_a_folder_or_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    save_file({"w": np.zeros(2, np.float32)}, tmp_path / "model.safetensors")
    assert find_weights(str(tmp_path), needed_by="The sense 'eye'") == tmp_path
    assert (
        find_weights(str(tmp_path / "model.safetensors"), needed_by="The sense 'eye'") == tmp_path / "model.safetensors"
    )


def test_a_cached_model_is_found_without_asking_anyone(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, ConnectionError())
    folder = fill_cache(hub, "model.safetensors")
    assert find_weights("acme/eye", needed_by="The sense 'eye'") == folder
    assert find_weights(Weights("acme/eye", COMMIT), needed_by="The sense 'eye'") == folder
    assert asked == []
    assert identity(Weights("acme/eye"), folder) == "acme/eye@0123456789ab"


def test_a_cached_model_that_lacks_a_shard_is_not_complete(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, ConnectionError())
    folder = fill_cache(hub, "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(MissingDependency, match="cannot be reached"):
        find_weights("acme/eye", needed_by="The sense 'eye'")


def broken(name: str) -> Exception:
    response: Any = SimpleNamespace(headers={}, request=None, status_code=404)
    error: Exception = getattr(errors, name)("no", response=response)
    return error


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (ConnectionError(), r"the hub cannot be reached \(ConnectionError\)\. Check the network"),
        (broken("RepositoryNotFoundError"), "no model of that name"),
        (broken("RevisionNotFoundError"), "not its revision 0123"),
        (broken("GatedRepoError"), "accepted its terms"),
        (SimpleNamespace(gated="auto"), "accepted its terms"),
        (SimpleNamespace(gated=False), "nothing is downloaded without being asked for"),
    ],
)
def test_the_reason_is_told_apart(hub: Path, monkeypatch: pytest.MonkeyPatch, said: Any, message: str) -> None:
    asked = answer(monkeypatch, said)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse_download(huggingface_hub.snapshot_download))
    with pytest.raises(MissingDependency, match=message) as caught:
        find_weights(Weights("acme/eye", COMMIT, "MIT", 12), needed_by="The sense 'eye'")
    assert str(caught.value).startswith("The sense 'eye' needs the model acme/eye (MIT, about 12 MB), but ")
    assert asked == [{"model": "acme/eye", "revision": COMMIT, "timeout": 5.0}]


def refuse_download(real: Any) -> Any:
    def snapshot_download(*args: Any, local_files_only: bool = False, **options: Any) -> Any:
        assert local_files_only, "a download that nobody asked for"
        return real(*args, local_files_only=True, **options)

    return snapshot_download


def test_a_hub_that_hangs_is_given_up(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "hang")
    monkeypatch.setattr(videochat.hub, "_PROBE_BOUND_SECONDS", 0.1)
    began = time.perf_counter()
    with pytest.raises(MissingDependency, match=r"cannot be reached \(TimeoutError\)"):
        find_weights("acme/eye", needed_by="The sense 'eye'")
    assert time.perf_counter() - began < 5


def test_offline_asks_nobody(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, SimpleNamespace(gated=False))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingDependency, match="HF_HUB_OFFLINE forbids the network"):
        find_weights("acme/eye", needed_by="The sense 'eye'", allow_download=True)
    assert asked == []


def test_a_download_that_was_asked_for(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, SimpleNamespace(gated=False))
    real = huggingface_hub.snapshot_download
    fetched = []

    def snapshot_download(model: str, *, local_files_only: bool = False, **options: Any) -> Any:
        if local_files_only:
            return real(model, local_files_only=True, **options)
        fetched.append(options["allow_patterns"])
        return str(fill_cache(hub, "model.safetensors"))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert find_weights("acme/eye", needed_by="The sense 'eye'", allow_download=True).name == COMMIT
    assert fetched == [["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/no/such/folder", "there is no such folder or file"),
        ("justaname", "there is no such folder or file"),
        ("{empty}", "no weights are in it"),
    ],
)
def test_a_path_that_is_none(tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(MissingDependency, match=message):
        find_weights(model.format(empty=tmp_path), needed_by="The sense 'eye'")


def test_a_folder_that_lacks_a_shard_names_it(tmp_path: Path) -> None:
    (tmp_path / "model-1.safetensors").write_bytes(b"x")
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-3.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(MissingDependency, match="lacks 'model-2.safetensors' and 1 more, which its index names"):
        find_weights(str(tmp_path), needed_by="The sense 'eye'")


def test_identity_of_a_folder_follows_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    save_file({"w": np.zeros(2, np.float32)}, folder / "model.safetensors")
    first = identity(Weights(str(folder)))
    assert first.startswith("mine@")
    assert identity(Weights(str(folder))) == first
    save_file({"w": np.ones(2, np.float32)}, folder / "model.safetensors")
    assert identity(Weights(str(folder))) != first


def test_the_catalogue_knows_licence_and_size() -> None:
    for model, weights in CATALOGUE.items():
        assert weights.model == model
        assert weights.licence != Weights("x/y").licence
        assert weights.download_mb
        assert weights.memory_mb
    assert known("acme/eye").download_mb is None


def test_models_of_the_hub_are_pinned_to_commits() -> None:
    moving = {model for model, weights in CATALOGUE.items() if weights.revision is None}
    # Their commits were found nowhere in public; nothing may join them.
    assert moving == {
        "mrm8488/flan-t5-large-finetuned-openai-summarize_from_feedback",
        "nvidia/Nemotron-3-Diarization",
    }
    assert all(re.fullmatch("[0-9a-f]{40}", weights.revision) for weights in CATALOGUE.values() if weights.revision)


class Blind(PerceptionTool):
    name = "blind"
    kind = "tags"
    sees = "nothing"
    needs = Sampling()
    source = "blind"

    def __init__(self, model: str) -> None:
        self.weights = Weights(model)

    def prepare(self) -> None:
        assert self.weights is not None
        find_weights(self.weights, needed_by=self.name)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        yield Settled(end_seconds)


def test_a_watch_without_weights_ends_before_the_first_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = Video(draw_video(tmp_path / "v.mp4", [Scene(2)]))

    def sample(*args: Any) -> Iterator[Any]:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(Video, "sample", sample)
    with CaptionStore(tmp_path / "store") as store, pytest.raises(MissingDependency, match="HF_HUB_OFFLINE"):
        watch(video, [Blind("acme/eye")], store.captions_of(video.id))
