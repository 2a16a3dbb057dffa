"""Conversations: the questions and answers of each thread, kept by a LangGraph checkpointer.

A checkpoint holds questions, answers and the numbered evidence, and nothing of the work between: no caption
dumps, no pictures. A turn that fails leaves no trace.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from videochat.agent.citations import Evidence
from videochat.errors import InvalidArgument, MissingDependency, StoreError

DEFAULT_THREAD = "main"


class _State(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    evidence: dict[str, Any]


@dataclass
class Conversation:
    """One thread as it stands before a turn."""

    messages: list[BaseMessage]
    """Questions and answers in turn; answers with their `[n]`."""
    evidence: Evidence

    def recent(self, tokens: int) -> list[BaseMessage]:
        """Return the last turns that fit into about `tokens`."""
        kept = trim_messages(
            self.messages, max_tokens=tokens, token_counter=count_tokens_approximately, start_on="human"
        )
        return list(kept)


class Conversations:
    """The threads of one agent. Turns of one thread come one after another, in the order they were asked.

    Args:
        checkpointer: a LangGraph checkpointer, the path of an SQLite file, or None for this process's memory.
        about: what tells these conversations from those of other agents on the same checkpointer.
        names: names of the videos where citations must say which one; see `Evidence`.

    Raises:
        MissingDependency: a path was given, and the extra `sqlite` is not installed.
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        checkpointer: BaseCheckpointSaver[Any] | str | os.PathLike[str] | None,
        about: str,
        names: Mapping[str, str],
    ) -> None:
        if isinstance(checkpointer, str | os.PathLike):
            checkpointer = _sqlite(os.fspath(checkpointer))
        self._saver: BaseCheckpointSaver[Any] = InMemorySaver() if checkpointer is None else checkpointer
        self._about, self._names = about, names
        graph = StateGraph(_State)
        graph.add_node("keep", lambda state: {})
        graph.add_edge(START, "keep")
        graph.add_edge("keep", END)
        self._graph: Any = graph.compile(checkpointer=self._saver)
        self._queues: dict[str, deque[Future[None]]] = {}
        self._guard = threading.Lock()

    def load(self, thread: str) -> Conversation:
        """Return a thread as it stands."""
        state = _outside_of_runs(lambda: self._graph.get_state(self._config(thread))).values
        return Conversation(
            list(state.get("messages", [])), Evidence.from_dict(state.get("evidence", {}), names=self._names)
        )

    def keep(self, thread: str, question: str, answer: str, evidence: Evidence) -> None:
        """Add a turn to a thread.

        Args:
            thread: its name.
            question: with its options, if it has any.
            answer: with its `[n]`.
            evidence: of the whole conversation.
        """
        turn = {"messages": [HumanMessage(question), AIMessage(answer)], "evidence": evidence.as_dict()}
        _outside_of_runs(lambda: self._graph.invoke(turn, self._config(thread), durability="exit"))

    def forget(self, thread: str) -> None:
        """Forget a thread."""
        self._saver.delete_thread(self._config(thread)["configurable"]["thread_id"])

    @contextmanager
    def hold(self, thread: str) -> Iterator[None]:
        """Hold a thread while a question is answered; those who asked earlier on it come first."""
        ticket = self._queue(thread)
        try:
            ticket.result()
            yield
        finally:
            self._leave(thread, ticket)

    @asynccontextmanager
    async def ahold(self, thread: str) -> AsyncIterator[None]:
        """Hold a thread as `hold` does, without blocking the event loop."""
        ticket = self._queue(thread)
        try:
            # Shielded: a ticket that is cancelled from outside would block those behind it.
            await asyncio.shield(asyncio.wrap_future(ticket))
            yield
        finally:
            self._leave(thread, ticket)

    def _queue(self, thread: str) -> Future[None]:
        ticket: Future[None] = Future()
        with self._guard:
            queue = self._queues.setdefault(thread, deque())
            queue.append(ticket)
            if queue[0] is ticket:
                ticket.set_result(None)
        return ticket

    def _leave(self, thread: str, ticket: Future[None]) -> None:
        with self._guard:
            queue = self._queues[thread]
            queue.remove(ticket)
            if not queue:
                del self._queues[thread]
            elif not queue[0].done():
                queue[0].set_result(None)

    def _config(self, thread: str) -> dict[str, Any]:
        return {"configurable": {"thread_id": f"videochat:{self._about}:{check_thread(thread)}"}}


def check_thread(thread: str) -> str:
    """Return the name of a thread if it is one.

    Raises:
        InvalidArgument: it is no text, or empty.
    """
    if not isinstance(thread, str):
        raise InvalidArgument(f"thread must be a text, the name of a conversation, got {thread!r}.")
    if not thread.strip():
        raise InvalidArgument("A thread needs a name that is not empty.")
    return thread


def _outside_of_runs(call: Callable[[], Any]) -> Any:
    """Call outside of any LangGraph run around us, which would keep our state in its checkpoints."""
    return contextvars.Context().run(call)


def _sqlite(path: str) -> BaseCheckpointSaver[Any]:
    import sqlite3

    try:
        from langgraph.checkpoint.sqlite import SqliteSaver
    except ImportError as error:
        raise MissingDependency(
            f"Conversations in the file {path!r} need a package that is not installed: pip install 'videochat[sqlite]'."
        ) from error
    try:
        saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
        saver.setup()
    except sqlite3.Error as error:
        raise StoreError(f"The conversations {path!r} cannot be opened ({error}); give another file.") from error
    return saver
