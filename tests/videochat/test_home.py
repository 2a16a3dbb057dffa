"""Where captions and downloads live."""

from pathlib import Path

import pytest

from videochat.home import home


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOCHAT_HOME", "~/elsewhere")
    assert home() == Path.home() / "elsewhere"


def test_else_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOCHAT_HOME")
    assert home().name == "videochat"
    assert home().is_absolute()
