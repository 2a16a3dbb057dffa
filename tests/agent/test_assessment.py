"""The status of an answer and what its reader is told, by words and by a second call."""

from collections.abc import Callable

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from videochat.agent.assessment import Assessment, assess, with_watched_for
from videochat.agent.citations import Evidence
from videochat.agent.grounding import check_sentences
from videochat.agent.prompts import NOT_NOTED
from videochat.agent.verification import MARK
from videochat.records import Caption

BY_WORDS = "by words against the notes"
LATE = "The milk is poured at 00:50 [1]."
LATE_DOUBT = "Doubtful: “The milk is poured at 00:50.” (it says 00:50, which 00:14-00:18 is not)"
DOG = "A dog barks [1]."
DOG_DOUBT = "Doubtful: “A dog barks.” (nothing cited says 'dog')"


def assessed(text: str, reply: str | Exception | None = None, *, must_verify: bool = False) -> Assessment:
    """Assess an answer that may cite two captions; with a reply, by a second call that gives it."""
    evidence = Evidence()
    evidence.add(
        [
            Caption("v1", 14, 18, "speech", "Now the milk is poured, slowly and last.", "test"),
            Caption("v1", 4, 8, "speech", "First the water boils.", "test"),
        ]
    )
    ask: Callable[[list[BaseMessage]], AIMessage] | None = None
    if reply is not None:

        def ask(messages: list[BaseMessage]) -> AIMessage:
            if isinstance(reply, Exception):
                raise reply
            return AIMessage(reply or "")

    checks = check_sentences(text, evidence, duration_seconds=60.0)
    return assess(text, evidence, checks, ask=ask, must_verify=must_verify)


def test_what_its_citations_bear_is_grounded() -> None:
    found = assessed("The milk is poured last [1]. The water boils first [2].")
    assert found.status == "grounded"
    assert found.notes == [f"Checked: 2 cited sentences, {BY_WORDS}"]
    assert found.checked.text == "The milk is poured last [00:14-00:18]. The water boils first [00:04-00:08]."
    assert found.verdicts == []


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        (f"The water boils [2]. {LATE}", [LATE_DOUBT, f"Checked: 2 cited sentences, {BY_WORDS}"]),
        (DOG, [DOG_DOUBT, f"Checked: 1 cited sentence, {BY_WORDS}"]),
        (
            "The water boils [2]. A cat jumps.",
            ["Doubtful: “A cat jumps.” (nothing is cited for it)", f"Checked: 1 cited sentence, {BY_WORDS}"],
        ),
        (
            "The water boils [2][9].",
            [
                "Removed from the answer, since nothing retrieved bears it: [9]",
                f"Checked: 1 cited sentence, {BY_WORDS}",
            ],
        ),
    ],
)
def test_what_they_do_not_bear_is_partly_and_told(text: str, notes: list[str]) -> None:
    found = assessed(text)
    assert (found.status, found.notes) == ("partly", notes)


def test_of_many_doubtful_sentences_the_first_are_told_and_the_rest_counted() -> None:
    found = assessed(
        f"The water boils [2]. {' '.join(f'A cat eats {fish}.' for fish in ('cod', 'eel', 'ray'))} {DOG} {LATE}"
    )
    doubts = [note for note in found.notes if note.startswith("Doubtful")]
    assert [note.split("“")[-1].split("”")[0] for note in doubts[:3]] == [
        "A cat eats cod.",
        "A cat eats eel.",
        "A cat eats ray.",
    ]
    assert doubts[3:] == ["Doubtful: 2 more sentences"]


@pytest.mark.parametrize("text", ["A cat jumps.", "A cat jumps [9].", ""])
def test_what_cites_nothing_that_was_retrieved_is_not_found(text: str) -> None:
    found = assessed(text, "1: CONFIRMED")
    assert (found.status, found.checked.cited, found.verdicts) == ("not_found", [], [])
    assert not any(note.startswith("Checked") for note in found.notes)


