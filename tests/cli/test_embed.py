"""`videochat embed ...` and `videochat instruct`."""

from pathlib import Path

import pytest

from videochat.cli import main


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (
            ["--llm", "no/where", "--new-layers", "--vit", "a", "--qformer", "b"],
            1,
            "The conversion needs the model no/where",
        ),
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


def test_a_recipe_that_is_none_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["alignment", "--model", "m", "--data", "d.json", "--out", str(tmp_path / "out"), "--epochs", "0"]
    assert main(["embed", "train", *arguments]) == 2
    assert "epochs" in capsys.readouterr().err


def test_instruct_needs_a_model_that_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instruct", "a.mp4", "--llm", "nobody:x", "--out", str(tmp_path / "chats.jsonl")]) == 1
    assert "There is no LLM 'nobody:x'" in capsys.readouterr().err
