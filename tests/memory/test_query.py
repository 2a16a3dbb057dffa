"""What a question says: the times it names, in the many ways people name them, kinds, order and relations."""

from __future__ import annotations

import pytest

from videochat.memory.query import Ordinal, Relation, about, gist, meant_kinds, named_span, read_query, without_times
from videochat.records import Kind


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("What is shown at 0:45?", (44.5, 46)),
        ("What is shown at 00:45?", (44.5, 46)),
        ("What happens at 5 seconds?", (4.5, 6)),
        ("What happens at second 5?", (4.5, 6)),
        ("What happens at 1 minute?", (59.5, 61)),
        ("What happens 30 seconds in?", (29.5, 31)),
        ("What is said between 10 and 20 seconds?", (10, 20)),
        ("What is said between 10s and 20s?", (10, 20)),
        ("What is said from 0:10 to 0:20?", (10, 20)),
        ("What is said in 0:10-0:20?", (10, 20)),
        ("Describe the first minute.", (0, 60)),
        ("Describe the first 30 seconds.", (0, 30)),
        ("Describe the last 10 seconds.", (110, 120)),
        ("Describe the final minute.", (60, 120)),
        ("What happens at the end?", (108, 120)),
        ("How does it look at the very end?", (108, 120)),
        ("What is said at the beginning?", (0, 12)),
        ("What happens in the second half?", (60, 120)),
        ("What happens in the first half?", (0, 60)),
        ("What happens after 1:30?", (90, 120)),
        ("What happens before 20 seconds?", (0, 20)),
        ("What is shown at 9:59?", (119, 120)),
        ("What can be seen at the 5 second mark?", (4.5, 6)),
        ("What can be seen at the five-second mark?", (4.5, 6)),
        ("At t=5s, what is there?", (4.5, 6)),
        ("two seconds into the clip, what is said?", (1.5, 3)),
        ("At 1 minute and 5 seconds?", (64.5, 66)),
        ("At 1m 5s?", (64.5, 66)),
        ("At 1m05s?", (64.5, 66)),
        ("At ⟨@..⟩ or ⟨1⟩?", None),
        ("At 99999999999999999999 hours?", (119, 120)),
        ("What is on the slide during seconds 3-6?", (3, 6)),
        ("What is on the slide at 3-6 s?", (3, 6)),
        ("between seconds 3 and 6, what moves?", (3, 6)),
        ("What is said from second 3 to second 6?", (3, 6)),
        ("What is visible from 0:10 until 0:20?", (10, 20)),
        ("in the first minute and a half?", (0, 90)),
        ("What is said in the last half minute?", (90, 120)),
        ("What happens in the second minute?", (60, 120)),
        ("What is shown in the last quarter?", (90, 120)),
        ("In the middle third, who is there?", (40, 80)),
        ("halfway through, what happens?", (48, 72)),
        ("What is on the slide in the middle of the video?", (48, 72)),
        ("In the closing seconds, who is there?", (108, 120)),
        ("How does the clip begin?", (0, 12)),
        ("When the video ends, what is shown?", (108, 120)),
        ("What is the last thing we see?", (108, 120)),
        ("What do we see first?", (0, 12)),
        ("What is visible 10 seconds before the end?", (109.5, 111)),
        ("What is displayed 3 s after the start?", (2.5, 4)),
        ("What happens after the 20 second mark?", (20, 120)),
        ("By the 10-second mark, what has been said?", (0, 10)),
        ("What is happening from 12s onwards?", (12, 120)),
        ("how does it begin?", (0, 12)),
        ("How does the speech end, the closing words?", (108, 120)),
        ("What is the dancer's final move?", (108, 120)),
        ("opening pose", (0, 12)),
        ("When does the video start?", None),
        ("When is the dog seen first?", None),
        ("When do we see her last?", None),
        ("What is in the middle of the room?", None),
        ("What stands at the end of the street?", None),
        ("What is shown three seconds after the title appears?", None),
        ("How many seconds does she hold it?", None),
        ("Is it 3 and 4?", None),
        ("What happens between the title and the credits?", None),
        ("What is on the second slide?", None),
        ("When is the milk poured?", None),
        ("What are the 3 steps?", None),
        ("Who won in 1961?", None),
        ("At what temperature, 40 degrees?", None),
        ("Is the second sign red?", None),
        ("", None),
    ],
)
def test_the_time_that_a_question_names(question: str, span: tuple[float, float] | None) -> None:
    assert named_span(question, 120.0) == (span if span is None else pytest.approx(span))


