"""Events: what `VideoAgent.stream` yields while a question is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from videochat.records import Answer, Caption, Step


@dataclass(frozen=True)
class Event:
    """One piece of news while a question is answered."""

    kind: Literal["evidence", "step", "token", "again", "answer"]
    """`evidence`: captions were retrieved; `step`: a tool was called; `token`: a piece of text; `again`: the text so
    far was a draft that went back to the model; `answer`: the end."""
    text: str = ""
    """Of a token, with citations already written as times; of `again`, what the draft lacked."""
    captions: list[Caption] = field(default_factory=list)
    step: Step | None = None
    """As in `Answer.steps`."""
    answer: Answer | None = None
    """What counts: its text has been checked as a whole."""


def last_answer(events: Sequence[Event]) -> Answer:
    """Return the answer with which the events of a question end."""
    answer = events[-1].answer
    assert answer is not None  # noqa: S101 - a stream that does not raise ends with the answer
    return answer
