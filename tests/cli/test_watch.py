"""`videochat watch`, `captions` and `timeline`."""

import json
from pathlib import Path

import pytest

from videochat.cli import main


def test_watch_captions_timeline(
    demo_clip: Path, demo_memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["watch", str(demo_clip), "--memory", demo_memory])
    capsys.readouterr()
    assert main(["watch", str(demo_clip), "--memory", demo_memory, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["already_watched"] is True
    assert (
        main(
            ["captions", str(demo_clip), "--memory", demo_memory, "--kind", "speech", "--start", "0:09", "--end", "13"]
        )
        == 0
    )
    assert capsys.readouterr().out.splitlines() == ["[00:09-00:13] speech: The leaves steep for exactly three minutes."]
    assert main(["timeline", str(demo_clip), "--memory", demo_memory]) == 0
    lanes = capsys.readouterr().out.splitlines()
    assert [lane.split()[0] for lane in lanes] == ["speech", "ocr", "shot", "measure", "00:00"]
    assert lanes[3] == "measure  " + "█" * 71
    picture = tmp_path / "timeline.png"
    assert main(["timeline", str(demo_clip), "--memory", demo_memory, "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_sense_stands_for_the_kind_it_writes(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["watch", str(demo_clip), "--memory", demo_memory])
    capsys.readouterr()
    assert main(["captions", str(demo_clip), "--memory", demo_memory, "--kind", "shots", "--json"]) == 0
    assert {caption["kind"] for caption in json.loads(capsys.readouterr().out)} == {"shot"}


def test_what_a_description_would_take_is_said_and_nothing_is_asked(
    demo_clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe = ["--describe", "openai:any", "--price-in", "400", "--price-out", "1600", "--forecast"]
    # No key and no server: whoever asked would fail.
    assert main(["watch", str(demo_clip), "--memory", str(tmp_path), *describe]) == 0
    said = capsys.readouterr().err
    assert "openai:any is asked 2 to 4 times" in said
    assert "about $" in said
    assert "Nothing was watched." in said
    assert main(["captions", str(demo_clip), "--memory", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["watch", str(demo_clip), "--memory", str(tmp_path), "--describe", "no-model"]) == 1
    assert "such as openai:no-model" in capsys.readouterr().err
