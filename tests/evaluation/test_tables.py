"""Tables in every form; Parquet says what it needs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.benchmark_files import write_json
from videochat.errors import InvalidArgument, MissingDependency
from videochat.evaluation.tables import find_files, numbered_rows, read_json


def test_a_list_and_an_object_of_objects(tmp_path: Path) -> None:
    assert list(numbered_rows(write_json(tmp_path / "a.json", [{"x": 1}, 2]))) == [
        ("a.json, entry 1", {"x": 1}),
        ("a.json, entry 2", "it is no object"),
    ]
    assert list(numbered_rows(write_json(tmp_path / "b.json", {"k": {"x": 1}}))) == [("b.json, entry 1", {"x": 1})]
    with pytest.raises(InvalidArgument, match="should hold a list of questions, and holds int"):
        list(numbered_rows(write_json(tmp_path / "c.json", 3)))


def test_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfvideo,qid\r\nv,1\r\n")
    assert list(numbered_rows(tmp_path / "a.csv")) == [("a.csv, line 2", {"video": "v", "qid": "1"})]
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf{}")
    assert read_json(tmp_path / "a.json") == {}


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test-00000-of-00001.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match="pip install pyarrow"):
        list(numbered_rows(path))


def test_parquet_is_read_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = SimpleNamespace(to_pylist=lambda: [{"question": "Which?"}])
    parquet = SimpleNamespace(read_table=lambda path: table)
    monkeypatch.setitem(sys.modules, "pyarrow", SimpleNamespace(parquet=parquet))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", parquet)
    assert list(numbered_rows(tmp_path / "t.parquet")) == [("t.parquet, row 1", {"question": "Which?"})]


def test_all_files_of_a_kind(tmp_path: Path) -> None:
    write_json(tmp_path / "b" / "1.json", [])
    write_json(tmp_path / "a" / "2.json", [])
    assert [path.name for path in find_files(tmp_path, "*.json", None, "list")] == ["1.json", "2.json"]
