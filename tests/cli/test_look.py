"""`videochat embed ask`, `chat` and `describe`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.fakes.tiny_embed import talking_model
from videochat.cli import main
from videochat.media import Video
from videochat.tools.clip_models import CLIP_MODELS, VideoModel


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "toy"
    talking_model().save_pretrained(folder)
    return folder


def test_ask(toy: Path, clip: Video, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["embed", "ask", str(clip.path), "What is it?", "--model", str(toy), "--frames", "4"]
    assert main([*asked, "--start", "2", "--end", "0:06"]) == 0
    out, err = capsys.readouterr()
    model = VideoModel(str(toy), frames=4)
    assert out == CLIP_MODELS.ask(model, clip, "What is it?", (2.0, 6.0)).text + "\n"
    assert "a claim of toy" in err
    assert main([*asked, "--window", "5", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [(c["start_seconds"], c["end_seconds"]) for c in data["claims"]] == [(0, 4), (4, 8), (8, 12)]
    assert data["usage"]["total_tokens"] > 0


def test_chat_remembers(
    toy: Path, clip: Video, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDEOCHAT_VIDEO_MODEL", f"{toy},frames=4")
    monkeypatch.setattr("sys.stdin", io.StringIO("What is it?\nWhy?\n"))
    assert main(["embed", "chat", str(clip.path)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    model, span = VideoModel(str(toy), frames=4), (0.0, clip.duration_seconds)
    assert first == CLIP_MODELS.ask(model, clip, "What is it?", span).text
    assert second == CLIP_MODELS.ask(model, clip, "Why?", span, turns=[("What is it?", first)]).text


def test_describe_asks_as_the_paper_does(
    toy: Path, clip: Video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", "describe", str(clip.path), "--model", str(toy), "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert claim["attributes"]["question"].startswith("Describe the following video in detail")
    Image.new("RGB", (9, 9)).save(tmp_path / "dot.png")
    assert main(["embed", "describe", str(tmp_path / "dot.png"), "--model", str(toy), "--brief", "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert claim["attributes"]["question"] == "Describe the following image concisely."


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "Name a video model: --model DIR"),
        (["--model", "/no/such"], "The video model needs the model /no/such"),
    ],
)
def test_what_is_missing_is_one_sentence(
    clip: Video, more: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["embed", "ask", str(clip.path), "What?", *more]) == 1
    assert says in capsys.readouterr().err
