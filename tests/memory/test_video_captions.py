"""The captions of one video: stored with what was watched, indexed, exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.stored_captions import captions, detailed_caption, texts
from videochat.memory import CaptionStore, Gap, WordEmbeddings
from videochat.records import Kind


def test_another_version_of_a_source_is_dropped_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    with CaptionStore(path) as store:
        many: list[tuple[float, float, Kind, str]] = [(i, i + 1, "speech", f"word{i} milk") for i in range(600)]
        store.add(captions(rows=many))
    with CaptionStore(path) as store:
        stored = store.captions_of("kitchen")
        stored.drop_other_versions("test", "none was ever watched")
        assert stored.count() == 600
        stored.record([], source="test", version="1", watched=(0, 600))
        stored.drop_other_versions("test", "2")
        stored.publish()
        assert stored.count() == 0
        assert store.search("milk") == []
        assert store.vectorstore().get()["ids"] == []


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


def test_pictures_are_kept_as_vectors_by_time(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    assert stored.frame_vectors("siglip")[2].shape == (0, 0)
    stored.record_frame_vectors("siglip", [(2.0, 4.0, np.array([0.0, 1.0])), (0.0, 2.0, np.array([1.0, 0.0]))])
    starts, ends, vectors = stored.frame_vectors("siglip")
    assert (starts.tolist(), ends.tolist()) == ([0, 2], [2, 4])
    assert vectors.tolist() == [[1, 0], [0, 1]]


def test_captions_come_in_temporal_order_of_a_range_and_kinds(store: CaptionStore) -> None:
    stored = store.captions_of("kitchen")
    stored.record(list(reversed(captions())))
    assert texts(stored.between(6.0, 9.0, ["speech"])) == ["Then pour the milk into the bowl."]
    starts = [caption.start_seconds for caption in stored.between()]
    assert starts == sorted(starts)
    assert stored.end_seconds() == 12
    assert (stored.known, store.captions_of("garden").known) == (True, False)


def test_embeddings_that_break_cost_no_caption(tmp_path: Path) -> None:
    with CaptionStore(tmp_path, embeddings=BrokenEmbeddings()) as store:
        with pytest.raises(RuntimeError, match="out of memory"):
            store.add(captions())
        assert len(store.between("kitchen")) == 7
        store.captions_of("kitchen")._unpublished.clear()
    with CaptionStore(tmp_path, embeddings="builtin") as store:
        assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."


class BrokenEmbeddings(WordEmbeddings):
    """Embeddings that break."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise RuntimeError("out of memory")
