"""A question as it is asked: its text, its options, and the keywords of `VideoAgent.ask`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from videochat.agent.conversation import DEFAULT_THREAD, check_thread
from videochat.agent.multiple_choice import Choice
from videochat.agent.pipeline import Progress
from videochat.agent.verification import Verify
from videochat.errors import InvalidArgument, UnknownName


class AskOptions(TypedDict, total=False):
    """Keywords of `VideoAgent.ask`, `stream`, `aask` and `astream`; each may be left out."""

    options: Sequence[str] | None
    """What to choose from, 2 to 26 texts, where the question does not list them itself; `Answer.option` is the
    letter that was chosen."""
    thread: str
    """Name of the conversation that the question belongs to; `"main"` if left out."""
    verify: Verify | None
    """Whether each cited sentence is judged by a second call; None: as the agent was made."""
    wait_seconds: float
    """How many seconds to wait for the end of a watch in the background; `math.inf` for all of it, 0 if left out."""
    progress: Progress | None
    """Called with the second up to which the video has been read, where it must be watched first."""
    history: Sequence[tuple[str, str]]
    """Earlier questions, each with its answer, of a thread that this agent does not know yet; empty if left out."""


class RetrieverOptions(TypedDict, total=False):
    """Keywords of `VideoAgent.as_retriever`; each may be left out."""

    k: int
    """How many documents at most; 8 if left out."""
    kinds: list[str] | None
    """Only captions of these kinds; None for all but summaries."""
    start_seconds: float
    """Only captions that end after this."""
    end_seconds: float | None
    """Only captions that start before this; None for the end."""


@dataclass(frozen=True)
class Question:
    """One question as it was asked; the fields beside the text are those of `AskOptions`."""

    text: str
    choice: Choice | None = None
    """Its options, if it has any."""
    thread: str = DEFAULT_THREAD
    verify: Verify | None = None
    wait_seconds: float = 0.0
    progress: Progress | None = None
    history: Sequence[tuple[str, str]] = ()

    @classmethod
    def read(cls, caller: str, text: str, asked: AskOptions) -> Question:
        """Check a question and its keywords.

        Args:
            caller: the function that was called, for the message.
            text: the question.
            asked: its keywords.

        Raises:
            TypeError: there is no such keyword.
            InvalidArgument: the question is no text or empty, its options are none, or the thread has no name.
        """
        check_keywords(caller, asked, AskOptions.__annotations__)
        if not isinstance(text, str):
            raise InvalidArgument(f"A question must be a text, got {type(text).__name__}; ask something in words.")
        if not text.strip():
            raise InvalidArgument("The question is empty; ask something about the video.")
        return cls(
            text,
            Choice.read(text, asked.get("options")),
            check_thread(asked.get("thread", DEFAULT_THREAD)),
            asked.get("verify"),
            asked.get("wait_seconds", 0.0),
            asked.get("progress"),
            tuple(asked.get("history", ())),
        )

    def __str__(self) -> str:
        return str(self.choice) if self.choice else self.text


def check_keywords(caller: str, given: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse keywords that a function does not have, in a sentence that names those it has.

    Args:
        caller: the function that was called.
        given: its keywords and their values.
        known: the keywords that there are.

    Raises:
        TypeError: one of them is not known.
    """
    for name in given:
        if name not in known:
            raise TypeError(f"{caller}(): {UnknownName('keyword', name, known)}")
