"""`videochat search` and `videochat memory ...`."""

import json
from pathlib import Path

import pytest

from tests.fakes.stored_captions import fill
from videochat.cli import main
from videochat.memory import CaptionStore


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


def test_the_command_line_looks_after_the_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        fill(store)
    where = ["--memory", str(store.path)]
    assert main(["search", "roses", "--library", *where]) == 0
    assert capsys.readouterr().out.startswith("garden.mp4 [00:00-00:05] speech: Water the roses")
    assert main(["search", "milk", "--video", "kitchen.mp4", "-k", "1", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)[0]["video"] == "kitchen.mp4"
    assert main(["memory", "list", "--json", *where]) == 0
    assert [video["name"] for video in json.loads(capsys.readouterr().out)] == ["garden.mp4", "kitchen.mp4"]
    assert main(["memory", "export", str(tmp_path / "all.jsonl"), *where]) == 0
    assert main(["memory", "forget", "garden.mp4", *where]) == 0
    assert main(["memory", "import", str(tmp_path / "all.jsonl"), *where]) == 0
    assert "Took in 2 new captions" in capsys.readouterr().err
    assert main(["memory", "rebuild", *where]) == 0
    assert main(["memory", "verify", *where]) == 0
    assert capsys.readouterr().out.endswith("2 videos, 9 captions: whole.\n")
    assert main(["memory", "forget", "nothing.mp4", *where]) == 1
    assert "There is no video 'nothing.mp4'" in capsys.readouterr().err
    assert main(["memory", "rebuild", "--memory", str(tmp_path / "nowhere")]) == 1
    assert "There is no store at" in capsys.readouterr().err


def test_what_nothing_is_like_finds_nothing(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    for query in ("zzzz", "qxvw bnrtk"):
        assert main(["search", query, "--memory", store, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == []
    assert main(["search", "milk", "--memory", store, "--json"]) == 0
    assert all(hit["kind"] != "measure" for hit in json.loads(capsys.readouterr().out))
