"""What a store remembers of itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.store_metadata import FORMAT, StoreHeader, read_header, write_header


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file; a store needs a directory"):
        CaptionStore(tmp_path / "file")
    with pytest.raises(StoreError, match=r"cannot be (written|read)") as caught:
        CaptionStore(tmp_path / "file" / "below").add(captions())
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": 99, "embedder": "builtin"}')
    with pytest.raises(StoreError, match="format 99, this version reads 1 to 2"):
        CaptionStore(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        CaptionStore(tmp_path)


def test_a_header_is_written_whole_and_read_again(tmp_path: Path) -> None:
    assert read_header(tmp_path / "nowhere") is None
    assert read_header(tmp_path) is None
    header = StoreHeader(FORMAT, "builtin", "builtin")
    write_header(tmp_path, header)
    assert read_header(tmp_path) == header
    assert [path.name for path in tmp_path.iterdir()] == ["store.json"]


@pytest.mark.parametrize("text", ["{", "[]", '"text"', "{}", '{"format": 2}'])
def test_a_header_that_is_none_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(StoreError, match="remove that file: the captions are not in it"):
        read_header(tmp_path)


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(StoreError, match=r"\(No space left on device\). The disk is full: free some space"):
        write_header(tmp_path, StoreHeader(FORMAT, "builtin"))
