"""`videochat compare` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from videochat.cli import main


def test_models_side_by_side(tea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", str(tea), "When is the milk poured?", "--with", "extractive", "--with", "embed:/no/such"]
    asked += ["--memory", str(tmp_path / "memory"), "--preset", "subtitles"]
    assert main([*asked, "--html", str(tmp_path / "page.html")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tea.mp4: When is the milk poured?")
    assert "captions bear it out" in out
    assert "The video model needs the model /no/such" in out
    assert f"Wrote {tmp_path / 'page.html'}" in err
    assert "milk" in (tmp_path / "page.html").read_text()
    assert main([*asked, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["cells"]) == 2


def test_a_page_that_cannot_be_written(tea: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", str(tea), "What?", "--with", "blind:extractive", "--memory", str(tmp_path / "memory")]
    assert main([*asked, "--html", str(tmp_path / "no" / "page.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err
