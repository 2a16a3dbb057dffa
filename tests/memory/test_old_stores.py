"""A store as the version before wrote it, with its vectors, pictures, gaps and summaries."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore, browse
from videochat.memory.maintenance import check_store, rebuild
from videochat.memory.old_stores import state_event

KITCHEN, GARDEN = "a" * 32, "b" * 32


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The directory of a store of format 2."""
    with tarfile.open(Path(__file__).with_name("data") / "store_format_2.tar.gz") as archive:
        archive.extractall(tmp_path / "memory", filter="data")
    return tmp_path / "memory"


def test_an_old_store_is_brought_over_whole_and_kept_beside(old: Path) -> None:
    with CaptionStore(old) as store:
        assert check_store(store).faults == [], "in Chroma already"
        assert [(video.name, video.captions) for video in store.videos()] == [("garden.mp4", 5), ("kitchen.mp4", 5)]
        kitchen = store.captions_of(KITCHEN)
        assert [c.text for c in kitchen.between(kinds=["speech"])][-1] == "我们先倒牛奶"
        (person,) = kitchen.between(kinds=["objects"])
        assert (person.box, person.track_id, person.score) == ((1, 2, 30, 40.5), 3, 0.9)
        assert kitchen.watched("subtitles", "1") == [(0, 40)]
        assert kitchen.gaps()[0].reason == "the model failed"
        assert kitchen.facts()["size"] == [640, 360]
        assert kitchen.frame_vectors("siglip every 1 s")[2].shape == (10, 8)
        assert browse(kitchen, "whole")
        assert store.search("牛奶", k=1)[0].caption.text == "我们先倒牛奶"
        assert check_store(store).faults == []
    assert sorted(path.name for path in (old / "before-format-3").iterdir()) == [KITCHEN, GARDEN]
    with CaptionStore(old) as store:
        assert len(store.videos()) == 2


def test_its_vectors_are_taken_over(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.text_embeddings.WordEmbeddings.embed_documents", _refuse)
    with CaptionStore(old) as store:
        assert store.captions_of(KITCHEN).state.bare == {}
        assert (
            store.search("milk", k=1, video_ids=[KITCHEN], by="dense")[0].caption.text == "milk is poured into a bowl"
        )


def _refuse(self: object, texts: list[str]) -> list[list[float]]:
    raise AssertionError("embedded anew")


def test_a_damaged_video_is_left_and_named_and_the_other_comes_over(old: Path) -> None:
    damaged = old / "videos" / KITCHEN / "captions.sqlite3"
    damaged.write_bytes(bytes(4096) + damaged.read_bytes()[4096:])
    with pytest.warns(UserWarning, match=f"{KITCHEN} in the old format cannot be read"):
        store = CaptionStore(old)
    with store:
        assert store.video_ids() == [GARDEN]
        assert store.search("roses", k=1)[0].caption.text == "roses are cut"
        assert any(str(damaged.parent) in remark for remark in check_store(store).remarks)
        store.forget(KITCHEN)
    assert rebuild(old).faults == []


def test_rows_of_another_form_are_sentences() -> None:
    assert state_event("a", "notes", ["x/y", "[1]"])["value"] == [1]
    for table, row in (("facts", ["name"]), ("watched", ["x"]), ("magic", []), ("facts", ["name", {}])):
        with pytest.raises(InvalidArgument, match="cannot be|there is no table"):
            state_event("a", table, row)
