"""Each official format in miniature, and what is wrong with files that people have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.benchmark_files import MINIATURES, write_csv, write_json, write_lines
from videochat.errors import InvalidArgument
from videochat.evaluation.benchmarks import BENCHMARKS
from videochat.evaluation.items import Item, Reading


def reading(name: str, folder: Path, chosen: Path | None = None) -> Reading:
    return BENCHMARKS[name].read(MINIATURES[name](folder), chosen)


@pytest.mark.parametrize(("name", "count"), [("video-mme", 6), ("egoschema", 3), ("next-qa", 6), ("mlvu", 4)])
def test_every_question_is_read(name: str, count: int, tmp_path: Path) -> None:
    found = reading(name, tmp_path)
    assert (len(found.items), list(found.problems)) == (count, [])


def test_every_benchmark_has_a_miniature() -> None:
    assert MINIATURES.keys() == BENCHMARKS.keys()


def test_video_mme(tmp_path: Path) -> None:
    first = reading("video-mme", tmp_path).items[0]
    assert (first.id, first.video, first.options, first.right) == (
        "001-1",
        "yt1",
        ("red.", "blue.", "green.", "grey."),
        0,
    )
    assert first.groups == (("duration", "short"), ("domain", "Knowledge"), ("task", "Counting Problem"))


def test_video_mme_as_a_flat_table(tmp_path: Path) -> None:
    row: dict[str, Any] = {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "videoID": "yt1",
        "question_id": "001-1",
    }
    row |= {
        "task_type": "OCR Problems",
        "question": "Which?",
        "options": ["A. x", "B. y", "C. z", "D. w"],
        "answer": "C",
    }
    write_lines(tmp_path / "videomme.jsonl", [row])
    (item,) = BENCHMARKS["video-mme"].read(tmp_path, None).items
    assert (item.video, item.right, item.options) == ("yt1", 2, ("x", "y", "z", "w"))


def test_lvbench_has_its_options_inside_the_question(tmp_path: Path) -> None:
    first, second = reading("lvbench", tmp_path).items
    assert first.question == "What is on the table?"
    assert (first.options, first.right) == (("A cup", "A hat", "A cat", "Nothing"), 1)
    assert first.groups[:2] == (("type", "entity recognition"), ("type", "reasoning"))
    assert (first.spans, second.spans) == (((15.0, 25.0),), ((3725.0, 3730.0),))


def test_egoschema_knows_what_is_public(tmp_path: Path) -> None:
    assert [(i.id, i.right, i.scored) for i in reading("egoschema", tmp_path).items] == [
        ("aa", 2, True),
        ("bb", 0, True),
        ("cc", None, False),
    ]


def test_next_qa_and_where_its_videos_are(tmp_path: Path) -> None:
    item = reading("next-qa", tmp_path).items[3]
    assert (item.id, item.video, item.right, item.groups) == ("4010069381_3", "1164/4010069381", 3, (("type", "TP"),))


def test_next_gqa_asks_what_is_located(tmp_path: Path) -> None:
    items = reading("next-gqa", tmp_path).items
    assert [i.id for i in items] == ["v1_0", "v1_1", "v1_2"]
    assert items[1].spans == ((5.0, 10.0), (20.0, 30.0))
    assert items[1].right == 1


def test_mvbench_asks_about_a_part(tmp_path: Path) -> None:
    items = reading("mvbench", tmp_path).items
    assert [(i.id, i.window) for i in items] == [
        ("action_sequence-1", (2.0, 5.0)),
        ("action_sequence-2", (0.0, 2.0)),
        ("moving_count-1", None),
    ]
    assert items[2].right == 3  # the text "0", not the option number 0


def test_mlvu_leaves_open_tasks_out(tmp_path: Path) -> None:
    assert {i.groups for i in reading("mlvu", tmp_path).items} == {(("task", "plotQA"),), (("task", "ego"),)}


def test_cg_bench_has_many_options_and_clues(tmp_path: Path) -> None:
    first = reading("cg-bench", tmp_path).items[0]
    assert (len(first.options), first.right, first.spans) == (9, 8, ((0.0, 10.0), (20.0, 30.0)))


def test_tvqa_has_spans_where_they_are_numbers(tmp_path: Path) -> None:
    items = reading("tvqa", tmp_path).items
    assert [i.spans for i in items] == [((1.0, 9.0),), (), ((10.0, 20.0),)]
    assert (items[0].right, items[0].groups) == (3, (("show", "How I Met You Mother"),))


def test_ones_own(tmp_path: Path) -> None:
    a, b, c = reading("jsonl", tmp_path).items
    assert (a.right, a.spans) == (1, ((1.0, 2.0),))
    assert b.expected is not None
    assert b.expected.says == (("milk", "tea"),)
    assert c.expected is not None
    assert c.expected.refuses


def test_natural_and_retrieval_questions(tmp_path: Path) -> None:
    first, second = reading("natural", tmp_path).items
    assert (first.id, first.video, first.spans) == ("tea.mp4-1", "videos/tea.mp4", ((14.0, 18.0),))
    assert second.expected is not None
    assert second.expected.refuses
    (item,) = reading("retrieval", tmp_path).items
    assert (item.scored, item.spans) == (True, ((14.0, 18.0),))


def test_broken_lines_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    good: dict[str, Any] = {"id": "x", "video": "v.mp4", "question": "Which?", "options": ["a", "b"], "answer": "A"}
    bad: list[dict[str, Any] | str] = [
        '{"id": "half',
        "[1, 2]",
        good | {"id": "one", "options": ["a"]},
        good | {"id": "none", "answer": "E"},
        good | {"id": "empty", "options": ["a", " "]},
        {"id": "no", "question": "Which?"},
        good | {"id": "pattern", "says": [["("]]},
        good | {"id": "span", "spans": [[5, 1]]},
        good,
    ]
    path = write_lines(tmp_path / "questions.jsonl", [good, *bad])
    found = BENCHMARKS["jsonl"].read(tmp_path, None)
    assert [i.id for i in found.items] == ["x"]
    reasons = "\n".join(found.problems)
    for number, reason in (
        (2, "it is no JSON"),
        (3, "it is no object"),
        (4, "1 options were given; there must be 2 to 26"),
        (5, "The answer 'E' is none of the 2 options"),
        (6, "One of the options is empty"),
        (7, "the field 'video' is missing"),
        (8, "'says' must be a list of lists of patterns"),
        (9, "[5, 1] is no span of seconds"),
        (10, "the id 'x' came before"),
    ):
        assert f"{path.name}, line {number}: {reason}" in reasons


def test_a_row_of_another_length(tmp_path: Path) -> None:
    folder = MINIATURES["next-qa"](tmp_path)
    with (folder / "val.csv").open("a") as file:
        file.write("1,2,3\n")
    found = BENCHMARKS["next-qa"].read(folder, None)
    assert found.problems == ["val.csv, line 8: it has another number of columns than the head"]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_an_empty_folder_is_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="Below|In "):
        BENCHMARKS[name].read(tmp_path, None)
    with pytest.raises(InvalidArgument, match="There is no folder"):
        BENCHMARKS[name].read(tmp_path / "no", None)
    with pytest.raises(InvalidArgument, match="There is no file"):
        BENCHMARKS[name].read(tmp_path, tmp_path / "no.json")


def test_two_files_need_a_choice(tmp_path: Path) -> None:
    MINIATURES["next-qa"](tmp_path / "one")
    MINIATURES["next-qa"](tmp_path / "two")
    with pytest.raises(InvalidArgument, match="name one with --questions"):
        BENCHMARKS["next-qa"].read(tmp_path, None)
    assert len(BENCHMARKS["next-qa"].read(tmp_path, tmp_path / "two" / "val.csv").items) == 6


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read as JSON"):
        BENCHMARKS["natural"].read(tmp_path, write_lines(tmp_path / "natural_questions.json", ["{"]))
    with pytest.raises(InvalidArgument, match="a list 'clips'"):
        BENCHMARKS["natural"].read(tmp_path, write_json(tmp_path / "natural_questions.json", []))
    with pytest.raises(InvalidArgument, match="There is no question to ask"):
        BENCHMARKS["jsonl"].read(tmp_path, write_lines(tmp_path / "questions.jsonl", ["", "{"]))
    write_csv(tmp_path / "val.csv", [{"video_id": "v", "qid": "1"}])
    with pytest.raises(InvalidArgument, match="gsub_val.json beside val.csv"):
        BENCHMARKS["next-gqa"].read(tmp_path, None)


def test_questions_of_conversations_keep_what_was_asked_before(tmp_path: Path) -> None:
    path = tmp_path / "natural_questions.json"
    asked = {"question": "And then?", "after": ["What is first?"], "answer": {"says": [["x"]]}}
    path.write_text(json.dumps({"clips": [{"video": "v.mp4", "questions": [asked]}]}))
    (item,) = BENCHMARKS["natural"].read(tmp_path, path).items
    assert isinstance(item, Item)
    assert item.after == ("What is first?",)


def test_what_senses_must_make_out(tmp_path: Path) -> None:
    first, second = reading("senses", tmp_path).items
    assert (first.question, first.reference, first.scored) == ("speech", "NAR: Ask not what.", True)
    assert (second.id, second.reference) == ("tea.mp4-ocr", "HOW TO MAKE TEA")
    write_lines(tmp_path / "senses.jsonl", [{"video": "a", "sense": "ocr", "reference": "x"}] * 2)
    write_lines(tmp_path / "s.jsonl", [{"video": "a", "sense": "speech", "reference_file": "no.srt"}])
    with pytest.raises(InvalidArgument, match="there is no no.srt below"):
        BENCHMARKS["senses"].read(tmp_path, tmp_path / "s.jsonl")
