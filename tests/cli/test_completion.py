"""Shells complete what the parser knows; bash, zsh and fish are asked where they are installed."""

import shutil
import subprocess

import pytest

from videochat.cli import main, make_parser
from videochat.cli.completion import SHELLS, script

CASES = [
    (["ca"], {"captions"}),
    (["memory", "re"], {"rebuild"}),
    (["export", "x.mp4", "--for"], {"--format"}),
    (["export", "x.mp4", "--format", "s"], {"srt"}),
    (["export", "x.mp4", "--format", ""], {"srt", "vtt", "csv", "md", "json", "chapters"}),
    (["completion", "f"], {"fish"}),
    (["ask", "x.mp4", "--no-ver"], {"--no-verify"}),
]


def test_scripts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in SHELLS:
        assert main(["completion", shell]) == 0
        printed = capsys.readouterr().out
        assert printed == script(make_parser(), shell)
        assert "videochat" in printed
    with pytest.raises(SystemExit):
        main(["completion", "fsh"])
    assert "Did you mean 'fish'?" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    given = " ".join(f"'{word}'" for word in ["videochat", *words])
    code = f"{script(make_parser(), 'bash')}\nCOMP_WORDS=({given}); COMP_CWORD={len(words)}; _videochat\n"
    run = subprocess.run(
        ["bash", "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert set(run.stdout.split()) == expected
    assert run.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(("words", "expected"), CASES)
def test_fish_completes(words: list[str], expected: set[str]) -> None:
    line = " ".join(["videochat", *words])
    code = f"{script(make_parser(), 'fish')}\ncomplete -C '{line}'"
    run = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=True)
    assert expected <= {row.split("\t")[0] for row in run.stdout.splitlines()}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script() -> None:
    code = f"autoload -U compinit && compinit -u -D\n{script(make_parser(), 'zsh')}\nwhence -w _videochat"
    run = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "_videochat: function\n"
