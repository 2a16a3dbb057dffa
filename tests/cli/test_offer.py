"""The offer of models that see: once, to a person, and never to a program."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import pytest

from videochat.cli.offer import offer_models
from videochat.errors import MissingDependency
from videochat.home import home
from videochat.hub import Weights
from videochat.tools import PRESETS


class Terminal(io.StringIO):
    """What a person types into."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with a terminal and a network; gives what is fetched."""
    found: list[str] = []

    def find_weights(weights: Weights, *, needed_by: str, allow_download: bool) -> Path:
        assert allow_download
        found.append(weights.model)
        return Path()

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: False)
    monkeypatch.setattr("videochat.hub.find_weights", find_weights)
    monkeypatch.setattr("sys.stderr", Terminal())
    return found


def offer(monkeypatch: pytest.MonkeyPatch, typed: str, **options: Any) -> str:
    """Offer to a person who types something; return what is said."""
    said = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stderr", said)
    offer_models(argparse.Namespace(**({"preset": None, "describe": None, "json": False} | options)))
    return said.getvalue()


def test_it_is_offered_once_with_its_size(fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = PRESETS["small"].weights()
    said = offer(monkeypatch, "\n")
    assert f"{sum(weights.download_mb or 0 for weights in wanted) / 1000:.1f} GB" in said
    assert "videochat download small" in said
    assert fetched == []
    assert json.loads((home() / "offers.json").read_text()) == {"small": "declined"}
    assert offer(monkeypatch, "y\n") == ""
    assert fetched == []


@pytest.mark.parametrize("typed", ["y\n", "Yes\n"])
def test_who_accepts_gets_them_all(typed: str, fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, typed)
    assert fetched == [weights.model for weights in PRESETS["small"].weights()]
    assert offer(monkeypatch, typed) == ""


def test_a_download_that_fails_does_not_end_the_watch(fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def find_weights(*given: Any, **options: Any) -> Path:
        raise MissingDependency("The hub cannot be reached.")

    monkeypatch.setattr("videochat.hub.find_weights", find_weights)
    assert "The hub cannot be reached. Until then it is watched without" in offer(monkeypatch, "y\n")


@pytest.mark.parametrize("options", [{"json": True}, {"preset": "builtin"}, {"describe": "openai:any"}])
def test_who_said_what_they_want_is_not_asked(
    options: dict[str, Any], fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offer(monkeypatch, "y\n", **options) == ""
    assert not (home() / "offers.json").exists()
    assert offer(monkeypatch, "\n"), "it may still be asked another time"


def test_programs_are_not_asked(fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert offer(monkeypatch, "y\n") == ""
    monkeypatch.delenv("CI")
    with monkeypatch.context() as patched:
        patched.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
        assert offer(monkeypatch, "y\n") == ""
    with monkeypatch.context() as patched:
        patched.setattr("videochat.tools.best_present", lambda: "small")
        assert offer(monkeypatch, "y\n") == ""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    offer_models(argparse.Namespace(preset=None, describe=None, json=False))
    assert fetched == []
    assert not (home() / "offers.json").exists()
