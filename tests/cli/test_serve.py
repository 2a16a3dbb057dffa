"""`videochat serve`: what is wrong is said before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from videochat.cli import main


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "There is nothing to serve"),
        (["x.mp4", "--port", "70000"], "--port must be from 0 to 65535"),
        (["x.mp4", "--token", "schlüssel"], "--token must be of ASCII"),
    ],
)
def test_wrong_options_are_said(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_the_help_names_what_there_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    assert "--library" in capsys.readouterr().out
