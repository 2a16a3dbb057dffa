"""The forms of the protocol: what is read, what is written."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from videochat.intervals import clock_range
from videochat.records import Answer, Caption, Citation
from videochat.serve.openai_forms import Completion, Conversation, Reply, Response, url_citations
from videochat.serve.safety import Refused


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_a_conversation_is_read_from_messages() -> None:
    video = {"type": "video_url", "video_url": {"url": "file:///a.mp4"}}
    read = Conversation.read(
        [
            {"role": "system", "content": "Be brief."},
            user([video, {"type": "text", "text": "First?"}]),
            {"role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
            user("Second?"),
        ],
        "messages",
    )
    assert (read.question, read.turns, read.videos) == ("Second?", [("First?", "One.")], ["file:///a.mp4"])
    assert Conversation.read("Only?", "input").question == "Only?"


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        3,
        ["x"],
        [user("")],
        [user(3)],
        [user([{"type": "image_url", "image_url": {"url": "x"}}])],
        [user([{"type": "video_url", "video_url": 3}])],
        [user(["x"])],
        [user("a"), {"role": "assistant", "content": "b"}],
        [user("x" * 30_000)],
    ],
)
def test_what_is_no_conversation_is_refused(messages: Any) -> None:
    with pytest.raises(Refused) as refused:
        Conversation.read(messages, "messages")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (
            '### Task:\nGenerate a concise, 3-5 word title.\n### Output:\nJSON format: { "title": "..." }\n'
            "### Chat History:\n<chat_history>\nUSER: When is the milk poured?\nASSISTANT: At 14 s.",
            {"title": "When is the milk poured"},
        ),
        ('### Task:\nGenerate 1-3 broad tags for the chat history, as JSON: { "tags": [] }', {"tags": ["Video"]}),
        ("### Task:\nSuggest 3-5 relevant follow-up questions. JSON", {"follow_ups": []}),
        ("Provide a concise title for this conversation, 5 words at most.\nUser: Who speaks?", "Who speaks"),
    ],
)
def test_what_front_ends_ask_beside_is_answered_cheaply(prompt: str, answer: Any) -> None:
    task = Conversation.read(prompt, "input").task
    assert task is not None
    assert (task if isinstance(answer, str) else json.loads(task)) == answer


@pytest.mark.parametrize(
    "question", ["What is the title of the film?", "Which tags does the shirt have?", "Who chats?"]
)
def test_a_question_is_no_task(question: str) -> None:
    assert Conversation.read(question, "input").task is None


def test_a_citation_points_into_the_text_and_opens_the_page_at_its_second() -> None:
    start = random.randint(0, 5000) + 0.25
    cited = Citation(Caption("a" * 32, start, start + 2, "ocr", "HELLO", "rapidocr"))
    when = f"[{clock_range(start, start + 2)}]"
    (found,) = url_citations(Answer(f"It says hello. {when}", [cited], "grounded"), "http://h/", {"a" * 32: "a.mp4"})
    assert f"It says hello. {when}"[found["start_index"] : found["end_index"]] == when
    assert found["url"] == f"http://h/?video={'a' * 32}&t={start:g},{start + 2:g}"
    assert found["title"].startswith("a.mp4 ")


def test_a_stream_says_what_the_whole_says() -> None:
    reply = Reply("One  two\nthree.", [{"start_index": 0, "end_index": 3, "title": "t", "url": "u"}], 7, 5)
    chunks = list(Completion("m").chunks(reply, with_usage=True))
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == reply.text
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 12
    assert not Completion("m").whole(Reply("x"))["choices"][0]["message"]["annotations"]
    response = Response("m", None)
    events = [*response.opening(), *response.events(reply)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert len({event["type"] for event in events}) == 10
    assert events[-1]["response"]["output"] == response.whole(reply)["output"]
