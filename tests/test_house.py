"""The house keeps its shape: rooms import downward only, the wheel holds every room, the front door is light."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import videochat

ROOT = Path(__file__).parents[1]
ROOMS = ("agent", "tools", "memory", "embed_model")
GROUND = {
    "renamed": 0,
    "errors": 1,
    "intervals": 2,
    "records": 3,
    "home": 3,
    "frames": 3,
    "download": 3,
    "hub": 3,
    "devices": 4,
    "ffmpeg": 4,
    "media": 5,
}
# testing draws videos and fakes models; it stands on the rooms it serves, below the agent.
LEVELS = GROUND | {"memory": 6, "tools": 6, "embed_model": 6, "testing": 7, "agent": 8}
FRONT_DOOR = 9


def level(module: str) -> int:
    parts = module.split(".")
    return LEVELS.get(parts[1], FRONT_DOOR) if len(parts) > 1 else FRONT_DOOR


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def modules(root: Path) -> dict[str, Path]:
    found = {f"videochat.{p.stem}": p for p in (root / "videochat").glob("*.py") if p.stem != "__init__"}
    for name in ROOMS:
        found |= {f"videochat.{name}.{p.stem}": p for p in (root / name).glob("*.py")}
    return found


def wrong_imports(root: Path) -> list[str]:
    """Return the imports that go upward, or from one room into its neighbour."""
    wrong = []
    for module, path in modules(root).items():
        tree = ast.parse(path.read_text())
        inside_functions = {
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                wrong.append(f"{module} imports relatively")
                continue
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                if not name.startswith("videochat") or room(name) == room(module):
                    continue
                if module == "videochat.tools.watch_clip" and room(name) == "embed_model" and node in inside_functions:
                    continue
                lower, upper = level(name), level(module)
                if lower > upper or (lower == upper == LEVELS["memory"]):
                    wrong.append(f"{module} imports {name}")
    return wrong


def test_imports_point_downward() -> None:
    assert wrong_imports(ROOT) == []


@pytest.mark.parametrize(
    ("planted_in", "line"),
    [
        ("memory/video_captions.py", "from videochat.agent import VideoAgent"),
        ("tools/ocr.py", "def f():\n    import videochat.agent.watch"),
        ("memory/words.py", "from videochat.tools import make_tools"),
        ("videochat/records.py", "from videochat.media import Video"),
    ],
)
def test_a_planted_upward_import_is_found(tmp_path: Path, planted_in: str, line: str) -> None:
    for folder in ("videochat", *ROOMS):
        (tmp_path / folder).mkdir()
        for path in (ROOT / folder).glob("*.py"):
            (tmp_path / folder / path.name).write_text(path.read_text())
    assert wrong_imports(tmp_path) == []
    victim = tmp_path / planted_in
    victim.write_text(victim.read_text() + f"\n{line}\n")
    assert len(wrong_imports(tmp_path)) == 1


def test_packages_mapping_links_and_disk_agree() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(setuptools["packages"]) == {"videochat", *(f"videochat.{name}" for name in ROOMS)}
    assert setuptools["package-dir"] == {f"videochat.{name}": name for name in ROOMS}
    for name in ROOMS:
        assert (ROOT / name / "__init__.py").exists()
        assert (ROOT / "videochat" / name).readlink() == Path("..") / name
        assert not any(p.is_dir() and p.name != "__pycache__" for p in (ROOT / name).iterdir()), "rooms stay flat"


def test_public_names_are_there_and_documented() -> None:
    for name in videochat.__all__:
        assert getattr(videochat, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'Vidoe'"):
        _ = videochat.Vidoe


def test_the_front_door_is_light() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import videochat; t = time.perf_counter() - t;"
        "print(t); print([m for m in ('torch', 'chromadb', 'numpy', 'av', 'langchain_core') if m in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(run.stdout.split()[0]) for run in runs) < 0.2
    assert runs[0].stdout.splitlines()[1] == "[]"
