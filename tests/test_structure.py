"""The structure of the package: imports point downward, no circles, no private names across modules, small files."""

import ast
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import videochat

ROOT = Path(__file__).parents[1]
ROOMS = ("agent", "tools", "memory", "embed_model")
# Lower first; modules of one line may import each other as long as there is no circle.
LEVELS = {
    name: level
    for level, names in enumerate(
        (
            ("renamed",),
            ("errors", "printable", "hosts", "fence", "subrip"),
            ("intervals",),
            ("records", "answer_html", "home", "ffmpeg", "local_files", "watch_bar"),
            ("transport_stream",),
            ("live_readers",),
            ("video_sites", "sources", "object_stores"),
            ("download",),
            ("packaged", "chat_models"),
            ("hub", "stills"),
            ("clock", "decoding", "devices", "audio", "frames", "bert_encoder", "timeline", "live_source"),
            ("media", "playback", "batches", "text_embeddings", "cross_encoders"),
            ("clips", "live_recording"),
            ("recorder",),
            ("memory", "tools", "embed_model"),
            # Draws videos and fakes models: it stands on the rooms that it serves, below the agent.
            ("testing",),
            ("agent",),
        )
    )
    for name in names
}
_LOADERS = ("videochat.tools.clip_models", "videochat.tools.clip_backends")
"""Modules of the room beside it that load VideoChat-Embed, inside functions."""
FRONT_DOOR = len(LEVELS)
MOST_LINES, MEDIAN_LINES = 450, 160


def modules(root: Path) -> dict[str, Path]:
    """Return every module of the package by name; `__init__` has the name of its folder."""
    found = {}
    for folder, name in [(root / "videochat", "videochat"), *((root / r, f"videochat.{r}") for r in ROOMS)]:
        for path in sorted(folder.glob("*.py")):
            found[name if path.stem == "__init__" else f"{name}.{path.stem}"] = path
    for door in ("cli", "serve", "evaluation"):
        for path in sorted((root / "videochat" / door).glob("*.py")):
            found[f"videochat.{door}" if path.stem == "__init__" else f"videochat.{door}.{path.stem}"] = path
    return found


def level(module: str) -> int:
    parts = module.split(".")
    return LEVELS.get(parts[1], FRONT_DOOR) if len(parts) > 1 else FRONT_DOOR


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def imports(path: Path, known: dict[str, Path]) -> Iterator[tuple[str, str, bool]]:
    """Yield (module, name or empty, whether inside a function) for each import of ours in a file."""
    for module, name, inside in statements(path.read_text()):
        yield (f"{module}.{name}", "", inside) if f"{module}.{name}" in known else (module, name, inside)


@cache
def statements(text: str) -> list[tuple[str, str, bool]]:
    """Return (module, name or empty, whether inside a function) for each import of ours in a source."""
    tree = parsed(text)
    found: list[tuple[str, str, bool]] = []
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide what a module stands on"
            if (node.module or "").split(".")[0] == "videochat":
                found += [(node.module or "", alias.name, node in inside) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(a.name, "", node in inside) for a in node.names if a.name.split(".")[0] == "videochat"]
    return found


def wrong_imports(root: Path) -> list[str]:
    """Return the imports that go upward, or from one room into its neighbour."""
    known, wrong = modules(root), []
    for module, path in known.items():
        if module == "videochat":
            continue  # the front door shows what is behind it, lazily
        for name, _, inside in imports(path, known):
            if room(name) == room(module):
                continue
            if module in _LOADERS and room(name) == "embed_model" and inside:
                continue
            lower, upper = level(name), level(module)
            if lower > upper or (lower == upper == LEVELS["memory"]):
                wrong.append(f"{module} imports {name}")
    return wrong


def circles(root: Path) -> list[str]:
    """Return circles of imports among modules, also those for type checkers and inside of functions."""
    known = modules(root)
    arrows = {
        module: sorted({name for name, _, _ in imports(path, known) if name in known and name != module})
        for module, path in known.items()
        if module not in ("videochat", *(f"videochat.{r}" for r in ROOMS))
    }
    found: list[str] = []
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append(" -> ".join([*path[path.index(module) :], module]))
            return
        if module in done:
            return
        for name in arrows.get(module, ()):
            walk(name, [*path, module])
        done.add(module)

    for module in arrows:
        walk(module, [])
    return found


