"""`videochat play`, `cut` and `highlights`."""

import json
import stat
import sys
import webbrowser
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.media import Video


def test_cut_writes_the_range_that_an_answer_cites(
    demo_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "milk.mp4"
    assert main(["cut", str(demo_clip), "[00:14-00:16]", "-o", str(out)]) == 0
    assert f"Wrote {out}: 00:14.000-00:16.000 (2." in capsys.readouterr().out
    assert abs(Video(out).duration_seconds - 2) < 0.1
    with pytest.raises(SystemExit):
        main(["cut", str(demo_clip), "0:16-0:14", "-o", str(out)])
    assert "ends before it begins" in capsys.readouterr().err


def test_play_runs_a_player_at_the_second(
    demo_clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    player = tmp_path / "mpv"
    player.write_text('#!/bin/sh\necho "$@"\n')
    player.chmod(player.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert main(["play", str(demo_clip), "0:14-0:17"]) == 0
    assert f"--start=14.000 --end=17.000 -- {demo_clip.resolve()}" in capfd.readouterr().out
    assert main(["play", str(demo_clip), "5:00"]) == 1
    assert "lasts 20.00 s" in capfd.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_without_a_player_and_a_server_the_browser_plays_the_file(
    there: bool, demo_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "videochat.serve.app", None)  # as where the extra `serve` is not installed
    opened: list[str] = []

    class Browser:
        def open(self, address: str) -> bool:
            opened.append(address)
            return there

    monkeypatch.setattr(webbrowser, "get", Browser)
    assert main(["play", str(demo_clip), "0:14"]) == (0 if there else 1)
    assert opened[0].endswith("tea.mp4#t=14.000")
    said = capsys.readouterr().err
    assert said.startswith(
        "Opened file://" if there else "videochat: No player was found to show 'tea.mp4' at second 14"
    )


def test_highlights_are_listed_and_written(
    demo_clip: Path, demo_memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [str(demo_clip), "--memory", demo_memory]
    assert main(["highlights", *where, "--most", "2", "--json"]) == 0
    moments = json.loads(capsys.readouterr().out)
    assert 0 < len(moments) <= 2
    out = tmp_path / "best.mp4"
    assert main(["highlights", *where, "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("[00:")
    assert str(out) in printed.err
    assert Video(out).duration_seconds >= 2.9
