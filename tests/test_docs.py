"""Documents cannot lie: links lead somewhere, Python parses and names what exists, commands are commands."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from videochat.cli import make_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page that are marked with a language; "" for those without a mark."""
    found: list[str] = []
    mark: str | None = None
    for line in page.read_text().splitlines():
        if not line.startswith("```"):
            if mark == language:
                found[-1] += line + "\n"
        elif mark is None:
            mark = line.removeprefix("```").strip()
            found += [""] if mark == language else []
        else:
            mark = None
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    lost = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:agent|tools|memory|embed_model|videochat|tests|benchmarks|runs|docs)/[\w./]+)`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_parses_and_imports_what_exists(page: Path) -> None:
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("videochat"):
                module = import_module(node.module or "")
                for alias in node.names:
                    assert hasattr(module, alias.name), f"{page.name}: {node.module} has no {alias.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_commands(page: Path) -> None:
    for code in blocks(page, ""):
        for line in code.splitlines():
            if line.startswith("videochat "):
                make_parser().parse_args(shlex.split(line, comments=True)[1:])
            elif line.startswith("accelerate launch "):
                words = shlex.split(line, comments=True)
                make_parser().parse_args(words[words.index("videochat.cli") + 1 :])


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
