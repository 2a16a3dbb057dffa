"""A file of conversations from elsewhere runs nothing, processes take turns, and it grows with what was said."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde import jsonplus

from videochat.agent import conversation_file
from videochat.agent.citations import Evidence
from videochat.agent.conversation import Conversations
from videochat.errors import InvalidArgument, StoreError, StoreInUse
from videochat.records import Caption


def evidence_of(count: int) -> Evidence:
    evidence = Evidence()
    evidence.add(Caption("v", i, i + 1, "ocr", f"text number {i}", "ocr") for i in range(count))
    return evidence


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "talk.sqlite"
    with closed(Conversations(file, lambda: "v", {})) as talk:
        talk.keep("main", "When?", "Now [1].", evidence_of(2))
    return file


@contextlib.contextmanager
def closed(talk: Conversations) -> Iterator[Conversations]:
    try:
        yield talk
    finally:
        talk.close()


def spoil(file: Path, change: Any) -> None:
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        kind, data = base.execute("SELECT type, checkpoint FROM checkpoints").fetchone()
        state = ormsgpack.unpackb(data, ext_hook=lambda code, raw: ormsgpack.Ext(code, raw))
        kind, state = change(kind, state["channel_values"], state)
        blob = state if isinstance(state, bytes) else ormsgpack.packb(state, option=ormsgpack.OPT_NON_STR_KEYS)
        base.execute("UPDATE checkpoints SET type = ?, checkpoint = ?", (kind, blob))


def call(code: str, *parts: Any) -> Any:
    return ormsgpack.Ext(getattr(jsonplus, f"EXT_{code}"), ormsgpack.packb(parts))


def put(name: str, value: Any) -> Any:
    def change(kind: str, values: dict[str, Any], state: dict[str, Any]) -> tuple[str, Any]:
        values[name] = value
        return kind, state

    return change


MARK = "ran"
CALLS = {
    "one argument": put("evidence", call("CONSTRUCTOR_SINGLE_ARG", "pathlib", "Path.touch", MARK)),
    "arguments": put("evidence", {"x": call("CONSTRUCTOR_POS_ARGS", "os", "mkdir", [MARK])}),
    "named arguments": put("messages", [call("CONSTRUCTOR_KW_ARGS", "os", "mkdir", {"path": MARK})]),
    "a method": put("evidence", call("METHOD_SINGLE_ARG", "os", "mkdir", MARK, "__call__")),
    "a model of pydantic": put("messages", [call("PYDANTIC_V2", "langchain_core.prompts", "PromptTemplate", {}, "")]),
    "within a message": put(
        "messages",
        [
            call(
                "PYDANTIC_V2",
                "langchain_core.messages.human",
                "HumanMessage",
                {"content": call("CONSTRUCTOR_SINGLE_ARG", "os", "mkdir", MARK)},
                "",
            )
        ],
    ),
    "a pickle": lambda *_: ("pickle", b"cos\nmkdir\n(S'ran'\ntR."),
    "JSON": lambda *_: ("json", b'{"lc":2,"type":"constructor","id":["os","mkdir"],"args":["ran"]}'),
    "no messages": put("messages", "abc"),
    "a number for evidence": put("evidence", {"captions": 5}),
    "a caption that is none": put("evidence", {"captions": [{"video_id": "v", "start_seconds": "x"}]}),
    "spans that are none": put("evidence", {"spans": {"a": [1]}}),
    "no checkpoint": lambda *_: ("msgpack", ormsgpack.packb([1, 2])),
    "deep": lambda *_: ("msgpack", b"\x91" * 100_000 + b"\x01"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_conversation_is_one_sentence_and_runs_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    spoil(file, CALLS[name])
    with closed(Conversations(file, lambda: "v", {})) as talk:
        with pytest.raises(StoreError, match=r"'main' of .*cannot be used"):
            talk.load("main")
        with contextlib.suppress(StoreError):
            talk.keep("main", "And?", "So.", evidence_of(1))
        assert not (tmp_path / MARK).exists()
        talk.forget("main")
        assert talk.load("main").messages == []


@pytest.mark.parametrize(
    "change",
    [
        "CREATE VIEW v AS SELECT * FROM writes",
        "CREATE TRIGGER t BEFORE INSERT ON checkpoints BEGIN DELETE FROM checkpoints; END",
    ],
)
def test_what_sqlite_would_run_by_itself_is_refused(file: Path, change: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as base:
        base.executescript(change)
    with pytest.raises(StoreError, match="views or triggers"):
        Conversations(file, lambda: "v", {})


def test_a_damaged_page_is_one_sentence(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(file.read_bytes())
    data[4096:] = bytes(range(256)) * (len(data[4096:]) // 256)
    file.write_bytes(data)
    with (
        closed(Conversations(file, lambda: "v", {})) as talk,
        pytest.raises(StoreError, match=r"'main' of .*cannot be used"),
    ):
        talk.load("main")


def test_it_grows_with_what_was_said(tmp_path: Path) -> None:
    sizes: dict[int, int] = {}
    with closed(Conversations(tmp_path / "talk.sqlite", lambda: "v", {})) as talk:
        for turn in range(1, 81):
            talk.keep("main", f"Question {turn}?", "An answer [1]. " * 20, evidence_of(turn))
            if turn in (20, 80):
                with contextlib.closing(sqlite3.connect(tmp_path / "talk.sqlite")) as base:
                    sizes[turn] = base.execute("SELECT sum(length(checkpoint)) FROM checkpoints").fetchone()[0]
        assert len(talk.load("main").messages) == 160
    assert sizes[80] < 5 * sizes[20]


def test_a_file_that_was_closed_is_opened_again(file: Path) -> None:
    with closed(Conversations(file, lambda: "v", {})) as talk:
        talk.close()
        assert len(talk.load("main").messages) == 2


def test_only_its_owner_reads_it(file: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in file.parent.rglob("*")} == {0}


def test_a_clock_that_was_set_back_loses_no_turn(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE checkpoints SET checkpoint_id = 'ffffffff' || substr(checkpoint_id, 9)")
    with closed(Conversations(file, lambda: "v", {})) as talk:
        talk.keep("main", "And then?", "Later [1].", evidence_of(2))
        assert len(talk.load("main").messages) == 4


def test_two_agents_take_turns(file: Path) -> None:
    """Two connections to one file are as two processes; those are tried in tests/stories."""
    talks = [Conversations(file, lambda: "v", {}) for _ in range(2)]

    def ask(talk: Conversations, name: str) -> None:
        for turn in range(8):
            with talk.hold("main"):
                before = talk.load("main")
                talk.keep("main", f"{name}{turn}", "Yes.", before.evidence)

    threads = [threading.Thread(target=ask, args=(talk, name)) for talk, name in zip(talks, "AB", strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [message.text for message in talks[0].load("main").messages[::2]]
    assert sorted(asked) == sorted(["When?", *(f"{name}{turn}" for name in "AB" for turn in range(8))])
    for talk in talks:
        talk.close()


async def test_who_waits_too_long_gets_a_sentence(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation_file, "TURN_SECONDS", 0.2)
    with closed(Conversations(file, lambda: "v", {})) as one, closed(Conversations(file, lambda: "v", {})) as other:
        async with one.ahold("main"):
            with pytest.raises(StoreInUse, match="Another process has been answering"):
                async with other.ahold("main"):
                    pass
            async with other.ahold("another"):
                pass
            waiting = asyncio.create_task(other.ahold("main").__aenter__())
            await asyncio.sleep(0.05)
            waiting.cancel()
        async with other.ahold("main"):
            pass


def test_half_a_sign_is_kept_as_a_question_mark(file: Path) -> None:
    with closed(Conversations(file, lambda: "v", {})) as talk:
        talk.keep("main", "What is \ud800?", "It is \udfff.", Evidence())
        assert [message.text for message in talk.load("main").messages[-2:]] == ["What is ??", "It is ?."]
        with pytest.raises(InvalidArgument, match="name of a conversation"):
            talk.load("a\ud800")
