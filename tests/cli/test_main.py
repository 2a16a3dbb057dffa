"""The command line as a whole: status, errors, help."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from videochat.cli import main, make_parser
from videochat.errors import MediaError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "nothing.mp4", "What?"], "There is no file 'nothing.mp4'"),
        (["ask", "{clip}", " "], "question is empty"),
        (["watch", "{clip}", "--preset", "huge"], "known ones are base, builtin"),
        (["ask", "{clip}", "What?", "--llm", "nobody:x"], "There is no LLM 'nobody:x'"),
        (["watch", "{clip}", "--start", "30"], "lasts 20.00 s"),
        (["timeline", "{clip}", "--output", "no/such/folder.png"], "cannot be written"),
        (["watch", "{clip}", "--memory", "{clip}/below"], "A part of its path is a file"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_status_1(
    demo_clip: Path, demo_memory: str, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.replace("{clip}", str(demo_clip)) for argument in arguments]
    if "--memory" not in given:
        given += ["--memory", demo_memory]
    assert main(given) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["ask"],
        ["ask", "a.mp4"],
        ["fly"],
        ["watch", "a.mp4", "--start", "soon"],
        ["embed"],
        ["captions", "a.mp4", "--kind", "smell"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2


@pytest.mark.parametrize(
    "line",
    [
        "--debug watch nothing.mp4",
        "watch nothing.mp4 --debug",
        "mcp nothing.mp4 --debug",
        "instruct nothing.mp4 --llm extractive --out x.jsonl --debug",
    ],
)
def test_debug_shows_the_trace(line: str) -> None:
    with pytest.raises(MediaError):
        main(line.split())


def test_every_command_takes_debug_and_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        *[
            "ask",
            "chat",
            "watch",
            "captions",
            "timeline",
            "mcp",
            "demo",
            "search",
            "instruct",
            "presets",
            "download",
            "doctor",
            "play",
            "cut",
            "highlights",
            "export",
            "completion",
        ],
        *(f"memory {name}" for name in ("list", "verify", "rebuild", "forget", "export", "import")),
        *(f"embed {name}" for name in ("convert", "train")),
    ]
    for line in lines:
        with pytest.raises(SystemExit) as stop:
            make_parser().parse_args([*line.split(), "--debug", "--help"])
        assert stop.value.code == 0
        assert f"usage: videochat {line}" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from videochat.cli import make_parser; make_parser();"
        "print([m for m in ('torch', 'chromadb', 'numpy', 'av', 'langchain_core', 'rich') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "[]\n"


def test_it_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "videochat.cli", "--version"], check=True, capture_output=True, text=True
    )
    assert run.stdout.startswith("videochat ")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cptions x.mp4", "there is no command 'cptions'; the known ones are ask, chat"),
        ("cptions x.mp4", "Did you mean 'captions'?"),
        ("memory lst", "Did you mean 'list'?"),
        (
            "export x.mp4 --format srtt",
            "there is no choice 'srtt'; the known ones are srt, vtt, csv, md, json,",
        ),
        ("captions x.mp4 --kind speach", "Did you mean 'speech'?"),
        ("captions x.mp4 --kind builtin", "'builtin' is a preset, a line-up of senses"),
        ("cut x.mp4 0:47-0:42 -o y.mp4", "ends before it begins"),
    ],
)
def test_what_was_meant_is_said(line: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line.split())
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_the_help_names_every_environment_variable_that_is_read() -> None:
    root = Path(__file__).parents[2]
    sources = [path for room in ("videochat", "agent", "memory", "tools") for path in root.joinpath(room).glob("*.py")]
    read = {name for path in sources for name in re.findall(r"\bVIDEOCHAT_[A-Z_]+", path.read_text())}
    listed = make_parser().format_help()
    assert {name for name in read if name not in listed} == set()


def test_senses_are_named_in_place_of_a_preset() -> None:
    parse = make_parser().parse_args
    assert parse(["watch", "x.mp4", "--preset", "speech,ocr"]).preset == ["speech", "ocr"]
    assert parse(["watch", "x.mp4", "--preset", "ocr"]).preset == ["ocr"]
    assert parse(["watch", "x.mp4", "--preset", "builtin"]).preset == "builtin"


def test_errors_of_usage_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["ask", "\x1b[2J.mp4", "What?"], ["captions", "a.mp4", "--kind", "\x1b]0;owned\x07"]):
        with contextlib.suppress(SystemExit):
            main(arguments)
        printed = capsys.readouterr()
        assert "\x1b" not in printed.err + printed.out
        assert printed.err


@pytest.mark.parametrize("encoding", ["ascii", "cp1251"])
def test_a_terminal_of_any_encoding_shows_what_it_can(demo_clip: Path, tmp_path: Path, encoding: str) -> None:
    film = tmp_path / "牛奶.mp4"
    film.write_bytes(demo_clip.read_bytes())
    film.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nmilk 牛奶 \U0001f600\n", encoding="utf-8")
    told = []
    for command in (["watch", str(film), "--json"], ["captions", str(film), "--kind", "speech", "--json"]):
        given = [sys.executable, "-m", "videochat.cli", *command, "--memory", str(tmp_path / "m")]
        given += ["--preset", "subtitles"] if command[0] == "watch" else []
        environment = os.environ | {"PYTHONIOENCODING": encoding, "HF_HUB_OFFLINE": "1"}
        run = subprocess.run(given, capture_output=True, env=environment, check=True)
        told.append(json.loads(run.stdout.decode(encoding)))
    assert "milk 牛奶 \U0001f600" in json.dumps(told[1], ensure_ascii=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is played by a device that Linux has")
def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "videochat.cli", "completion", "bash"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
