from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from videochat import VideoAgent
from videochat.agent import Evidence
from videochat.agent.citations import sentences
from videochat.agent.verification import MARK, claims, judge, marked
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import ScriptedLLM


@pytest.fixture
def evidence() -> Evidence:
    evidence = Evidence()
    evidence.add([Caption("v1", i, i + 1, "speech", text, "test") for i, text in enumerate(["milk", "sugar", "tea"])])
    return evidence


ANSWER = "Milk is poured [1]. Then a cat comes. Sugar is thrown away. [2] And tea [3]!"


def test_sentences_take_their_citations_along() -> None:
    assert sentences(ANSWER) == [
        "Milk is poured [1].",
        "Then a cat comes.",
        "Sugar is thrown away. [2]",
        "And tea [3]!",
    ]


@pytest.mark.parametrize(
    ("reply", "judgements"),
    [
        ("1: CONFIRMED - yes\n2: REJECTED - no\n3: confirmed", ["confirmed", "rejected", "confirmed"]),
        ("Statement 1: REJECTED", ["rejected", "unverified", "unverified"]),
        ("1: CONFIRMED\n1: REJECTED\n9: CONFIRMED", ["unverified", "unverified", "unverified"]),
        ("I think all of it is fine.", ["unverified"] * 3),
        ("", ["unverified"] * 3),
    ],
)
def test_what_is_not_clearly_confirmed_is_not(evidence: Evidence, reply: str, judgements: list[str]) -> None:
    verdicts = judge(lambda messages: AIMessage(reply), claims(ANSWER, evidence))
    assert [verdict.judgement for verdict in verdicts] == judgements
    assert marked(ANSWER, verdicts).count(MARK) == judgements.count("rejected")


def test_a_call_that_fails_confirms_nothing(evidence: Evidence) -> None:
    def fail(messages: list) -> AIMessage:
        raise ConnectionError

    verdicts = judge(fail, claims(ANSWER, evidence))
    assert {(v.judgement, v.reason) for v in verdicts} == {("unverified", "the second look failed (ConnectionError)")}


def test_a_rejected_sentence_is_marked_in_the_answer(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Milk comes last [1]. It is thrown away [1].", "1: CONFIRMED\n2: REJECTED - poured, not thrown")
    answer = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=True).ask("When is the milk poured?")
    assert answer.text == f"Milk comes last [00:14-00:18]. It is thrown away [00:14-00:18]. {MARK}"
    assert [v.judgement for v in answer.verdicts] == ["confirmed", "rejected"]
    assert answer.verdicts[1].reason == "poured, not thrown"
    assert answer.status == "partly"
    judged = llm.sent[1]
    assert "milk is poured, slowly" in judged[1].text
    assert "milk is poured, slowly" not in judged[0].text
    assert "HOW TO MAKE TEA" not in judged[1].text


def test_what_cites_a_picture_is_not_judged_by_words() -> None:
    evidence = Evidence()
    evidence.add(
        [
            Caption("v1", 0, 1, "clip_caption", "a picture", "frames", attributes={"picture": True}),
            Caption("v1", 1, 2, "clip_caption", "a cup", "frames"),
        ]
    )
    asked: list[str] = []

    def confirm(messages: list) -> AIMessage:
        asked.append(messages[-1].text)
        return AIMessage("1: CONFIRMED")

    verdicts = judge(confirm, claims("A red cup [1]. A cup [2].", evidence))
    assert [verdict.judgement for verdict in verdicts] == ["unverified", "confirmed"]
    assert "it cites a picture" in verdicts[0].reason
    assert "red" not in asked[0]
