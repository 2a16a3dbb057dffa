"""Models side by side: every cell is an answer or a reason, and the page shows what each one saw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fakes.tiny_embed import talking_model
from videochat.comparison import Comparison, compare
from videochat.contenders import Contender
from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM
from videochat.tools.clip_models import CLIP_MODELS, needed_bytes

QUESTION = "When is the milk poured?"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("models") / f"toy{seed}" for seed in (1, 2)]
    for folder in folders:
        talking_model().save_pretrained(folder)
    return folders


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "wall.png"
    Image.fromarray(np.full((48, 80, 3), (30, 90, 200), np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def found(toys: list[Path], picture: Path, tea: Path, tea_memory: CaptionStore) -> Comparison:
    told: list[tuple[int, int]] = []
    scripted = ScriptedLLM(*["The milk is poured slowly [1]."] * 4, profile={"tool_calling": False}, name="scripted")
    models: list[Contender | str] = [
        Contender(scripted, "scripted"),
        f"embed:{toys[0]},frames=4",
        f"video:{toys[1]}",
        Contender(ScriptedLLM("At noon, I guess.", "At noon, I guess."), "guesser", way="blind"),
        "embed:/no/such/folder",
        Contender(ScriptedLLM(RuntimeError("the server is down"), RuntimeError("down")), "broken"),
    ]
    result = compare(
        [tea, picture], QUESTION, models, memory=tea_memory, preset="builtin", on_cell=lambda *now: told.append(now)
    )
    assert told == [(number, 12) for number in range(1, 13)]
    return result


def test_every_model_has_a_cell_for_every_question(found: Comparison, toys: list[Path]) -> None:
    rows = found.rows()
    assert [row[0].video for row in rows] == ["tea.mp4", "wall.png"]
    names = [
        "scripted",
        f"embed:{toys[0].name},frames=4",
        f"video:{toys[1].name}",
        "blind:guesser",
        "embed:/no/such/folder",
    ]
    assert [[cell.model for cell in row] for row in rows] == [[*names, "broken"]] * 2
    of_tea = {cell.model: cell for cell in rows[0]}
    assert of_tea["scripted"].answer is not None
    assert of_tea["scripted"].answer.citations
    assert of_tea["blind:guesser"].answer is not None
    assert of_tea["blind:guesser"].answer.notes == ["It was asked the question alone."]
    assert of_tea["embed:/no/such/folder"].problem.startswith("The video model needs the model /no/such/folder")
    assert "the server is down" in of_tea["broken"].problem
    assert of_tea["broken"].holds == "failed"


def test_video_models_are_shown_with_what_they_saw_and_take(found: Comparison, toys: list[Path]) -> None:
    (_, clip, other, *_), (_, wall, *_) = found.rows()
    assert len(clip.frames) == 4
    assert len(other.frames) == 8
    assert len(wall.frames) == 1
    assert clip.memory_bytes == needed_bytes(toys[0])
    assert clip.holds == "no caption bears it out"
    assert clip.answer is not None
    assert clip.answer.usage.output_tokens


def test_the_table_and_the_json_hold_all_of_it(found: Comparison) -> None:
    text = str(found)
    assert f"tea.mp4: {QUESTION}" in text
    assert "At noon, I guess." in text
    totals = {row["model"]: row for row in found.totals()}
    assert totals["scripted"]["answers"] == "2 of 2"
    assert totals["broken"] == totals["broken"] | {"answers": "0 of 2", "seconds": "", "memory": ""}
    assert len(json.loads(json.dumps(found.as_dict()))["cells"]) == 12


def test_the_page_needs_nothing_else_and_runs_nothing(found: Comparison) -> None:
    page = found.html()
    assert page.count('class="model"') == 12
    assert page.count("<figure>") == 4 + 8 + 1 + 1
    assert "<script" not in page
    assert "http" not in page.replace('http-equiv="', "")
    assert "the server is down" in page


def test_what_a_model_says_cannot_steer_the_page(picture: Path, tmp_path: Path) -> None:
    evil = ScriptedLLM("<script>alert(1)</script>")
    page = compare(picture, "What <b>is</b> it?", [Contender(evil, "<i>evil", way="blind")], memory=tmp_path).html()
    assert "<script" not in page
    assert "<i>evil" not in page
    assert "What <b>is" not in page


def test_two_models_that_do_not_fit_together_take_turns(toys: list[Path], picture: Path, tmp_path: Path) -> None:
    for toy in toys:
        CLIP_MODELS.free(str(toy))
    room = 1.5 * needed_bytes(toys[0]) / 1e9
    models = [f"embed:{toy},memory_gb={room:.9f}" for toy in toys]
    cells = compare(picture, ["What is there?", "When is the milk poured?"], models, memory=tmp_path).cells
    assert [cell.problem for cell in cells] == [""] * 4
    (cell,) = compare(picture, "What?", [f"embed:{toys[0]},memory_gb=0.000001"], memory=tmp_path).cells
    assert "but the budget is" in cell.problem or cell.answer is not None


@pytest.mark.parametrize("given", [([], "What?", ["extractive"]), (None, [], ["extractive"]), (None, "What?", [])])
def test_nothing_to_compare(picture: Path, given: tuple) -> None:
    with pytest.raises(InvalidArgument, match="needs a video, a question and a model"):
        compare(picture if given[0] is None else given[0], *given[1:])


def test_two_folders_of_one_name_keep_their_paths(picture: Path, tmp_path: Path) -> None:
    for folder in ("a/tuned", "b/tuned"):
        (tmp_path / folder).mkdir(parents=True)
    models = [f"embed:{tmp_path}/a/tuned", f"embed:{tmp_path}/b/tuned,bits=8", f"embed:{tmp_path}/b/tuned"]
    cells = compare(picture, "What?", models, memory=tmp_path, preset=["visual_facts"]).cells
    assert [cell.model for cell in cells] == [models[0], "embed:tuned,bits=8", models[2]]


def test_a_model_that_comes_twice_has_two_names(picture: Path, tmp_path: Path) -> None:
    cells = compare(picture, "What?", ["extractive", "extractive"], memory=tmp_path, preset=["visual_facts"]).cells
    assert [cell.model for cell in cells] == ["extractive", "extractive (2)"]
