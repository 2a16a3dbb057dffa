import time
from typing import Any

import pytest

from videochat.agent import Evidence
from videochat.agent.citations import sentences
from videochat.memory import Hit
from videochat.records import Caption


def caption(start: float, end: float, text: str = "milk is poured", **more: Any) -> Caption:
    return Caption("v" * 8, start, end, "speech", text, "test", **more)


@pytest.fixture
def evidence() -> Evidence:
    evidence = Evidence()
    evidence.add([caption(42, 47), caption(60, 65, "sugar is added"), caption(125, 130, "stir")])
    return evidence


@pytest.mark.parametrize(
    ("answer", "text", "cited", "removed"),
    [
        ("Milk [1].", "Milk [00:42-00:47].", [42], ""),
        ("Milk [1][2].", "Milk [00:42-00:47][01:00-01:05].", [42, 60], ""),
        ("Milk [1, 3].", "Milk [00:42-00:47][02:05-02:10].", [42, 125], ""),
        ("All [1-3].", "All [00:42-00:47][01:00-01:05][02:05-02:10].", [42, 60, 125], ""),
        ("Milk [00:42-00:47].", "Milk [00:42-00:47].", [42], ""),
        ("Milk [00:43].", "Milk [00:42-00:47].", [42], ""),
        ("Milk [1]. Cat [9].", "Milk [00:42-00:47]. Cat.", [42], "[9]"),
        ("Milk [1, 9].", "Milk [00:42-00:47].", [42], "[9]"),
        ("Cat [9].", "Cat.", [], "[9]"),
        ("Cat [10:00-10:05].", "Cat.", [], "[10:00-10:05]"),
        ("Cat [\n9]. Milk [1\n].", "Cat. Milk [00:42-00:47].", [42], "[\n9]"),
        ("A cat.", "A cat.", [], ""),
        ("", "", [], ""),
        ("Milk [1], a cat at 09:59.", "Milk [00:42-00:47], a cat at 09:59.", [42], ""),
        ("Milk at 00:44 [1].", "Milk at 00:44 [00:42-00:47].", [42], ""),
        ("Milk [1] [1].", "Milk [00:42-00:47].", [42], ""),
        ("Sugar [2], milk [1].", "Sugar [01:00-01:05], milk [00:42-00:47].", [60, 42], ""),
        ("Both [00:42-00:47, 01:00-01:05].", "Both [00:42-00:47][01:00-01:05].", [42, 60], ""),
        ("Milk 【1】 ［2］.", "Milk [00:42-00:47] [01:00-01:05].", [42, 60], ""),
        ("Milk [^1] [Context 9].", "Milk [00:42-00:47].", [42], "[Context 9]"),
        ("Milk [film.mp4 00:42-00:47].", "Milk [00:42-00:47].", [42], ""),
        ("Cat [film.mp4 10:00-10:05].", "Cat.", [], "[film.mp4 10:00-10:05]"),
        ("Cat [[9]9].", "Cat.", [], "[9]"),
        ("Cat [[9]10:00].", "Cat.", [], "[9], [10:00]"),
        ("The [10:30 train to Paris] [1].", "The [10:30 train to Paris] [00:42-00:47].", [42], ""),
        ("Cat \ue0000\ue001.", "Cat 0.", [], ""),
    ],
)
def test_citations_are_held_against_what_was_retrieved(
    evidence: Evidence, answer: str, text: str, cited: list[int], removed: str
) -> None:
    checked = evidence.check(answer)
    assert checked.text == text
    assert [c.start_seconds for c in checked.cited] == cited
    assert evidence.cited_in(answer) == checked.cited
    assert [note.split(": ", 1)[1] for note in checked.notes] == ([removed] if removed else [])


def test_a_quoted_box_is_no_citation() -> None:
    evidence = Evidence()
    evidence.add([caption(0, 5, "cup", box=(1, 2, 3, 4))])
    assert evidence.check("The cup is at [1, 2, 3, 4] [1].").text == "The cup is at [1, 2, 3, 4] [00:00-00:05]."


