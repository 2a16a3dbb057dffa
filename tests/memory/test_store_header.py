"""What a store remembers of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions
from videochat.errors import StoreError
from videochat.memory import CaptionStore


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
