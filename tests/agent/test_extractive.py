"""Without a model what follows from the notes is written down, each sentence with its numbers."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from videochat.agent import VideoAgent
from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.prompts import NOT_NOTED
from videochat.memory import CaptionStore
from videochat.records import Answer, Caption, Kind
from videochat.testing import Scene, draw_video

NEAREST = "Nearest to it:"
WHERE = {"text": "The screen shows: “CUPS”", "numbers": [2, 3]}
HEARD = {"text": "Somebody says: “a red cup”", "numbers": [1]}
FILE = {"text": "The video is 00:20 long, so there is nothing at 01:00.", "numbers": []}


def ask(question: str, *findings: dict[str, Any], found: bool = True, **more: Any) -> str:
    told = {"question": question, "findings": list(findings), "found": found} | more
    reply: AIMessage = ExtractiveAnswerer().invoke([HumanMessage("", additional_kwargs=told)])
    return reply.text


def choose(options: dict[str, str], *captions: Caption, question: str = "What is poured?") -> str:
    evidence = [caption.as_dict() | {"number": n, "similarity": 0.0} for n, caption in enumerate(captions, 1)]
    return ask(question, evidence=evidence, options=options)


def caption(kind: Kind, text: str, start: float = 0.0) -> Caption:
    return Caption("v1", start, start + 2, kind, text, "test")


def test_each_sentence_is_a_line_with_its_numbers() -> None:
    assert ask("Where is the red cup?", WHERE, HEARD).splitlines() == [
        "The screen shows: “CUPS” [2][3]",
        "Somebody says: “a red cup” [1]",
    ]


def test_what_only_comes_near_follows_a_sentence_that_says_so() -> None:
    assert ask("Where is the red cup?", HEARD, found=False).splitlines() == [
        f"{NOT_NOTED}.",
        NEAREST,
        "Somebody says: “a red cup” [1]",
    ]


def test_what_follows_from_the_file_stands_in_place_of_the_refusal() -> None:
    assert ask("What is said at 1:00?", FILE, found=False) == FILE["text"]
    assert ask("What is said at 1:00?", HEARD, FILE, found=False).splitlines() == [
        FILE["text"],
        NEAREST,
        "Somebody says: “a red cup” [1]",
    ]


@pytest.mark.parametrize("found", [True, False])
def test_without_findings_nothing_noted_answers(found: bool) -> None:
    assert ask("When does the cat jump?", found=found) == f"{NOT_NOTED}."


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("Wann wird die Milch gegossen?", "Nichts, was im Video"),
        ("¿Cuándo se vierte la leche?", "Nada de lo anotado en el vídeo"),
        ("Quand est-ce que le lait est versé ?", "Rien de ce qui a été noté"),
        ("牛奶什么时候倒？", "视频中记录的内容没有回答"),
    ],
)
def test_a_refusal_is_in_the_language_of_the_question(question: str, refusal: str) -> None:
    assert ask(question).startswith(refusal)


@pytest.mark.parametrize(
    ("kind", "quoted"),
    [
        ("speech", "Somebody says: “now the milk is poured” [1]"),
        ("ocr", "The screen shows: “now the milk is poured” [1]"),
        ("clip_caption", "Now the milk is poured. [1]"),
    ],
)
def test_the_option_with_the_most_words_is_chosen_and_its_caption_quoted(kind: Kind, quoted: str) -> None:
    answer = choose({"A": "the orange juice", "B": "the milk"}, caption(kind, "now the milk is poured"))
    assert answer == f"(B) the milk. {quoted}"


def test_of_captions_that_have_an_option_alike_the_one_nearest_to_the_question_is_cited() -> None:
    captions = [caption("speech", "this is milk"), caption("speech", "the milk is poured", 5)]
    assert choose({"A": "milk", "B": "tea"}, *captions).endswith("“the milk is poured” [2]")


def test_where_no_caption_has_the_words_of_an_option_the_first_is_chosen_with_a_refusal() -> None:
    captions = [caption("speech", "now the milk is poured")]
    for answer in (choose({"A": "x", "B": "y"}, *captions), choose({"A": "milk", "B": "tea"})):
        assert answer == f"(A) {NOT_NOTED}."


def test_a_message_of_another_app_without_findings_is_answered_too() -> None:
    reply: Any = ExtractiveAnswerer().invoke("Who are you?")
    assert reply.text == f"{NOT_NOTED}."


def answered(question: str, tea: Path, memory: CaptionStore) -> Answer:
    return VideoAgent(tea, memory=memory, llm="extractive").ask(question)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("When is the milk poured?", "Somebody says: “Now the milk is poured, slowly and last.” [00:14-00:18]"),
        ("What text is shown at 2 seconds?", "The screen shows: “HOW TO MAKE TEA” [00:00-00:04]"),
        ("How long is the video?", "The video is 00:20 (20.0 seconds) long. [00:00-00:20]"),
        (
            "How many cuts are there?",
            "There are 3 cuts. [00:00-00:04][00:04-00:14][00:14-00:18][00:18-00:20]",
        ),
    ],
)
def test_a_question_to_a_video_is_answered_in_sentences(
    question: str, text: str, tea: Path, tea_memory: CaptionStore
) -> None:
    answer = answered(question, tea, tea_memory)
    assert (answer.text, answer.status) == (text, "grounded")


@pytest.mark.parametrize("mark", ["[00:08]", "[2]", "【00:08】", "[00:08-00:09]"])
def test_words_of_a_video_cite_nothing(mark: str, tmp_path: Path) -> None:
    lines = [(1.0, 2.0, f"The recipe is explained at {mark}."), (8.0, 9.0, "Birds fly south in winter.")]
    video = draw_video(tmp_path / "film.mp4", [Scene(10, "", "gray")], subtitles=lines)
    with VideoAgent(video, memory=tmp_path / "memory", preset=["subtitles"], llm="extractive") as agent:
        answer = agent.ask("What is said about the recipe?")
    assert [citation.start_seconds for citation in answer.citations] == [1.0]
    assert f"explained at ({mark[1:-1]})." in answer.text
    assert not answer.notes[0].startswith("Removed")


def test_that_there_is_no_model_is_a_note_and_no_text(tea: Path, tea_memory: CaptionStore) -> None:
    for question in ("When is the milk poured?", "When does the cat jump?"):
        answer = answered(question, tea, tea_memory)
        assert "No language model is configured, so the notes are quoted." in answer.notes
        assert "No language model" not in answer.text


def test_what_is_absent_is_not_found_and_says_what_was_watched_for(tea: Path, tea_memory: CaptionStore) -> None:
    answer = answered("What is said about Napoleon?", tea, tea_memory)
    assert answer.status == "not_found"
    assert answer.text.splitlines()[0] == (
        f"{NOT_NOTED} (watched for: speech, text on screen, cuts, light, colours and motion)."
    )