def test_numbers_stay_for_the_whole_conversation(evidence: Evidence) -> None:
    assert evidence.add([caption(60, 65, "sugar is added"), Hit(caption(200, 201, "drink"))]) == [2, 4]
    assert evidence.check("[2] [4]").cited == [caption(60, 65, "sugar is added"), caption(200, 201, "drink")]


def test_digits_of_other_scripts_are_read_like_ours(evidence: Evidence) -> None:
    assert evidence.check("Milk [٠٠:٤٢-٠٠:٤٧].").text == "Milk [00:42-00:47]."
    assert evidence.check("Milk [١].").text == "Milk [00:42-00:47]."


def test_a_hit_is_cited_with_the_whole_of_its_span(evidence: Evidence) -> None:
    cup = caption(10, 12, "cup")
    assert evidence.span_of(cup) == (10, 12)
    assert evidence.add([Hit(cup, span=(10, 20))]) == [4]
    assert evidence.span_of(cup) == (10, 20)
    assert evidence.check("A cup [4].").text == "A cup [00:10-00:20]."
    assert evidence.check("A cup [00:10-00:20] [00:17].").cited == [cup]


def test_a_span_grows_and_never_shrinks(evidence: Evidence) -> None:
    cup = caption(10, 12, "cup")
    evidence.add([Hit(cup, span=(10, 20))])
    evidence.add([Hit(cup, span=(8, 14)), Hit(cup), cup])
    assert evidence.span_of(cup) == (8, 20)


def test_of_several_videos_a_citation_says_which(evidence: Evidence) -> None:
    evidence.names = {"v" * 8: "tea.mp4"}
    assert evidence.check("Milk [1].").text == "Milk [tea.mp4 00:42-00:47]."


def test_what_was_counted_adds_up_over_the_conversation(evidence: Evidence) -> None:
    evidence.count("cup", 3, 2)
    evidence.count("cup", 5)
    evidence.count("dog", 1)
    assert evidence.counts == {"cup": {2, 3, 5}, "dog": {1}}


def test_it_comes_back_from_plain_data_with_the_same_numbers(evidence: Evidence) -> None:
    evidence.add([Hit(caption(10, 12, "cup"), span=(10, 20))])
    evidence.count("cup", 3, 2)
    again = Evidence.from_dict(evidence.as_dict(), names={})
    assert again == evidence
    assert again.check("A cup [4].").text == "A cup [00:10-00:20]."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "Milk is poured [1]. Then a cat comes. Sugar is thrown away. [2] And tea [3]!",
            ["Milk is poured [1].", "Then a cat comes.", "Sugar is thrown away. [2]", "And tea [3]!"],
        ),
        ("Dr. Sinclair speaks [1]. He leaves.", ["Dr. Sinclair speaks [1].", "He leaves."]),
        ("Mr. J. Smith, e.g. on Main St. today [2].", ["Mr. J. Smith, e.g. on Main St. today [2]."]),
        ("- Milk [1]\n- Sugar [2]\n\nDone.", ["- Milk [1]", "- Sugar [2]", "Done."]),
        ("See Dr.\nMilk [1].", ["See Dr.", "Milk [1]."]),
        ("It takes 2.5 seconds [1]. Yes?", ["It takes 2.5 seconds [1].", "Yes?"]),
        ("", []),
    ],
)
def test_sentences_take_their_citations_along(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize(
    "piece", ["[1] milk. ", "[", "[1,", "1-", "[00:42-00:47] ", "[99:00]", "[[9]", "\u202e", " ,", "A."]
)
def test_a_huge_answer_ends(evidence: Evidence, piece: str) -> None:
    began = time.process_time()
    sentences(evidence.check(piece * 50_000).text)
    assert time.process_time() - began < 10
