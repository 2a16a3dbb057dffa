"""Every loader of the package takes the one loading lock; without it models that load together break each other."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from tests.fakes.tiny_embedder import sentence_transformer
from videochat.devices import LOADING, Device, load_model
from videochat.memory import SentenceTransformerEmbeddings

ROOT = Path(__file__).parents[2]
FOLDERS = ("videochat", "videochat/cli", "agent", "tools", "memory", "embed_model")
CPU = Device("cpu", torch.float32)

# What makes a model, processor, tokenizer or session out of files, in any library that we use.
LOADERS = {
    "from_pretrained",
    "SentenceTransformer",
    "WhisperModel",
    "from_transformers",
    "YOLO",
    "RapidOCR",
    "InferenceSession",
    "load_silero_vad",
    "load_checkpoint_and_dispatch",
    "CrossEncoder",
    "pipeline",
}
# Ours of the same name; it loads by the loaders above.
OURS = {"VideoChatEmbed.from_pretrained"}


def loads_outside_of_the_lock(source: str) -> Iterator[str]:
    """Yield the calls of a loader that do not stand inside of `with loading(...)`."""
    tree = ast.parse(source)
    guarded = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.With)
        and any(isinstance(i.context_expr, ast.Call) and _name(i.context_expr.func) == "loading" for i in block.items)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or node in guarded:
            continue
        called = ast.unparse(node.func)
        if (_name(node.func) in LOADERS and called not in OURS) or called == "whisper.load_model":
            yield f"line {node.lineno}: {called}"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def files() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_loader_takes_the_lock(path: Path) -> None:
    assert list(loads_outside_of_the_lock(path.read_text())) == []


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("model = AutoModel.from_pretrained(folder)", True),
        ("model = whisper.load_model(path)", True),
        ("model = SentenceTransformer(folder)", True),
        ("with loading('x'):\n    model = AutoModel.from_pretrained(folder)", False),
        ("with loading('x'), torch.device('meta'):\n    model = [YOLO(p) for p in paths]", False),
        ("model = VideoChatEmbed.from_pretrained(folder)", False),
    ],
)
def test_a_loader_without_the_lock_is_found(line: str, is_found: bool) -> None:
    assert bool(list(loads_outside_of_the_lock(line))) is is_found


def test_some_loader_is_there_to_be_looked_at() -> None:
    """So that the test above cannot pass because it looks in the wrong place."""
    calls = [
        _name(node.func)
        for path in files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    assert calls.count("loading") >= 8
    assert calls.count("from_pretrained") >= 5


def test_the_lock_is_held_while_libraries_load(
    tiny: TinyCheckpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    real = torch.nn.Module.__init__

    def take() -> bool:
        taken = LOADING.acquire(blocking=False)
        if taken:
            LOADING.release()
        return taken

    def watched(module: torch.nn.Module, *args: object, **kwargs: object) -> None:
        held.append(not others.submit(take).result())
        real(module, *args, **kwargs)

    sentence_transformer(tmp_path)
    florence = Path(tiny("florence"))
    monkeypatch.setattr(torch.nn.Module, "__init__", watched)
    with ThreadPoolExecutor(1) as others:
        SentenceTransformerEmbeddings(str(tmp_path / "model"), "tiny").embed_query("a")
        load_model("AutoModelForImageTextToText", florence, CPU)
    assert len(held) > 20
    assert all(held)


def test_embedder_and_senses_load_at_once(tiny: TinyCheckpoints, tmp_path: Path) -> None:
    """Fifty rounds. Without the lock the first already fails, and every later load of the process as well."""
    sentence_transformer(tmp_path)
    folders = {"AutoModelForImageTextToText": Path(tiny("florence")), "AutoModel": Path(tiny("siglip"))}

    def embed() -> None:
        assert len(SentenceTransformerEmbeddings(str(tmp_path / "model"), "tiny").embed_query("a")) == 16

    def sense(auto_class: str) -> None:
        load_model(auto_class, folders[auto_class], CPU)

    jobs: list[Callable[[], None]] = [embed, *(partial(sense, name) for name in folders)]
    with ThreadPoolExecutor(len(jobs)) as threads:
        for _ in range(50):
            start = threading.Barrier(len(jobs))

            def together(job: Callable[[], None], start: threading.Barrier = start) -> None:
                start.wait()
                job()

            assert [future.exception() for future in [threads.submit(together, job) for job in jobs]] == [None] * len(
                jobs
            )
