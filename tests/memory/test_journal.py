"""The journal of a video: lines that are appended, read by others, and left out where they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.stored_captions import captions, detailed_caption
from videochat.errors import InvalidArgument, StoreError
from videochat.memory import journal as journal_module
from videochat.memory.journal import Journal, check_event, line_of, pack, parse_line, unpack
from videochat.memory.video_state import caption_event

FACTS = {"event": "facts", "video_id": "kitchen", "facts": {"name": "kitchen.mp4"}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "kitchen.jsonl"


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def test_what_one_appends_another_reads_once(file: Path) -> None:
    first, second = Journal(file, "kitchen"), Journal(file, "kitchen")
    assert second.read() == (False, [])
    first.append([caption_event(caption) for caption in captions()])
    events = second.read()[1]
    assert [event["caption"] for event in events] == captions()
    assert second.read() == (False, [])
    second.append([FACTS])
    assert names(first.read()[1]) == ["facts"]
    assert first.end == second.end == file.stat().st_size
    assert names(first.events_from(0)) == ["caption"] * 7 + ["facts"]


def test_a_caption_comes_back_whole(file: Path) -> None:
    Journal(file, "kitchen").append([caption_event(detailed_caption())])
    (event,) = Journal(file, "kitchen").read()[1]
    assert event["caption"] == detailed_caption()
    assert event["caption"].id == detailed_caption().id


def test_half_a_line_of_a_killed_process_counts_for_nothing(file: Path) -> None:
    Journal(file, "kitchen").append([FACTS])
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"event":"capt')
    journal = Journal(file, "kitchen")
    assert names(journal.read()[1]) == ["facts"]
    journal.append([FACTS])
    assert names(Journal(file, "kitchen").read()[1]) == ["facts", "facts"]
    assert journal.damage == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_line_is_named_and_the_others_are_read(file: Path, place: int) -> None:
    Journal(file, "kitchen").append([FACTS, FACTS | {"facts": {"duration_seconds": 12.0}}])
    lines = file.read_bytes().splitlines(keepends=True)
    lines[place] = lines[place].replace(b"kitchen", b"kitchin") if place else b"\x00\xff" + lines[place]
    file.write_bytes(b"".join(lines))
    journal = Journal(file, "kitchen")
    assert len(journal.read()[1]) == (1 if place else 2)
    (fault,) = journal.damage
    assert "of its journal was left out" in fault


def test_a_journal_that_was_written_anew_or_is_gone_is_forgotten(file: Path) -> None:
    reader, writer = Journal(file, "kitchen"), Journal(file, "kitchen")
    writer.append([FACTS, FACTS])
    reader.read()
    writer.replace([FACTS])
    assert (reader.read()[0], len(Journal(file, "kitchen").read()[1])) == (True, 1)
    file.unlink()
    assert reader.read() == (True, [])


def test_a_journal_of_a_newer_version_is_refused(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"format": "videochat captions", "version": 9}\n')
    with pytest.raises(StoreError, match="version 9, this videochat reads 2"):
        Journal(file, "kitchen").read()


def test_a_disk_that_is_full_is_a_sentence_and_nothing_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(file, "kitchen")
    journal.append([FACTS])
    before = file.read_bytes()

    class Full:
        """A file of which half a line still fits on the disk."""

        def __init__(self, path: Path, mode: str) -> None:
            self.real: Any = path.open(mode)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.real.close()

        def truncate(self, size: int) -> None:
            self.real.truncate(size)

        def write(self, data: bytes) -> None:
            self.real.write(data[:10])
            self.real.flush()
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_module, "open", lambda path, mode, **_: Full(path, mode), raising=False)
    with pytest.raises(StoreError, match="The disk is full: free some space"):
        journal.append([FACTS])
    monkeypatch.undo()
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("event", "match"),
    [
        ({"event": "caption", "video_id": "../x"}, "no id of a video"),
        ({"event": "caption", "video_id": 5}, "no id of a video"),
        ({"event": "magic", "video_id": "a"}, "no event 'magic'"),
        ({"event": "watched", "video_id": "a", "source": "x", "version": "1"}, "start of a range must be a number"),
        ({"event": "gap", "video_id": "a", "source": 5, "reason": ""}, "source of gap cannot be '5'"),
        ({"event": "facts", "video_id": "a", "facts": {"name": 5}}, "name of facts cannot be"),
        ({"event": "facts", "video_id": "a", "facts": {"duration_seconds": float("nan")}}, "lasts more than 0"),
        ({"event": "removed", "video_id": "a", "ids": [1]}, "must be texts"),
        ({"event": "vectors", "video_id": "a", "embedder": "e", "ids": ["x"], "vectors": "?"}, "no matrix of 1 rows"),
    ],
)
def test_an_event_of_another_form_is_a_sentence(event: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidArgument, match=match):
        check_event(event)


@pytest.mark.parametrize("line", [b"[" * 200_000, b"5", b"{", b"\xff\xfe", b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_is_no_line_is_a_sentence(line: bytes) -> None:
    with pytest.raises(InvalidArgument, match="it is no JSON|is no JSON object"):
        parse_line(line)


def test_a_line_steers_no_terminal_and_keeps_its_text() -> None:
    line = line_of({"event": "facts", "facts": {"name": "\x1b[2J\x9b31m\u202efilm"}})
    assert not any(sign in line.decode() for sign in "\x1b\x9b\u202e")
    assert parse_line(line)["facts"]["name"] == "\x1b[2J\x9b31m\u202efilm"
    assert json.loads(line)["check"]


def test_vectors_are_unit_vectors_again() -> None:
    packed = pack([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(unpack(packed, 2), np.array([[0.6, 0.8], [0, 0]]), atol=1e-3)
    assert unpack("", 0).shape == (0, 0)
