"""`videochat watch` of folders, patterns and lists."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.media import Video


@pytest.fixture
def films(clip: Video, silent: Video, tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(clip.path, folder / "a.mp4")
    shutil.copy(silent.path, folder / "b.mp4")
    return folder


def test_a_folder_a_line_each_a_total_and_what_failed(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ["--memory", str(tmp_path / "memory"), "--preset", "shots,visual_facts"]
    assert main(["watch", str(films), *store, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "2 videos, 0 watched before; 00:24 to watch" in said
    assert "Network: nobody is contacted." in said
    assert main(["watch", str(films), str(tmp_path / "none.mp4"), *store]) == 1
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.splitlines()] == ["a.mp4", "b.mp4", "3 videos"]
    assert "2 watched, 1 failed" in out
    assert "There is no file" in err.splitlines()[-1]

    # A list with a thousand wrong lines: the good ones are done, the others named, as far as somebody reads.
    lines = [*(f"{tmp_path}/none{number}.mp4" for number in range(1000)), "", str(films)]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert main(["watch", "-", *store]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["a.mp4: watched before", "b.mp4: watched before"]
    assert "1002 videos: 0 watched, 2 watched before, 1000 failed" in out
    assert err.splitlines()[-1] == "videochat: 900 more could not be watched; --json names all."

    assert main(["watch", f"{films}/*.mp4", *store, "--json"]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["a.mp4", "b.mp4"]
    assert main(["memory", "list", *store[:2]]) == 0
    listed = capsys.readouterr().out
    assert "watched: all by " in listed
    assert f"from: {films / 'a.mp4'}" in listed
    # The folder is asked and searched as a whole, and so is the library.
    assert main(["search", "kitchen", "--video", str(films), *store[:2]]) == 0
    assert main(["search", "kitchen", "--video", str(tmp_path), *store[:2]]) == 0
    assert main(["search", "kitchen", "--video", str(tmp_path / "memory"), *store[:2]]) == 1
    assert "is remembered; run: videochat watch" in capsys.readouterr().err
    (films / "b.mp4").rename(films / "broken.mp4").write_text("no video")
    for named in ([str(films)], ["--library"]):
        assert main(["ask", *named, "How long is a.mp4?", *store, "--json"]) == 0
        out, err = capsys.readouterr()
        assert "left out" in err
        assert json.loads(out)["status"]


def test_an_empty_list_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
    assert main(["watch", "-"]) == 1
    assert "the list is empty" in capsys.readouterr().err
