"""`videochat search` and `videochat memory ...`."""

import json
from pathlib import Path

import pytest

from videochat.cli import main


@pytest.fixture
def store(demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["watch", str(demo_clip), "--memory", demo_memory]) == 0
    capsys.readouterr()
    return demo_memory


def test_search_finds_the_moment(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "milk is poured", "--kind", "speech", "--memory", store]) == 0
    assert capsys.readouterr().out.splitlines()[0] == (
        "tea.mp4 [00:14-00:18] speech: Now the milk is poured, slowly and last."
    )


def test_list_and_verify(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "list", "--memory", store, "--json"]) == 0
    (video,) = json.loads(capsys.readouterr().out)
    assert video["name"] == "tea.mp4"
    assert main(["memory", "verify", "--memory", store]) == 0
    assert capsys.readouterr().out.startswith("1 videos, ")


def test_what_was_exported_is_imported_elsewhere(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = str(tmp_path / "captions.jsonl"), str(tmp_path / "other")
    assert main(["memory", "export", file, "--memory", store]) == 0
    assert main(["memory", "import", file, "--memory", other]) == 0
    assert "new captions" in capsys.readouterr().err
    assert main(["memory", "forget", "tea.mp4", "--memory", other]) == 0
    capsys.readouterr()
    assert main(["memory", "list", "--memory", other]) == 0
    assert "Nothing is remembered" in capsys.readouterr().out


def test_rebuild_needs_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "rebuild", "--memory", str(tmp_path / "none")]) == 1
    assert "There is no store" in capsys.readouterr().err


def test_memory_alone_prints_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory"]) == 2
    assert "rebuild" in capsys.readouterr().out
