"""Devices, batches and loading."""

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration

from videochat import devices
from videochat.devices import (
    LOADING,
    Cores,
    Device,
    MemoryBudget,
    SharedModels,
    choose_device,
    config_of,
    load_model,
    loading,
)
from videochat.errors import InvalidArgument, MediaError, MissingDependency

CPU = Device("cpu", torch.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("t5")
    config = T5Config(vocab_size=16, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(config).save_pretrained(path)
    return path


@pytest.mark.parametrize(
    ("amx", "avx512_bf16", "dtype"),
    [(True, False, torch.bfloat16), (False, True, torch.bfloat16), (False, False, torch.float32)],
)
def test_floats_of_a_cpu(monkeypatch: pytest.MonkeyPatch, amx: bool, avx512_bf16: bool, dtype: torch.dtype) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    assert choose_device("cpu") == Device("cpu", dtype)


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), torch.float16), ((9, 0), torch.bfloat16)])
def test_floats_of_a_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    place = choose_device()
    assert place == Device("cuda", dtype)
    assert place.is_cuda


def test_a_promised_gpu_is_there() -> None:
    if os.environ.get("VIDEOCHAT_REQUIRE_CUDA") == "1":
        assert torch.cuda.is_available(), "VIDEOCHAT_REQUIRE_CUDA promises a GPU, and torch sees none"


@pytest.fixture
def four_threads() -> Iterator[None]:
    usual = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(usual)


@pytest.mark.usefixtures("four_threads")
def test_a_model_that_is_alone_has_all_cores() -> None:
    cores = Cores(4)
    with cores.share() as held, cores.share() as again:
        assert held == again == 4
        assert torch.get_num_threads() == 4
    with Cores(2).share() as held:
        assert held == torch.get_num_threads() == 2
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_models_share_the_cores_and_never_have_more() -> None:
    cores, busy, most, told = Cores(4), Counter[str](), [0], []
    lock, all_here = threading.Lock(), threading.Barrier(6)

    def compute(name: str) -> None:
        all_here.wait()
        for _ in range(20):
            with cores.share() as held:
                with lock:
                    busy[name] = held
                    most[0] = max(most[0], busy.total())
                    told.append(torch.get_num_threads() == held)
                time.sleep(0.002)
                with lock:
                    busy[name] = 0

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(compute, "abcdef"))
    assert len(told) == 120
    assert all(told)
    assert most == [4]
    with cores.share() as held:
        assert held == 4, "the cores came back"


def test_who_gives_up_waiting_leaves_the_cores_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(2)

    def interrupted(ready: Callable[[], bool]) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cores._change, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), cores.share():
            pass
    with cores.share() as held:
        assert held == min(2, torch.get_num_threads())
        assert cores._wanting == 1


def test_shared_models_load_once_and_are_freed() -> None:
    class Model:
        pass

    shared: SharedModels[Model] = SharedModels()
    first = shared.get("a", Model)
    assert shared.get("a", Model) is first
    assert shared.get("b", Model) is not first
    number = id(first)
    del first
    gc.collect()
    assert "a" not in shared._models, number


def test_load_model(folder: Path) -> None:
    model = load_model("AutoModelForSeq2SeqLM", folder, CPU)
    assert not model.training
    assert model.dtype == torch.float32


def test_missing_keys_are_an_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingDependency, match=r"lacks 1 weights of T5For.*encoder\.final_layer_norm"):
        load_model("AutoModelForSeq2SeqLM", tmp_path, CPU)


def test_another_architecture_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="as AutoModelForObjectDetection, cannot be loaded"):
        load_model("AutoModelForObjectDetection", folder, CPU)
    with pytest.raises(MissingDependency, match=r"config\.json cannot be read"):
        config_of(tmp_path)


def test_senses_may_load_at_the_same_time(folder: Path) -> None:
    # transformers alone reports untied weights here, now and for every later model of the process.
    with ThreadPoolExecutor(8) as threads:
        models = list(threads.map(lambda _: load_model("AutoModelForSeq2SeqLM", folder, CPU), range(16)))
    for model in models:
        assert model.get_input_embeddings().weight is model.encoder.embed_tokens.weight


class Owner:
    """Somebody who uses a model."""


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> MemoryBudget:
    monkeypatch.setattr(devices, "free_bytes", lambda: 1000)
    return MemoryBudget()


def test_a_model_counts_once_however_many_use_it(budget: MemoryBudget) -> None:
    one, other = Owner(), Owner()
    assert budget.left() == 800
    budget.claim("eye", 300, one)
    budget.claim("eye", 300, other)
    budget.claim("ear", 100, one)
    assert budget.left() == 400
    budget.release(one)
    assert budget.left() == 500
    del other
    gc.collect()
    assert budget.left() == 800


def test_all_models_of_the_process_share_one_budget(budget: MemoryBudget) -> None:
    sense, clip_model = Owner(), Owner()
    budget.claim("senses", 500, sense)
    budget.claim("clip model", 200, clip_model)
    assert budget.left() == 100, "what one part has taken another cannot take again"
    assert budget.left(900) == 200, "a limit of the user's is for all models together, too"
    assert budget.left(besides=["senses"]) == 600, "who asks may reuse what is its own"


def test_what_others_have_taken_meanwhile_is_not_there(budget: MemoryBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    assert budget.left() == 800
    monkeypatch.setattr(devices, "free_bytes", lambda: 100)
    assert budget.left() == 80


def test_free_memory_is_part_of_all_memory() -> None:
    all_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert torch.cuda.is_available() or 0 < devices.free_bytes() <= all_bytes


def test_loading_turns_errors_into_a_sentence_and_lets_ours_pass() -> None:
    with (
        pytest.raises(MissingDependency, match=r"^The eye cannot be loaded \(OSError\): it is gone$"),
        loading("The eye"),
    ):
        raise OSError("it is gone\nTraceback")
    with pytest.raises(MediaError), loading("The eye", raising=MediaError):
        raise KeyError("x")
    with pytest.raises(InvalidArgument, match="^no$"), loading("The eye"):
        raise InvalidArgument("no")
    with pytest.raises(KeyboardInterrupt), loading("The eye"):
        raise KeyboardInterrupt
    assert LOADING.acquire(timeout=0), "the lock is free again"
    LOADING.release()
