"""The demo clip, and a store for the commands."""

from pathlib import Path

import pytest

from videochat.demo import draw_demo


@pytest.fixture(scope="package")
def demo_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_demo(tmp_path_factory.mktemp("clip") / "tea.mp4")


@pytest.fixture(scope="package")
def demo_memory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("memory"))
