"""The demo clip, and a store for the commands."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_clip(tea: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(tea, tmp_path_factory.mktemp("clip") / "tea.mp4"))


@pytest.fixture(scope="session")
def demo_memory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("memory"))
