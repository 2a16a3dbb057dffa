"""The command line, as a shell sees it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.demo import draw_demo


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_demo(tmp_path_factory.mktemp("clip") / "tea.mp4")


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("memory"))


def test_ask_prints_one_object_for_programs(clip: Path, memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(clip), "When is the milk poured?", "--memory", memory, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "grounded"
    best = answer["citations"][0]
    assert (best["start_seconds"], best["end_seconds"], best["kind"]) == (14.5, 17.5, "speech")
    assert "milk" in best["text"]


def test_ask_prints_the_answer_for_people(clip: Path, memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(clip), "When does the cat jump?", "--memory", memory]) == 0
    assert "does not show" in capsys.readouterr().out


def test_watch_captions_timeline(clip: Path, memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["watch", str(clip), "--memory", memory])
    capsys.readouterr()
    assert main(["watch", str(clip), "--memory", memory, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["already_watched"] is True
    assert main(["captions", str(clip), "--memory", memory, "--kind", "speech", "--start", "0:09", "--end", "13"]) == 0
    assert capsys.readouterr().out.splitlines() == ["[00:09-00:13] speech: The leaves steep for exactly three minutes."]
    assert main(["timeline", str(clip), "--memory", memory]) == 0
    assert capsys.readouterr().out.startswith("tags    ███")
    picture = tmp_path / "timeline.png"
    assert main(["timeline", str(clip), "--memory", memory, "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_chat_remembers_and_survives_a_bad_turn(
    clip: Path, memory: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["When is the milk poured?", "What is said at 10 seconds?"])

    def read() -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    assert main(["chat", str(clip), "--memory", memory]) == 0
    printed = capsys.readouterr().out
    assert "[00:14-00:18]" in printed
    assert "[00:09-00:13]" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "nothing.mp4", "What?"], "There is no file 'nothing.mp4'"),
        (["ask", "{clip}", " "], "question is empty"),
        (["watch", "{clip}", "--preset", "huge"], "known ones are base, builtin"),
        (["captions", "{clip}", "--kind", "smell"], "known ones are action"),
        (["ask", "{clip}", "What?", "--llm", "nobody:x"], "There is no LLM 'nobody:x'"),
        (["watch", "{clip}", "--start", "30"], "lasts 20.00 s"),
        (["timeline", "{clip}", "--output", "no/such/folder.png"], "cannot be written"),
        (["watch", "{clip}", "--memory", "{clip}/below"], "cannot be written"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_status_1(
    clip: Path, memory: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("{clip}", str(clip)) for argument in arguments]
    if "--memory" not in given:
        given += ["--memory", memory]
    assert main(given) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize("arguments", [[], ["ask"], ["ask", "a.mp4"], ["fly"], ["watch", "a.mp4", "--start", "soon"]])
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--llm", "no/where", "--new-layers", "--vit", "a", "--qformer", "b"], 1, "needs the model no/where"),
        (["--llm", "x"], 2, "either the file `videochat` or new_layers=True"),
        (["--llm", "x", "--new-layers"], 2, "either `blip2` or both"),
    ],
)
def test_embed_convert_says_what_is_missing(
    tmp_path: Path, arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", "convert", str(tmp_path / "out"), *arguments]) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_trace() -> None:
    from videochat.errors import MediaError

    for arguments in (["--debug", "watch", "nothing.mp4"], ["watch", "nothing.mp4", "--debug"]):
        with pytest.raises(MediaError):
            main(arguments)


def test_presets_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    assert "builtin: needs no downloads" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    assert {"ffmpeg", "memory", "language model"} <= {part["part"] for part in json.loads(capsys.readouterr().out)}


def test_download_needs_a_preset_that_is_one_and_says_what_cannot_be_had(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "builtin"]) == 0
    assert "needs no downloads" in capsys.readouterr().err
    assert main(["download", "huge"]) == 1
    assert "known ones are base, builtin" in capsys.readouterr().err
    assert main(["download", "small"]) == 1
    assert "cannot be" in (said := capsys.readouterr().err) or "HF_HUB_OFFLINE" in said


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "videochat.cli", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.5