@pytest.mark.parametrize(
    "text",
    [
        f"{NOT_NOTED}.",
        f"{NOT_NOTED}. The nearest is the milk [1].",
        "The video does not show this.",
        f"(B) {NOT_NOTED}.",
        "Nichts, was im Video bemerkt wurde, beantwortet das.",
    ],
)
def test_a_refusal_at_the_beginning_is_not_found(text: str) -> None:
    found = assessed(text, "1: CONFIRMED")
    assert (found.status, found.notes, found.verdicts) == ("not_found", [], [])


def test_a_refusal_after_an_answer_is_none() -> None:
    assert assessed(f"The milk is poured last [1]. {NOT_NOTED} about the cat.").status == "grounded"


@pytest.mark.parametrize(
    ("text", "reply", "status", "marks"),
    [
        ("The milk is poured last [1].", "1: CONFIRMED", "grounded", 0),
        ("The milk is poured last [1].", "1: REJECTED", "partly", 1),
        (DOG, "1: CONFIRMED", "grounded", 0),
        (DOG, "1: REJECTED", "partly", 1),
        (LATE, "1: CONFIRMED", "partly", 0),
        ("The water boils [2]. A cat jumps.", "1: CONFIRMED", "partly", 0),
    ],
)
def test_a_judge_may_mend_a_doubt_about_words_and_never_one_that_is_certain(
    text: str, reply: str, status: str, marks: int
) -> None:
    found = assessed(text, reply)
    assert found.status == status
    assert found.checked.text.count(MARK) == marks


@pytest.mark.parametrize("reply", ["I cannot tell.", ConnectionError("no route")])
def test_a_judge_without_a_verdict_lowers_the_status_only_where_one_must_be_had(reply: str | Exception) -> None:
    text = "The milk is poured last [1]."
    found = assessed(text, reply)
    assert (found.status, found.verdicts[0].judgement) == ("grounded", "unverified")
    assert assessed(text, reply, must_verify=True).status == "partly"
    assert assessed(DOG, reply).notes[0] == DOG_DOUBT


def test_the_reader_is_told_what_the_judge_said_of_how_many() -> None:
    found = assessed("Milk [1]. The water boils [2]. Milk is last [1].", "1: CONFIRMED\n2: REJECTED - no")
    assert found.notes[-1] == (
        f"Checked: 3 cited sentences, {BY_WORDS} and by a second call: 1 confirmed, 1 rejected, 1 unverified"
    )
    assert [(verdict.sentence, verdict.judgement) for verdict in found.verdicts] == [
        ("Milk [00:14-00:18].", "confirmed"),
        ("The water boils [00:04-00:08].", "rejected"),
        ("Milk is last [00:14-00:18].", "unverified"),
    ]


def test_a_judge_that_saw_the_pictures_is_said_to_have_seen_them() -> None:
    evidence = Evidence()
    evidence.add([Caption("v1", 14, 18, "clip_caption", "a cup of milk", "test")])
    seen: list[Caption] = []

    def picture(caption: Caption) -> bytes:
        seen.append(caption)
        return b"jpeg"

    text = "A cup of milk [1]."
    checks = check_sentences(text, evidence, duration_seconds=60.0)
    found = assess(text, evidence, checks, ask=lambda messages: AIMessage("1: CONFIRMED"), picture=picture)
    assert found.notes == [
        f"Checked: 1 cited sentence, {BY_WORDS} and by a second call that saw the pictures: 1 confirmed"
    ]
    assert seen == [evidence.captions[1]]


@pytest.mark.parametrize(
    ("text", "watched_for", "shown"),
    [
        (f"{NOT_NOTED}.", "words that are said", f"{NOT_NOTED} (watched for: words that are said)."),
        (f"(A) {NOT_NOTED}.", "cuts", f"(A) {NOT_NOTED} (watched for: cuts)."),
        (f"{NOT_NOTED} (watched for: cuts).", "cuts", f"{NOT_NOTED} (watched for: cuts)."),
        (f"{NOT_NOTED}.", "", f"{NOT_NOTED}."),
        ("The milk is poured last.", "cuts", "The milk is poured last."),
    ],
)
def test_a_refusal_says_what_was_watched_for(text: str, watched_for: str, shown: str) -> None:
    assert with_watched_for(text, watched_for) == shown