def foreign_private_names(root: Path) -> list[str]:
    """Return uses of a name with a leading underscore that another module of ours defines."""
    found = {module: private_names(path.read_text()) for module, path in modules(root).items()}
    anywhere = {name for defined, _, _ in found.values() for name in defined}
    wrong = []
    for module, (defined, imported, used) in found.items():
        wrong += [f"{module} imports {name}" for name in imported]
        wrong += [f"{module} uses {shown}" for name, shown in used if name in anywhere - defined]
    return wrong


@cache
def private_names(text: str) -> tuple[frozenset[str], list[str], list[tuple[str, str]]]:
    """Return the private names that a source defines, those that it imports of ours, and those of others it uses."""
    tree = parsed(text)
    imported, used = list[str](), list[tuple[str, str]]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("videochat"):
            imported += [alias.name for alias in node.names if _is_private(alias.name)]
        elif (
            isinstance(node, ast.Attribute)
            and _is_private(node.attr)
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        ):
            used.append((node.attr, ast.unparse(node)))
    return frozenset(_private_definitions(tree)), imported, used


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _private_definitions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        if _is_private(name):
            yield name


def test_imports_point_downward() -> None:
    assert wrong_imports(ROOT) == []


def test_there_are_no_circles() -> None:
    assert circles(ROOT) == []


def test_private_names_stay_in_their_module() -> None:
    assert foreign_private_names(ROOT) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's files, to plant something in."""
    for path in modules(ROOT).values():
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    return tmp_path


@pytest.mark.parametrize(
    ("planted_in", "line", "found_by"),
    [
        ("memory/words.py", "from videochat.agent import VideoAgent", wrong_imports),
        ("tools/ocr.py", "def f():\n    import videochat.agent.watch", wrong_imports),
        ("memory/words.py", "from videochat.tools import make_tools", wrong_imports),
        ("videochat/records.py", "from videochat.media import Video", wrong_imports),
        ("videochat/errors.py", "def f():\n    from videochat.records import Caption", circles),
        ("memory/words.py", "if TYPE_CHECKING:\n    from videochat.memory.caption_store import CaptionStore", circles),
        ("agent/prompts.py", "from videochat.media import _WHOLE_HASH_BYTES", foreign_private_names),
        ("agent/prompts.py", "def f(video):\n    return video._zero_seconds", foreign_private_names),
    ],
)
def test_what_is_planted_is_found(copy: Path, planted_in: str, line: str, found_by: object) -> None:
    assert callable(found_by)
    assert found_by(copy) == []
    victim = copy / planted_in
    victim.write_text(victim.read_text() + f"\n{line}\n")
    assert found_by(copy)


def test_files_are_small() -> None:
    lines = {module: len(path.read_text().splitlines()) for module, path in modules(ROOT).items()}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}
    assert statistics.median(lines.values()) < MEDIAN_LINES


def test_every_module_has_the_test_of_its_name() -> None:
    missing = []
    for module in modules(ROOT):
        parts = module.split(".")
        if len(parts) < 2 or parts[-1] in (*ROOMS, "cli", "serve", "evaluation", "__main__"):
            continue
        folder = parts[1] if len(parts) == 3 else "videochat"
        if not (ROOT / "tests" / folder / f"test_{parts[-1]}.py").is_file():
            missing.append(f"tests/{folder}/test_{parts[-1]}.py")
    assert missing == []


def test_links_and_package_agree() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert setuptools["packages"]["find"]["include"] == ["videochat", "videochat.*"]
    for name in ROOMS:
        assert (ROOT / name / "__init__.py").exists()
        assert (ROOT / "videochat" / name).readlink() == Path("..") / name
        assert not any(p.is_dir() and p.name != "__pycache__" for p in (ROOT / name).iterdir()), "rooms stay flat"


def test_public_names_are_there_and_documented() -> None:
    for name in videochat.__all__:
        assert getattr(videochat, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'Vidoe'"):
        _ = videochat.Vidoe  # type: ignore[attr-defined]  # the refusal is what is tested


def test_the_front_door_is_light() -> None:
    code = (
        "import sys; import videochat;"
        "print([m for m in ('torch', 'chromadb', 'numpy', 'av', 'langchain_core') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
