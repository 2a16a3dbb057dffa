"""Checking, rebuilding, exporting and importing a store."""

from __future__ import annotations

import io
import sqlite3
from pathlib import Path

import pytest
from videochat.memory.export import export_captions

from tests.fakes.stored_captions import captions, fill, found
from videochat.memory import CaptionStore, WordEmbeddings, maintenance
from videochat.memory.maintenance import check_store, rebuild


def test_rebuild_repairs_what_the_check_finds_and_takes_another_embedder(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        assert check_store(store).faults == []
    with sqlite3.connect(tmp_path / "videos" / "kitchen" / "captions.sqlite3") as database:
        database.execute("INSERT INTO words (words) VALUES ('delete-all')")
        database.execute("DELETE FROM vectors")
    database.close()
    with CaptionStore(tmp_path) as store:
        faults = check_store(store).faults
        assert len(faults) == 2
        assert all("kitchen" in fault for fault in faults)
    assert rebuild(tmp_path).faults == []
    assert rebuild(tmp_path, WordEmbeddings(64)).faults == []
    with CaptionStore(tmp_path, embeddings=WordEmbeddings(64)) as store:
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]


@pytest.mark.parametrize("name", ["my video", "@eaDir", ".trash"])
def test_a_folder_that_is_no_video_is_left_alone_and_named(tmp_path: Path, name: str) -> None:
    with CaptionStore(tmp_path) as store:
        fill(store)
    (tmp_path / "videos" / name).mkdir()
    (tmp_path / "videos" / name / "captions.sqlite3").write_text("somebody's own")
    with CaptionStore(tmp_path) as store:
        assert store.video_ids() == ["garden", "kitchen"]
        assert [video.name for video in store.videos()] == ["garden.mp4", "kitchen.mp4"]
        assert found(store, "roses", k=1) == ["Water the roses in the evening."]
        assert export_captions(store, io.StringIO()) == 9
        (fault,) = check_store(store).faults
        assert f"the folder {name!r} among the videos" in fault
    (fault,) = rebuild(tmp_path).faults
    assert repr(name) in fault
    assert (tmp_path / "videos" / name / "captions.sqlite3").read_text() == "somebody's own"


def test_the_old_name_of_the_check_still_works_and_warns(store: CaptionStore) -> None:
    store.add(captions())
    with pytest.warns(DeprecationWarning, match="verify is now videochat.memory.maintenance.check_store"):
        assert maintenance.verify(store).captions == 7  # type: ignore[attr-defined]  # the old name is what is tested


def test_an_empty_folder_of_a_video_is_a_fault(store: CaptionStore) -> None:
    store.captions_of("empty")
    assert any("nothing in it; `memory forget` removes it" in fault for fault in check_store(store).faults)
