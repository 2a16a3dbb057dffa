"""Checking, rebuilding, exporting and importing a store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.stored_captions import captions, detailed_caption, fill, found
from videochat.errors import StoreError
from videochat.memory import CaptionStore, WordEmbeddings, browse, maintenance, summarize
from videochat.memory.journal import pack
from videochat.memory.maintenance import check_store, export_captions, import_captions, rebuild


def test_rebuild_repairs_what_the_check_finds_and_takes_another_embedder(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        assert check_store(store).faults == []
        ids = [caption.id for caption in captions()]
        with store.chroma.session(write=True):
            store.chroma.delete("captions", ids[:2])
            state = store.captions_of("kitchen").state
            metadata = {"video_id": "kitchen"}
            third, fourth = ids[2], ids[3]
            store.chroma.put("captions", [(third, state.vectors[third], "changed", metadata)])
            store.chroma.put("captions", [(fourth, [1.0] + [0.0] * 511, state.captions[fourth].text, metadata)])
            store.chroma.put_captions([detailed_caption()], {detailed_caption().id: np.ones(512)})
        faults = check_store(store).faults
        assert [fault.split(": ")[1] for fault in faults] == [
            "2 captions are not in Chroma",
            "1 captions of Chroma are not in its journal",
            "1 captions have another text in Chroma",
            "1 captions have another vector in Chroma",
        ]
    assert rebuild(tmp_path).faults == []
    assert rebuild(tmp_path, WordEmbeddings(64)).faults == []
    with CaptionStore(tmp_path, embeddings=WordEmbeddings(64)) as store:
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]


def test_what_a_journal_has_lost_comes_back_from_chroma(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        fill(store)
        store.captions_of("kitchen").record([], source="ocr", version="1", watched=(0, 9))
    (tmp_path / "journal" / "garden.jsonl").unlink()
    (tmp_path / "journal" / "kitchen.jsonl").write_bytes(b"\xff" * 100 + b"\n")
    with CaptionStore(tmp_path) as store:
        with pytest.warns(UserWarning, match="lines of kitchen"):
            faults = " ".join(check_store(store).faults)
        assert "garden: Chroma has it, but its journal is gone" in faults
        assert "kitchen: the line at byte 0 of its journal was left out" in faults
    with pytest.warns(UserWarning, match="lines of kitchen"):
        health = rebuild(tmp_path)
    assert (health.videos, health.captions, health.faults) == (2, 9, [])
    with CaptionStore(tmp_path) as store:
        assert store.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert store.captions_of("garden").facts()["name"] == "garden.mp4"


@pytest.mark.parametrize("name", ["my video", "@eaDir", ".trash", "my film.jsonl"])
def test_what_is_no_journal_is_left_alone_and_named(tmp_path: Path, name: str) -> None:
    with CaptionStore(tmp_path) as store:
        fill(store)
    other = tmp_path / "journal" / name
    other.mkdir() if "." not in name[1:] else other.write_text("somebody's own")
    with CaptionStore(tmp_path) as store:
        assert store.video_ids() == ["garden", "kitchen"]
        assert [video.name for video in store.videos()] == ["garden.mp4", "kitchen.mp4"]
        assert found(store, "roses", k=1) == ["Water the roses in the evening."]
        assert export_captions(store, io.StringIO()) == 9
        assert check_store(store).faults == []
        assert "is named like no video; it is left alone" in check_store(store).remarks[0]
    assert rebuild(tmp_path).faults == []
    assert other.exists()


def test_the_old_name_of_the_check_still_works_and_warns(store: CaptionStore) -> None:
    store.add(captions())
    with pytest.warns(DeprecationWarning, match="verify is now videochat.memory.maintenance.check_store"):
        assert maintenance.verify(store).captions == 7  # type: ignore[attr-defined]  # the old name is what is tested


def exported(store: CaptionStore) -> list[str]:
    out = io.StringIO()
    export_captions(store, out)
    return out.getvalue().splitlines()


def test_what_is_exported_is_imported_whole_and_once(library: CaptionStore, tmp_path: Path) -> None:
    library.captions_of("kitchen").record([detailed_caption()], source="ocr", version="1", watched=(0, 9))
    summarize(library.captions_of("kitchen"), 12)
    lines = exported(library)
    with CaptionStore(tmp_path / "other") as other:
        assert import_captions(other, lines).added == 11
        assert import_captions(other, lines).added == 0
        assert other.videos() == library.videos()
        assert other.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert other.between("kitchen") == library.between("kitchen")
        assert browse(other.captions_of("kitchen"), "whole") == browse(library.captions_of("kitchen"), "whole")
        assert sum(summarize(other.captions_of("kitchen"), 12).made.values()) == 0
        assert check_store(other).faults == []
    journal = (library.path / "journal" / "kitchen.jsonl").read_bytes().splitlines()
    with CaptionStore(tmp_path / "third") as third:
        assert import_captions(third, journal).added == 9, "a journal is an export"


def test_an_export_of_the_version_before_is_taken_in(store: CaptionStore) -> None:
    state = [["facts", "name", '"kitchen.mp4"'], ["watched", "ocr", "1", 0.0, 9.0], ["notes", "embedder", '"builtin"']]
    lines = [{"format": "videochat captions", "version": 1}, {"video_id": "kitchen", "state": state}]
    report = import_captions(store, map(json.dumps, [*lines, *(caption.as_dict() for caption in captions())]))
    assert (report.added, report.left_out) == (7, [])
    assert store.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]


HEAD = '{"format": "videochat captions", "version": 2}'


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (["hello"], "no file of captions"),
        (["{}"], "no file of captions"),
        (['{"format": "videochat captions", "version": 9}'], "version '9', this videochat reads 1 to 2"),
    ],
)
def test_files_that_are_no_captions_are_named(library: CaptionStore, lines: list[str], match: str) -> None:
    assert import_captions(library, []).added == 0
    with pytest.raises(StoreError, match=match):
        import_captions(library, lines)


@pytest.mark.parametrize("line", ["{", '{"video_id": "a"}', "[" * 100_000, '{"event": "magic", "video_id": "a"}'])
def test_a_line_that_is_none_is_left_out_and_named(store: CaptionStore, line: str) -> None:
    good = json.dumps(captions()[0].as_dict())
    report = import_captions(store, ["\ufeff" + HEAD, line, good])
    assert (report.added, report.left_out_count) == (1, 1)
    assert report.left_out[0].startswith("line 2: ")


GOOD = json.dumps(captions()[0].as_dict())
BASE = captions()[0].as_dict()
VECTORS = {"event": "vectors", "video_id": "kitchen", "embedder": "builtin", "ids": [captions()[0].id]}


@pytest.mark.parametrize(
    "line",
    [
        BASE | {"track_id": 2**70},
        BASE | {"start_seconds": 0, "end_seconds": 10**400},
        BASE | {"box": [0, 0, 10**400, 1]},
        BASE | {"attributes": {"a\ud800": "b"}},
        BASE | {"attributes": {"a": 10**400}},
        VECTORS | {"vectors": pack([[1.0, 0.0, 0.0]])},
        VECTORS | {"vectors": ""},
        {"event": "frames", "video_id": "kitchen", "source": "s", "times": [[0, 1]], "vectors": ""},
        {"event": "facts", "video_id": "kitchen", "facts": {"captions": "many"}},
        {"event": "facts", "video_id": "kitchen", "facts": {"event": "zzz"}},
        {"event": "facts", "video_id": "kitchen", "facts": {"chroma:document": "x"}},
        {"event": "facts", "video_id": "kitchen", "facts": {"rate": 10**400}},
        {"event": "note", "video_id": "kitchen", "name": "n", "value": [10**400]},
        {"event": "cleared", "video_id": "kitchen", "source": "s", "start_seconds": 0, "end_seconds": 10**400},
    ],
)
def test_one_poisoned_line_harms_nothing(library: CaptionStore, line: dict[str, object]) -> None:
    more = captions("more")[0].as_dict()
    report = import_captions(library, [HEAD, GOOD, json.dumps(line), json.dumps(more)])
    assert (report.added, report.left_out_count) == (1, 1)
    assert found(library, "roses", k=1) == ["Water the roses in the evening."]
    assert len(library.videos()) == 3
    library.close()
    assert rebuild(library.path).faults == []


def test_halves_of_signs_in_facts_are_replaced(store: CaptionStore) -> None:
    line = {"event": "facts", "video_id": "kitchen", "facts": {"name": "a\ud800b", "made_by": "c\ud800"}}
    assert import_captions(store, [HEAD, json.dumps(line), GOOD]).left_out == []
    assert store.videos()[0].name == "a?b"
    assert check_store(store).faults == []


def test_pictures_of_two_widths_are_not_mixed(store: CaptionStore) -> None:
    base = {"event": "frames", "video_id": "kitchen", "source": "siglip"}
    lines = [base | {"times": [[i, i + 1]], "vectors": pack([[1.0] * (2 + i)])} for i in range(2)]
    import_captions(store, [HEAD, GOOD, *map(json.dumps, lines)])
    assert store.captions_of("kitchen").frame_vectors("siglip")[2].shape == (1, 2)
    assert check_store(store).faults == []


def test_a_foreign_file_with_the_name_of_an_id_is_left_alone(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        fill(store)
    foreign = tmp_path / "journal" / "shopping.jsonl"
    foreign.write_text("milk\neggs")
    with CaptionStore(tmp_path) as store:
        assert found(store, "roses", k=1) == ["Water the roses in the evening."]
        assert [video.id for video in store.videos()] == ["garden", "kitchen"]
    assert foreign.read_text() == "milk\neggs"
    assert rebuild(tmp_path).videos == 3
    assert any(file.read_text() == "milk\neggs" for file in (tmp_path / "damaged").iterdir()), "kept aside"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_journal_that_cannot_be_read_stops_no_rebuild_and_no_export(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        fill(store)
    (tmp_path / "journal" / "folder.jsonl").mkdir()
    (tmp_path / "journal" / "newer.jsonl").write_text('{"format": "videochat captions", "version": 9}\n')
    health = rebuild(tmp_path)
    assert (health.videos, health.captions) == (2, 9)
    assert len(health.faults) == len(health.remarks) == 1
    with CaptionStore(tmp_path) as store:
        assert export_captions(store, io.StringIO()) == 9
        with pytest.raises(StoreError, match="folder.jsonl"):
            store.forget("folder")
        store.forget("newer")
        assert check_store(store).faults == []
