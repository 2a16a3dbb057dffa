"""The captions of one video: stored with what was watched, indexed, exact."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.stored_captions import captions, detailed_caption, reachable, texts
from videochat.memory import CaptionStore, Gap
from videochat.records import Kind


def test_what_a_crash_left_without_vectors_is_found_after_the_next_opening(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions())
    # As it is after a kill: the row is there, its vector is not, and the video is marked as changed.
    extra = captions(rows=[(20, 21, "speech", "Serve it with raspberries.")])[0]
    store._library.mark("kitchen")
    with sqlite3.connect(store.path / "videos" / "kitchen" / "captions.sqlite3") as database:
        database.execute(
            "INSERT INTO captions (id, start_seconds, end_seconds, kind, source, text, rest) VALUES (?,?,?,?,?,?,?)",
            (extra.id, 20, 21, extra.kind, extra.source, extra.text, json.dumps(extra.as_dict())),
        )
    database.close()
    with CaptionStore(tmp_path / "memory") as store:
        assert store.search("raspberries", k=1)[0].similarity > 0, "found by likeness, not only by words"
        assert reachable(store, "kitchen") == {c.id for c in store.between("kitchen")}


def test_words_and_vectors_hold_the_same_captions(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    with CaptionStore(path) as store:
        many: list[tuple[float, float, Kind, str]] = [(i, i + 1, "speech", f"word{i} milk") for i in range(600)]
        store.add(captions(rows=many))
    with CaptionStore(path) as store:
        stored = store.captions_of("kitchen")
        assert reachable(store, "kitchen") == {c.id for c in stored.between()}
        stored.drop_other_versions("test", "none was ever watched")
        assert stored.count() == 600
        stored.record([], source="test", version="1", watched=(0, 600))
        stored.drop_other_versions("test", "2")
        assert stored.count() == 0
        assert reachable(store, "kitchen") == set()
        assert store.search("milk") == []


def test_captions_of_another_video_are_refused(store: CaptionStore) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        store.captions_of("kitchen").record(captions("garden"))
    assert store.captions_of("kitchen").count() == 0


def test_watched_stretches_are_merged_and_kept_by_version(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    for span in [(0.0, 4.0), (6.0, 8.0), (4.0, 5.0), (7.0, 9.0)]:
        stored.record([], source="ocr", version="1", watched=span)
    assert stored.watched("ocr", "1") == [(0, 5), (6, 9)]
    assert stored.watched("ocr", "2") == []
    assert stored.watched("shots", "1") == []


def test_captions_and_their_mark_are_stored_in_one_step(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    with pytest.raises(ValueError, match="does not belong"):
        stored.record([*captions(), *captions("garden")], source="test", version="1", watched=(0, 12))
    assert stored.count() == 0
    assert stored.watched("test", "1") == []


def test_gaps_and_facts_are_remembered(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        stored = store.captions_of("kitchen")
        stored.record_gap(Gap("ocr", 5, 9, "no luck"))
        stored.record_gap(Gap("ocr", 5, 9, "no luck again"))
        stored.set_facts(name="kitchen.mp4", size=(320, 180))
    with CaptionStore(tmp_path / "memory") as store:
        stored = store.captions_of("kitchen")
        assert stored.gaps() == [Gap("ocr", 5, 9, "no luck again")]
        assert stored.facts() == {"name": "kitchen.mp4", "size": [320, 180]}


@pytest.mark.parametrize(
    ("cleared", "left"),
    [((0, 20), []), ((0, 7), [(7, 9)]), ((7, 20), [(5, 7)]), ((6, 7), [(5, 6), (7, 9)]), ((9, 12), [(5, 9)])],
)
def test_what_of_a_gap_is_not_tried_again_stays(
    store: CaptionStore, cleared: tuple[float, float], left: list[tuple[float, float]]
) -> None:
    stored = store.captions_of("kitchen")
    stored.record_gap(Gap("ocr", 5, 9, "no luck"))
    stored.clear_gaps("ocr", *cleared)
    assert [(gap.start_seconds, gap.end_seconds) for gap in stored.gaps()] == left


def test_attributes_come_back_from_the_file_with_their_types(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add([detailed_caption()])
    with CaptionStore(tmp_path / "memory") as store:
        (back,) = store.between("kitchen")
        assert back == detailed_caption()
        assert back.id == detailed_caption().id
        types = {name: type(value) for name, value in back.attributes.items()}
        assert types == {name: type(value) for name, value in detailed_caption().attributes.items()}
        assert store.captions_of("kitchen").check() == []


def test_changes_hold_captions_whole_with_their_vectors_and_what_is_gone(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    stored.record([*captions(), detailed_caption()])
    first = stored.changes(0, 100)
    assert {caption.id for caption, _ in first.added} == {c.id for c in [*captions(), detailed_caption()]}
    (attributes,) = [c.attributes for c, _ in first.added if c.kind == "dense_caption"]
    assert attributes == detailed_caption().attributes
    assert all(len(vector) == 2 * 512 for _, vector in first.added)
    stored.replace([detailed_caption().id], [], {})
    later = stored.changes(first.upto, 100)
    assert (later.added, later.gone) == ([], [detailed_caption().id])
    assert len(stored.changes(0, 3).added) == 3, "no more than asked for"


def test_changes_are_acknowledged_only_where_nothing_came_after(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    stored.record(captions()[:3])
    upto = stored.changes(0, 100).upto
    stored.record(captions()[3:])
    called: list[bool] = []
    assert not stored.changes_taken(upto, lambda: called.append(True))
    assert stored.changed
    assert stored.changes_taken(stored.changes(upto, 100).upto, lambda: called.append(True))
    assert called == [True]
    assert not stored.changed


def test_captions_that_bring_their_vectors_are_not_embedded_again(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    vector = [1.0] + [0.0] * 511
    stored.add_with_vectors([detailed_caption()], [vector])
    assert list(stored.nearest(vector, 1, None, 0, 100).values()) == pytest.approx([1.0])
    assert stored.check() == []


def test_the_state_of_one_video_is_taken_over_by_another_store(store: CaptionStore, tmp_path: Path) -> None:
    stored = store.captions_of("kitchen")
    stored.record([], source="ocr", version="1", watched=(0, 4))
    stored.record_gap(Gap("ocr", 4, 6, "no luck"))
    stored.set_facts(name="kitchen.mp4")
    with CaptionStore(tmp_path / "other") as other:
        taken = other.captions_of("kitchen")
        taken.record([], source="ocr", version="1", watched=(3, 5))
        taken.add_state(stored.state())
        assert taken.watched("ocr", "1") == [(0, 5)], "what both watched adds up"
        assert taken.gaps() == stored.gaps()
        assert taken.facts() == stored.facts()


def test_pictures_are_kept_as_vectors_by_time(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    assert stored.frame_vectors("siglip")[2].shape == (0, 0)
    stored.record_frame_vectors("siglip", [(2.0, 4.0, np.array([0.0, 1.0])), (0.0, 2.0, np.array([1.0, 0.0]))])
    starts, ends, vectors = stored.frame_vectors("siglip")
    assert (starts.tolist(), ends.tolist()) == ([0, 2], [2, 4])
    assert vectors.tolist() == [[1, 0], [0, 1]]


def test_a_search_keeps_to_kinds_and_ranges(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    stored.record(captions())
    assert texts([hit.caption for hit in stored.search("milk", k=1)]) == ["Then pour the milk into the bowl."]
    assert stored.search("milk", kinds=["ocr"], end_seconds=4.0)[0].caption.kind == "ocr"
    assert stored.end_seconds() == 12
    assert len(stored.intervals()) == 7
    assert stored.intervals()[-1] == (9, 12, captions()[-1].id)
