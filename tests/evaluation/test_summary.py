"""The tables, on a few scores by hand."""

from __future__ import annotations

from videochat.evaluation.benchmarks import BENCHMARKS
from videochat.evaluation.items import Expected, Item
from videochat.evaluation.predictions import Prediction
from videochat.evaluation.scoring import Score, score
from videochat.evaluation.summary import Table, accuracy, tables
from videochat.records import Usage

ITEMS = [
    Item("1", "v", "Which?", ("a", "b", "c", "d"), 0, spans=((0.0, 10.0),), groups=(("type", "text"),)),
    Item(
        "2", "w", "Which?", ("a", "b", "c", "d"), 1, spans=((0.0, 10.0),), groups=(("type", "text"), ("type", "speech"))
    ),
    Item("3", "x", "Does it?", expected=Expected(refuses=True), groups=(("type", "none"),)),
]


def scores(who: str, *said: tuple[str, str, tuple[tuple[float, float], ...]], invented: int = 0) -> list[Score]:
    usage = Usage(2.0, 1, 3, 1000, 20, 8)
    return [
        score(item, Prediction(who, item.id, text, status, cited, invented, usage=usage))
        for item, (text, status, cited) in zip(ITEMS, said, strict=True)
    ]


ONE = scores("one", ("A", "grounded", ((2, 3),)), ("B", "partly", ((8, 12), (50, 60))), ("no", "not_found", ()))
TWO = scores("two", ("A", "not_found", ()), ("A or B", "not_found", ()), ("yes", "grounded", ((1, 2),)), invented=1)


def table(title: str) -> list[dict[str, str]]:
    found = tables(BENCHMARKS["jsonl"], {"one": ONE, "two": TWO}, (1.0, 10.0))
    (rows,) = [[dict(zip(each.head, row, strict=True)) for row in each.rows] for each in found if each.title == title]
    return rows


def test_accuracy_counts_what_cannot_be_read() -> None:
    one, two = table("Accuracy")
    assert one["accuracy, 95 % interval"] == "100.0 [100.0, 100.0]"
    assert two["accuracy, 95 % interval"].startswith("33.3 [0.0, 100.0]")
    assert (two["unreadable"], two["failed"], two["videos"], two["chance"]) == ("1", "0", "3", "16.7")


def test_what_the_first_adds_to_the_others() -> None:
    (row,) = table("What it adds")
    assert row["difference"] == "one - two"
    assert row["accuracy, 95 % interval"].startswith("+66.7 [-")


def test_grounding_and_refusals() -> None:
    one, two = table("Grounding")
    assert (one["citations"], one["invented"], one["hit"], one["precision"]) == ("3", "0", "100.0", "66.7 of 3")
    assert (one["mIoU"], one["mIoP"]) == (f"{100 * (0.1 + 2 / 12) / 2:.1f}", "75.0")
    assert (two["invented"], two["precision"], two["hit"]) == ("3", "none", "0.0")
    assert table("Refusals") == [
        {"contender": "one", "honest: nothing answers it": "1 of 1", "needless: something does": "0 of 2"},
        {"contender": "two", "honest: nothing answers it": "0 of 1", "needless: something does": "2 of 2"},
    ]


def test_cost() -> None:
    row = table("Cost of an answer")[0]
    assert (row["tokens"], row["frames"], row["tool calls"], row["cost in all"]) == ("1,020", "8.0", "3.0", "0.0036")


def test_groups_may_overlap() -> None:
    assert [(row["type"], row["questions"]) for row in table("By type")] == [
        ("text", "2"),
        ("speech", "1"),
        ("none", "1"),
    ]


def test_nothing_makes_no_tables() -> None:
    assert tables(BENCHMARKS["jsonl"], {"one": []}) == []
    assert accuracy(ONE).mean == 1.0
    assert Table("t", ("a",), [["1"]]).as_dict() == {"title": "t", "rows": [{"a": "1"}]}
