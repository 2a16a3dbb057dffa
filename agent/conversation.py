"""Conversations: the questions and answers of each thread, kept by a LangGraph checkpointer.

A checkpoint holds questions, answers and the numbered evidence, and nothing of the work between: no caption
dumps, no pictures. A turn that fails leaves no trace. Only the last checkpoint of a thread is kept, where that can be
told to the checkpointer, since each holds all turns.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, trim_messages
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages

from videochat.agent.citations import Evidence
from videochat.errors import InvalidArgument, MissingDependency, StoreError, first_line

if TYPE_CHECKING:
    from videochat.agent.conversation_file import ConversationFile

DEFAULT_THREAD = "main"
_POLL_SECONDS = 0.05


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

    Processes that share a file take turns in a thread: each reads what the others have added before it answers.

    Args:
        checkpointer: a LangGraph checkpointer, the path of an SQLite file, or None for this process's memory.
        about: returns what tells these conversations from those of other agents on the same checkpointer.
        names: names of the videos where citations must say which one; see `Evidence`.

    Raises:
        MissingDependency: a path was given, and the extra `sqlite` is not installed.
        StoreError: the file cannot be opened.
    """

    def __init__(
        self,
        checkpointer: BaseCheckpointSaver[Any] | str | os.PathLike[str] | None,
        about: Callable[[], str],
        names: Mapping[str, str],
    ) -> None:
        self._file = _open(os.fspath(checkpointer)) if isinstance(checkpointer, str | os.PathLike) else None
        self._own = checkpointer is None
        self._saver: BaseCheckpointSaver[Any] = (
            self._file or InMemorySaver()
            if checkpointer is None or isinstance(checkpointer, str | os.PathLike)
            else checkpointer
        )
        self._about, self._names = about, names
        graph = StateGraph(_State)
        graph.add_node("keep", lambda state: {})
        graph.add_edge(START, "keep")
        graph.add_edge("keep", END)
        self._graph: Any = graph.compile(checkpointer=self._saver)
        self._queues: dict[str, deque[Future[None]]] = {}
        self._guard = threading.Lock()
        self._pid = os.getpid()

    def load(self, thread: str, history: Iterable[tuple[str, str]] = ()) -> Conversation:
        """Return a thread as it stands.

        Args:
            thread: its name.
            history: earlier questions, each with its answer, of a thread that has none here.

        Raises:
            StoreError: it cannot be read, or is no conversation.
        """
        with self._failures(thread):
            state = self._state(thread)
            told = [message for turn in history for message in (HumanMessage(turn[0]), AIMessage(turn[1]))]
            messages, evidence = state.get("messages", told), state.get("evidence", {})
            if not all(isinstance(message, HumanMessage | AIMessage) for message in messages):
                raise ValueError("something in it is neither question nor answer")
            return Conversation(list(messages), Evidence.from_dict(evidence, names=self._names))

    def keep(self, thread: str, question: str, answer: str, evidence: Evidence) -> None:
        """Add a turn to a thread.

        Args:
            thread: its name.
            question: with its options, if it has any.
            answer: with its `[n]`.
            evidence: of the whole conversation.

        Raises:
            StoreError: it cannot be written.
        """
        messages: list[BaseMessage] = [HumanMessage(_whole(question)), AIMessage(_whole(answer))]
        with self._failures(thread):
            if self._own:
                messages = [*self._state(thread).get("messages", []), *messages]
                self.forget(thread)
            turn = {"messages": messages, "evidence": evidence.as_dict()}
            _outside_of_runs(lambda: self._graph.invoke(turn, self._config(thread), durability="exit"))

    def _state(self, thread: str) -> dict[str, Any]:
        state: dict[str, Any] = _outside_of_runs(lambda: self._graph.get_state(self._config(thread))).values
        return state

    @contextmanager
    def _failures(self, thread: str) -> Iterator[None]:
        check_thread(thread)
        try:
            yield
        except Exception as error:
            # A file that comes from elsewhere or is damaged fails anywhere in what reads it.
            place = f" of {str(self._file.path)!r}" if self._file else ""
            raise StoreError(
                f"The conversation {thread!r}{place} cannot be used "
                f"({first_line(error)[:160]}). Give another file, or begin another thread."
            ) from error

    def forget(self, thread: str) -> None:
        """Forget a thread.

        Raises:
            StoreError: it cannot be written.
        """
        with self._failures(thread):
            self._saver.delete_thread(self._config(thread)["configurable"]["thread_id"])

    def close(self) -> None:
        """Let go of the file, if there is one, until the next turn."""
        if self._file is not None:
            self._file.close()

    @contextmanager
    def hold(self, thread: str) -> Iterator[None]:
        """Hold a thread while a question is answered; those who asked earlier on it come first."""
        ticket = self._queue(thread)
        try:
            ticket.result()
            with self._among_processes(thread) as attempts:
                for _ in attempts:
                    time.sleep(_POLL_SECONDS)
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
            with self._among_processes(thread) as attempts:
                for _ in attempts:
                    await asyncio.sleep(_POLL_SECONDS)
                yield
        finally:
            self._leave(thread, ticket)

    def _among_processes(self, thread: str) -> AbstractContextManager[Iterable[None]]:
        if self._file is None:
            return nullcontext(())
        return self._file.turn(self._config(thread)["configurable"]["thread_id"])

    def _queue(self, thread: str) -> Future[None]:
        ticket: Future[None] = Future()
        if os.getpid() != self._pid:
            # Forked: whoever held a thread then is not here to leave it.
            self._queues, self._guard, self._pid = {}, threading.Lock(), os.getpid()
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
        return {"configurable": {"thread_id": f"videochat:{self._about()}:{check_thread(thread)}"}}


def check_thread(thread: str) -> str:
    """Return the name of a thread if it is one.

    Raises:
        InvalidArgument: it is no text, or empty.
    """
    if not isinstance(thread, str) or thread != _whole(thread):
        raise InvalidArgument(f"thread must be a text, the name of a conversation, got {thread!r}.")
    if not thread.strip():
        raise InvalidArgument("A thread needs a name that is not empty.")
    return thread


def _whole(text: str) -> str:
    """Return a text with a `?` for each half of a surrogate pair, which no file holds."""
    return text.encode("utf-8", "replace").decode()


def _outside_of_runs(call: Callable[[], Any]) -> Any:
    """Call outside of any LangGraph run around us, which would keep our state in its checkpoints."""
    return contextvars.Context().run(call)


def _open(path: str) -> ConversationFile:
    try:
        from videochat.agent.conversation_file import ConversationFile
    except ImportError as error:
        raise MissingDependency(
            f"Conversations in the file {path!r} need a package that is not installed: pip install 'videochat[sqlite]'."
        ) from error
    return ConversationFile(path)