@pytest.mark.parametrize(
    "question", ["at 0:45", "the last minute", "the end", "between 10 and 20 seconds", "after 9:00"]
)
@pytest.mark.parametrize("duration", [0.04, 0.5, 3.0, 7200.0])
def test_a_named_time_lies_in_the_video_and_is_not_empty(question: str, duration: float) -> None:
    span = named_span(f"What is shown at {question}?", duration)
    assert span is not None
    assert 0 <= span[0] < span[1]
    assert span[0] < duration


@pytest.mark.parametrize(
    ("question", "rest"),
    [
        ("What is said at 0:45?", "what is said at ?"),
        ("What is said between 3 and 6 seconds?", "what is said between and ?"),
        ("How many eggs, 3 or 4?", "how many eggs, 3 or 4?"),
    ],
)
def test_the_question_without_its_times(question: str, rest: str) -> None:
    assert " ".join(without_times(question).split()) == rest


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("What does she say about milk?", ("speech",)),
        ("What is written on the slide?", ("ocr",)),
        ("Which colours are there, and how does the camera move?", ("tags",)),
        ("How many cuts are there?", ("shot",)),
        ("What does the speaker say while the title is on the screen?", ("speech", "ocr")),
        ("Where is the dog?", ()),
    ],
)
def test_the_senses_that_a_question_means(question: str, kinds: tuple[Kind, ...]) -> None:
    assert set(kinds) <= set(meant_kinds(question))
    assert bool(kinds) is bool(meant_kinds(question))


@pytest.mark.parametrize(
    ("question", "relations"),
    [
        ("After the butter is melted, what is said?", [Relation("after", "the butter is melted", "", ("speech",))]),
        ("What is said right before the milk?", [Relation("before", "the milk", "", ("speech",))]),
        ("While the title is shown, who speaks?", [Relation("during", "the title is shown", "", ("speech",))]),
        ("What is said between the cake and the milk?", [Relation("between", "the cake", "the milk", ("speech",))]),
        ("Where is the dog?", []),
        ("When is it poured, and by whom?", []),
    ],
)
def test_the_relation_that_a_question_names(question: str, relations: list[Relation]) -> None:
    assert list(read_query(question).relations) == relations


@pytest.mark.parametrize(
    ("question", "ordinals", "shot_position"),
    [
        ("What is the first thing said?", [Ordinal("speech", 0)], None),
        ("What does the last slide say?", [Ordinal("speech", -1), Ordinal("ocr", -1)], None),
        ("What is in the second scene?", [Ordinal("shot", 1)], 1),
        ("Who is there?", [], None),
    ],
)
def test_the_order_that_a_question_asks_for(question: str, ordinals: list[Ordinal], shot_position: int | None) -> None:
    query = read_query(question)
    assert list(query.ordinals) == ordinals
    assert query.shot_position == shot_position


def test_a_question_is_read_once() -> None:
    query = read_query("What does she say about the milk at 0:45?")
    assert query.terms == ("say", "milk", "0", "45")
    assert query.search_terms == ("milk", "0", "45")
    assert query.subject == ("milk",)
    assert query.kinds == ("speech",)
    assert query.span(120.0) == (44.5, 46)
    assert query.towards == "start"
    assert read_query("In the middle?").towards == "middle"
    assert read_query("How does it end?").towards == "end"


def test_of_a_pasted_page_only_the_beginning_and_the_end_are_read() -> None:
    page = "begin " + "word " * 10_000 + "finish"
    assert len(gist(page)) <= 4001
    assert gist(page).startswith("begin")
    assert gist(page).endswith("finish")
    assert gist("short") == "short"


def test_what_a_question_is_about_leaves_senses_and_numbers_aside() -> None:
    assert about("What does the speaker say about 3 eggs on the slide?") == ["eggs"]
    assert about("What is said?") == []
