"""A question that goes on from the one before is made whole, by the model or by what the answer cites."""

from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from videochat import VideoAgent
from videochat.agent.citations import Evidence
from videochat.agent.conversation import Conversation
from videochat.agent.follow_up import ReadQuestion, read_question, refers_back
from videochat.memory import CaptionStore
from videochat.memory.query import Ordinal, Query
from videochat.records import Caption
from videochat.testing import ScriptedLLM

MILK = "When is the milk poured?"


def after(question: str = MILK, answer: str = "It comes last [1].") -> Conversation:
    """Return a conversation of one turn; [1] is speech at second 14 to 18, [2] text at second 4 to 8."""
    evidence = Evidence()
    evidence.add(
        [
            Caption("v1", 14, 18, "speech", "Now the milk is poured.", "test"),
            Caption("v1", 4, 8, "ocr", "1. Boil the water", "test"),
        ]
    )
    return Conversation([HumanMessage(question), AIMessage(answer)], evidence)


def read(
    text: str,
    conversation: Conversation | None = None,
    rewrite: Callable[[list[BaseMessage]], AIMessage] | None = None,
) -> ReadQuestion:
    return read_question(text, conversation or after(), 60.0, rewrite)


@pytest.mark.parametrize(
    ("question", "refers"),
    [
        ("What happens then?", True),
        ("And then?", True),
        ("Und danach?", True),
        ("¿Y después?", True),
        ("那之后呢", True),
        ("What is said before that?", True),
        ("Who is he?", True),
        ("And the sugar?", True),
        ("What about the sugar?", True),
        ("When does it end?", True),
        (MILK, False),
        ("Who wears a hat?", False),
        ("How long is the video?", False),
        ("Is it a long video?", False),
        ("¿Cuándo se vierte la leche?", False),
    ],
)
def test_a_question_that_goes_on_is_known_by_its_words(question: str, refers: bool) -> None:
    assert refers_back(question) is refers


def test_the_model_makes_it_whole_from_the_turns_before() -> None:
    sent: list[list[BaseMessage]] = []

    def rewrite(messages: list[BaseMessage]) -> AIMessage:
        sent.append(messages)
        return AIMessage(" What is said after the milk is poured at 0:14?\n")

    found = read("And then?", rewrite=rewrite)
    assert found == ReadQuestion(Query.parse("What is said after the milk is poured at 0:14?", 60.0))
    ((_, request),) = sent
    assert request.text.splitlines() == [
        f"Question: {MILK}",
        "Answer: It comes last [1].",
        "Last question: And then?",
    ]


@pytest.mark.parametrize(
    ("question", "conversation"), [(MILK, after()), ("And then?", Conversation([], Evidence()))], ids=["whole", "first"]
)
def test_a_question_that_stands_alone_is_left_alone(question: str, conversation: Conversation) -> None:
    def rewrite(messages: list[BaseMessage]) -> AIMessage:
        raise AssertionError("nothing is to be asked")

    assert read(question, conversation, rewrite) == ReadQuestion(Query.parse(question, 60.0))


@pytest.mark.parametrize("reply", ["", " \n", "thoughts " * 200])
def test_a_reply_that_is_no_question_leaves_it_as_it_is(reply: str) -> None:
    assert read("And then?", rewrite=lambda messages: AIMessage(reply)) == ReadQuestion(Query.parse("And then?", 60.0))


def test_a_model_that_fails_leaves_it_as_it_is() -> None:
    def fail(messages: list[BaseMessage]) -> AIMessage:
        raise ConnectionError

    assert read("And then?", rewrite=fail) == ReadQuestion(Query.parse("And then?", 60.0))


@pytest.mark.parametrize("question", ["And then?", "What happens then?", "Und dann?"])
def test_without_a_model_what_comes_then_follows_what_the_answer_cites(question: str) -> None:
    found = read(question)
    assert (found.start_seconds, found.end_seconds) == (18, None)
    assert found.query.span == (18, 23)
    assert found.query.subject == ()


def test_of_a_sense_it_is_the_next_of_that_sense() -> None:
    found = read("What is written next?")
    assert (found.start_seconds, found.query.ordinal, found.query.kinds) == (18, Ordinal("ocr", 0), ("ocr",))
    found = read("And then?", after("What text is on the screen?", "Boiling [2]."))
    assert (found.start_seconds, found.query.ordinal) == (8, Ordinal("ocr", 0))


def test_after_a_question_by_order_it_is_the_next_in_order() -> None:
    found = read("And then?", after("What is the first thing said?", "Boiling [2]."))
    assert found.query.ordinal == Ordinal("speech", 1)
    assert (found.start_seconds, found.end_seconds) == (0, None)


@pytest.mark.parametrize(
    ("question", "ordinal"),
    [("What is written before that?", Ordinal("ocr", -1)), ("And just before that?", Ordinal("speech", -1))],
)
def test_what_came_before_ends_where_the_answer_begins(question: str, ordinal: Ordinal) -> None:
    found = read(question)
    assert found.query.ordinal == ordinal
    assert found.start_seconds == 0
    assert found.end_seconds == pytest.approx(14, abs=0.5)


def test_a_pronoun_takes_the_words_of_the_question_before() -> None:
    found = read("When does it end?")
    assert found.query.asks == "when"
    assert found.query.subject == ("milk", "poured")
    assert "milk" in found.query.text


def test_and_asks_the_same_of_another_thing() -> None:
    query = read("And the sugar?").query
    assert (query.asks, query.subject) == ("when", ("sugar",))


def test_a_time_or_a_moment_of_its_own_is_kept() -> None:
    assert read("And at 0:45?").query.span == (44.5, 46)
    found = read("What is said then, after the sugar?")
    assert (found.start_seconds, found.query.subject) == (0, ("sugar",))


def test_where_the_answer_cites_nothing_the_question_before_has_to_do() -> None:
    found = read("And then?", after(answer="Nothing."))
    assert (found.start_seconds, found.end_seconds, found.query.asks) == (0, None, "when")


def test_a_follow_up_takes_one_call_more_and_is_answered_as_it_was_asked(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("The leaves steep [1].", "What is said after the leaves steep?", "The milk is poured [2].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    first = agent.ask("What is said about leaves?")
    assert (first.usage.model_calls, first.status) == (1, "grounded")
    second = agent.ask("And then?")
    assert second.usage.model_calls == 2
    assert llm.sent[1][-1].text.endswith("Last question: And then?")
    assert llm.sent[2][-1].text.endswith("Question: And then?")
    assert "Now the milk is poured, slowly and last." in llm.sent[2][-1].text


def test_without_a_model_a_conversation_goes_on_too(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    agent.ask("What is said about leaves?")
    assert "Now the milk is poured" in agent.ask("What is said then?").text
    assert "The leaves steep" in agent.ask("And before that?").text
