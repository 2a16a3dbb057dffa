"""Conversations in an SQLite file: read as texts and numbers whoever wrote it, and shared by processes turn by turn."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import ormsgpack
from filelock import FileLock, Timeout
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.jsonplus import EXT_PYDANTIC_V2, JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from videochat.errors import StoreError, StoreInUse, first_line

TURN_SECONDS = 600.0
"""How long to wait for another process that is answering in the same conversation."""
_MESSAGES: dict[str, type[BaseMessage]] = {"HumanMessage": HumanMessage, "AIMessage": AIMessage}


class PlainSerializer(JsonPlusSerializer):
    """Writes what LangGraph writes, and reads of it only plain values and the texts of messages.

    LangGraph's own reader imports and calls whatever name the file gives.
    """

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the value of a row.

        Raises:
            ValueError: it is of another type, or holds something else than plain values and messages.
        """
        kind, raw = data
        if kind == "null":
            return None
        if kind != "msgpack":
            raise ValueError(f"a row of type {str(kind)[:20]!r}, which no conversation has")
        return ormsgpack.unpackb(raw, ext_hook=_message)


def _message(code: int, raw: bytes) -> BaseMessage:
    module, name, fields, *_ = ormsgpack.unpackb(raw)  # without a hook: nothing is nested in a message
    kind = _MESSAGES.get(name)
    if code != EXT_PYDANTIC_V2 or kind is None or not str(module).startswith("langchain_core.messages."):
        raise ValueError(f"it holds {str(module)[:40]}.{str(name)[:40]}, which is no message")
    return kind(content=str(fields["content"]), id=fields.get("id"))


class ConversationFile(SqliteSaver):
    """A LangGraph checkpointer over a file that only its owner may read; of each conversation it keeps the last state.

    Args:
        path: of the file; made if it is not there.

    Raises:
        StoreError: it cannot be opened, or is no such file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).expanduser().absolute()
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            super().__init__(self._connect(), serde=PlainSerializer())
            self.setup()
            if self.conn.execute("SELECT 1 FROM sqlite_master WHERE type IN ('view', 'trigger')").fetchone():
                raise ValueError("it has views or triggers, which no file of conversations has")
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StoreError(
                f"The conversations {str(self.path)!r} cannot be opened ({first_line(error)}); give another file."
            ) from error

    def _connect(self) -> sqlite3.Connection:
        self._open = True
        connection = sqlite3.connect(self.path, check_same_thread=False)
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Give a cursor, as the base class does; a file that was closed is opened again."""
        if not self._open:
            self.conn = self._connect()
        with super().cursor(transaction) as cursor:
            yield cursor

    def close(self) -> None:
        """Let go of the file until it is used again."""
        self._open = False
        self.conn.close()

    def with_allowlist(self, extra_allowlist: Any) -> ConversationFile:
        """Return itself: what may be read stands in `PlainSerializer`."""
        return self

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Save the state of a conversation, and drop the states before: each holds all earlier turns again."""
        saved = super().put(config, checkpoint, metadata, new_versions)
        row = saved["configurable"]
        with self.cursor() as cursor:
            # Not by the order of the ids, which are times: a clock may have been set back.
            for table in ("DELETE FROM checkpoints", "DELETE FROM writes"):
                cursor.execute(
                    f"{table} WHERE thread_id = ? AND checkpoint_ns = ? AND checkpoint_id <> ?",
                    (row["thread_id"], row["checkpoint_ns"], row["checkpoint_id"]),
                )
        return saved

    @contextmanager
    def turn(self, thread_id: str) -> Iterator[Iterator[None]]:
        """Hold a conversation against other processes.

        Args:
            thread_id: of the conversation.

        Yields:
            What must be exhausted before it is held, with a pause after each item: the caller's, who may be async.

        Raises:
            StoreInUse: from that iterator, another process holds it for minutes.
            StoreError: from that iterator, nothing may be written beside the file.
        """
        folder = self.path.with_name(f"{self.path.name}.locks")
        lock = FileLock(folder / f"{blake2b(thread_id.encode(), digest_size=8).hexdigest()}.lock", thread_local=False)

        def attempts() -> Iterator[None]:
            until = time.monotonic() + TURN_SECONDS
            while True:
                try:
                    folder.mkdir(mode=0o700, exist_ok=True)
                    lock.acquire(timeout=0)
                    return
                except Timeout as error:
                    if time.monotonic() > until:
                        raise StoreInUse(
                            f"Another process has been answering in this conversation of {str(self.path)!r} for "
                            f"{TURN_SECONDS:.0f} seconds. Wait until it is done, or ask in another thread."
                        ) from error
                except OSError as error:
                    raise StoreError(
                        f"The conversations {str(self.path)!r} cannot be held against other processes "
                        f"({first_line(error)}). Allow writing beside the file, or give another."
                    ) from error
                yield

        try:
            yield attempts()
        finally:
            lock.release()
