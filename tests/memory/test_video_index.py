"""The captions of one video in memory: exact, by vectors and by words."""

from __future__ import annotations

import numpy as np
import pytest

from videochat.memory.video_index import VideoIndex, WordIndex
from videochat.records import Caption


def index_of(*texts: str) -> VideoIndex:
    index = VideoIndex()
    captions = {c.id: c for c in (Caption("v", i, i + 1, "speech", text, "t") for i, text in enumerate(texts))}
    index.update(captions, {id_: np.eye(len(texts), dtype=np.float32)[i] for i, id_ in enumerate(captions)})
    return index


def words_of(*texts: str) -> WordIndex:
    index = WordIndex()
    index.add(enumerate(Caption("v", i, i + 1, "speech", text, "t") for i, text in enumerate(texts)))
    return index


def test_rare_words_count_more_and_stems_and_accents_do_not_matter() -> None:
    index = words_of("a dog runs", "a dog barks", "Été: a dog and a café", "nothing of it")
    assert list(index.scores(["dogs", "barking"], 10)) == [1, 0, 2]
    assert list(index.scores(["cafe", "ete"], 10)) == [2]
    assert index.scores([], 10) == {}
    assert len(index.scores(["dog"], 2)) == 2


def test_a_score_says_how_much_of_the_question_is_there() -> None:
    scores = words_of("red roses", "red cars", "milk", "bread", "a house").scores(["red", "roses"], 10)
    assert scores[0] > 0.8 > 0.65 > scores[1] > 0
    absent = words_of("red roses", "red cars", "milk", "bread").scores(["red", "giraffe"], 10)
    assert max(absent.values()) < 0.5, "a word that none has leaves a question uncovered"


def test_words_that_thousands_of_captions_share_rank_nothing() -> None:
    index = words_of(*["river stone"] * 3000, "river otter")
    assert list(index.scores(["river", "otter"], 10)) == [3000]


def test_vectors_are_compared_exactly_within_rows() -> None:
    index = index_of("one", "two", "three")
    rows = index.rows()
    assert index.cosines([0, 1, 0], rows).tolist() == [0, 1, 0]
    assert index.cosines([0, 1, 0], np.array([], int)).tolist() == []
    assert index.rows(start=1.5, end=2.0).tolist() == [1]
    assert index.rows(["ocr"]).tolist() == []


def test_what_is_removed_is_found_no_more_and_what_is_new_joins() -> None:
    index = index_of("one", "two")
    keep = {index.captions[1].id: index.captions[1]}
    more = Caption("v", 5, 6, "ocr", "three", "t")
    index.update(keep | {more.id: more}, {more.id: np.array([1, 0], np.float32)})
    assert [index.captions[row].text for row in index.rows()] == ["two", "three"]
    assert index.bm25(["one"], index.rows()).tolist() == [0, 0]
    assert index.bm25(["three"], index.rows())[1] == pytest.approx(1, abs=0.4)
    assert index.bytes > 0
