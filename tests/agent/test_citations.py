from typing import Any

import pytest

from videochat.agent import Evidence
from videochat.records import Caption


def caption(start: float, end: float, text: str = "milk is poured", **more: Any) -> Caption:
    return Caption("v" * 8, start, end, "speech", text, "test", **more)


@pytest.fixture
def evidence() -> Evidence:
    evidence = Evidence()
    evidence.add([caption(42, 47), caption(60, 65, "sugar is added"), caption(125, 130, "stir")])
    return evidence


@pytest.mark.parametrize(
    ("answer", "text", "cited", "status"),
    [
        ("Milk [1].", "Milk [00:42-00:47].", [42], "grounded"),
        ("Milk [1][2].", "Milk [00:42-00:47][01:00-01:05].", [42, 60], "grounded"),
        ("Milk [1, 3].", "Milk [00:42-00:47][02:05-02:10].", [42, 125], "grounded"),
        ("All [1-3].", "All [00:42-00:47][01:00-01:05][02:05-02:10].", [42, 60, 125], "grounded"),
        ("Milk [00:42-00:47].", "Milk [00:42-00:47].", [42], "grounded"),
        ("Milk [00:43].", "Milk [00:42-00:47].", [42], "grounded"),
        ("Milk [1]. Cat [9].", "Milk [00:42-00:47]. Cat.", [42], "partly"),
        ("Milk [1, 9].", "Milk [00:42-00:47].", [42], "partly"),
        ("Cat [9].", "Cat.", [], "not_found"),
        ("Cat [10:00-10:05].", "Cat.", [], "not_found"),
        ("A cat.", "A cat.", [], "not_found"),
        ("", "", [], "not_found"),
        ("Milk [1], a cat at 09:59.", "Milk [00:42-00:47], a cat at 09:59.", [42], "partly"),
        ("Milk at 00:44 [1].", "Milk at 00:44 [00:42-00:47].", [42], "grounded"),
        ("Milk [1] [1].", "Milk [00:42-00:47].", [42], "grounded"),
    ],
)
def test_citations_are_held_against_what_was_retrieved(
    evidence: Evidence, answer: str, text: str, cited: list[int], status: str
) -> None:
    checked = evidence.check(answer)
    assert checked.text == text
    assert [c.start_seconds for c in checked.cited] == cited
    assert checked.status == status
    assert bool(checked.notes) == (status == "partly" or ("[" in answer and not cited))


def test_a_quoted_box_is_no_citation() -> None:
    evidence = Evidence()
    evidence.add([caption(0, 5, "cup", box=(1, 2, 3, 4))])
    assert evidence.check("The cup is at [1, 2, 3, 4] [1].").text == "The cup is at [1, 2, 3, 4] [00:00-00:05]."


def test_numbers_stay_for_the_whole_conversation(evidence: Evidence) -> None:
    evidence.add([caption(60, 65, "sugar is added"), caption(200, 201, "drink")])
    assert evidence.check("[2] [4]").cited == [caption(60, 65, "sugar is added"), caption(200, 201, "drink")]


def test_digits_of_other_scripts_are_read_like_ours(evidence: Evidence) -> None:
    assert evidence.check("Milk [٠٠:٤٢-٠٠:٤٧].").text == "Milk [00:42-00:47]."
    assert evidence.check("Milk [١].").text == "Milk [00:42-00:47]."


def test_what_was_read_or_looked_at_is_confirmed(evidence: Evidence) -> None:
    assert [c.start_seconds for c in evidence.unconfirmed("[1][2]")] == [42, 60]
    evidence.look_at("v" * 8, 40, 50)
    assert [c.start_seconds for c in evidence.unconfirmed("[1][2]")] == [60]
    evidence.look_at("another", 0, 100)
    assert [c.start_seconds for c in evidence.unconfirmed("[1][2]")] == [60]


def test_it_comes_back_from_plain_data_with_the_same_numbers(evidence: Evidence) -> None:
    evidence.look_at("v" * 8, 40, 50)
    again = Evidence.from_dict(evidence.as_dict(), names={})
    assert again == evidence
