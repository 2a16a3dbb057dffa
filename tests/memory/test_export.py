"""Export and import of captions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions, detailed_caption
from videochat.errors import StoreError
from videochat.memory import CaptionStore, browse, summarize
from videochat.memory.export import export_captions, import_captions
from videochat.memory.maintenance import check_store


def test_what_is_exported_is_imported_whole_and_once(library: CaptionStore, tmp_path: Path) -> None:
    library.captions_of("kitchen").record([], source="ocr", version="1", watched=(0, 9))
    out = io.StringIO()
    assert export_captions(library, out) == 9
    with CaptionStore(tmp_path / "other") as other:
        assert import_captions(other, io.StringIO(out.getvalue())) == 9
        assert import_captions(other, io.StringIO(out.getvalue())) == 0
        assert other.videos() == library.videos()
        assert other.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert other.between("kitchen") == library.between("kitchen")


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([], None),
        (["hello"], "no file of captions"),
        (['{"format": "videochat captions", "version": 9}'], "version 9, this videochat reads 1"),
        (['{"format": "videochat captions", "version": 1}', "{"], "Line 2 is no JSON object"),
        (['{"format": "videochat captions", "version": 1}', '{"video_id": "a"}'], "Line 2 is no caption"),
    ],
)
def test_files_that_are_no_captions_are_named(library: CaptionStore, lines: list[str], match: str | None) -> None:
    if match is None:
        assert import_captions(library, lines) == 0
        return
    with pytest.raises(StoreError, match=match):
        import_captions(library, lines)


def test_attributes_are_exported_and_imported_and_stay_once(store: CaptionStore, tmp_path: Path) -> None:
    store.add([*captions(), detailed_caption()])
    summarize(store.captions_of("kitchen"), 12)
    out = io.StringIO()
    export_captions(store, out)
    with CaptionStore(tmp_path / "other") as other:
        assert import_captions(other, io.StringIO(out.getvalue())) == 9
        assert detailed_caption() in other.between("kitchen")
        assert browse(other.captions_of("kitchen"), "whole") == browse(store.captions_of("kitchen"), "whole")
        assert sum(summarize(other.captions_of("kitchen"), 12).made.values()) == 0
        assert check_store(other).faults == []
        assert import_captions(other, io.StringIO(out.getvalue())) == 0
