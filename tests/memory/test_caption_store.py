"""What is stored is stored once, is found, survives crashes, and is not mixed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from videochat.errors import StoreError, StoreInUse, UnknownName
from videochat.intervals import merge_intervals
from videochat.memory import CaptionStore, Gap, WordEmbeddings, caption_store
from videochat.memory.coverage import coverage
from videochat.memory.query import meant_kinds
from videochat.memory.retrieval import recall
from videochat.memory.words import content_words
from videochat.records import Caption, Kind

KITCHEN: list[tuple[float, float, Kind, str]] = [
    (0, 4, "shot", "one shot of 4.0 s"),
    (0, 2, "ocr", "WELCOME / TO THE KITCHEN"),
    (1, 3, "speech", "Today we bake a chocolate cake."),
    (3, 6, "speech", "First, melt the butter slowly."),
    (4, 9, "shot", "one shot of 5.0 s"),
    (6, 9, "speech", "Then pour the milk into the bowl."),
    (9, 12, "ocr", "BAKE 40 MINUTES"),
]


def captions(video_id: str = "kitchen", rows: Sequence[tuple[float, float, Kind, str]] = KITCHEN) -> list[Caption]:
    return [Caption(video_id, start, end, kind, text, "test") for start, end, kind, text in rows]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaptionStore]:
    with CaptionStore(tmp_path / "memory") as opened:
        yield opened


def texts(found: Sequence[Caption]) -> list[str]:
    return [caption.text for caption in found]


# Stored once, given back in order


def test_adding_twice_stores_once(store: CaptionStore) -> None:
    assert store.add(captions()) == 7
    assert store.add(captions()) == 0
    assert store.add([*captions(), *captions(rows=[(9, 10, "speech", "Done.")])]) == 1
    assert len(store.between("kitchen")) == 8


def test_captions_come_back_whole_and_in_temporal_order(store: CaptionStore) -> None:
    full = Caption("kitchen", 2, 3, "dense_caption", "a bowl", "m", 0.5, (1, 2, 30.5, 40), 3, "en")
    store.add([*reversed(captions()), full])
    back = store.between("kitchen")
    assert full in back
    assert {c.id for c in back} == {c.id for c in [*captions(), full]}
    assert [c.start_seconds for c in back] == sorted(c.start_seconds for c in back)


@pytest.mark.parametrize(
    ("start", "end", "kinds", "expected"),
    [
        (0, 1, None, ["one shot of 4.0 s", "WELCOME / TO THE KITCHEN"]),
        (3, 4, ["speech"], ["First, melt the butter slowly."]),
        (2, 3, ["ocr"], []),
        (9, 100, None, ["BAKE 40 MINUTES"]),
        (12, 100, None, []),
        (4, 100, ["ocr"], ["BAKE 40 MINUTES"]),
        (6, 100, ["ocr", "shot"], ["one shot of 5.0 s", "BAKE 40 MINUTES"]),
        (0, 100, [], []),
    ],
)
def test_between_is_half_open_and_keeps_to_kinds(
    store: CaptionStore, start: float, end: float, kinds: list[str] | None, expected: list[str]
) -> None:
    store.add(captions())
    found = texts(store.between("kitchen", start, end, kinds=kinds))
    assert sorted(found) == sorted(expected)


def test_unknown_kinds_are_refused_with_the_known_ones(store: CaptionStore) -> None:
    store.add(captions())
    for ask in (
        lambda: store.between("kitchen", kinds=["speach"]),
        lambda: store.search("milk", kinds=["speach"]),
    ):
        with pytest.raises(UnknownName, match="Did you mean 'speech'"):
            ask()


# Found


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("When is the milk poured?", "Then pour the milk into the bowl."),
        ("melting butter", "First, melt the butter slowly."),
        ("chocolate", "Today we bake a chocolate cake."),
        ("What does the welcome sign say?", "WELCOME / TO THE KITCHEN"),
    ],
)
def test_search_finds_the_moment_first(store: CaptionStore, query: str, first: str) -> None:
    store.add(captions())
    hits = store.search(query, k=3)
    assert hits[0].caption.text == first
    assert len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize(
    "query",
    ["?!", '"', "milk AND", "milk OR (", "NEAR(milk", "text:milk", "milk*", "'; DROP TABLE captions;--", "ß𝄞"],
)
def test_no_query_is_a_program(store: CaptionStore, query: str) -> None:
    store.add(captions())
    store.search(query)
    assert len(store.between("kitchen")) == 7


def test_search_keeps_to_kinds_times_and_videos(store: CaptionStore) -> None:
    store.add([*captions(), *captions("garden", [(0, 5, "speech", "Pour milk on the roses.")])])
    assert {hit.caption.kind for hit in store.search("bake", kinds=["ocr"])} == {"ocr"}
    late = store.search("bake the cake", start_seconds=9)
    assert texts([hit.caption for hit in late]) == ["BAKE 40 MINUTES"]
    early = store.search("bake the cake", end_seconds=1.0)
    assert {hit.caption.start_seconds for hit in early} == {0}
    assert {hit.caption.video_id for hit in store.search("milk", video_ids=["garden"])} == {"garden"}
    assert {hit.caption.video_id for hit in store.search("milk", k=2)} == {"garden", "kitchen"}


# Crashes, and two at a time


def reachable(store: CaptionStore, video_id: str) -> set[str]:
    """Return the ids that likeness alone finds, in the video and in the library."""
    stored = store.captions_of(video_id)
    near = stored.nearest(store.embedder.query("anything"), 10_000, None, 0, 1e9)
    store.sync()
    assert set(store._library._collection("captions").get()["ids"]) == {c.id for c in stored.by_number(near).values()}
    return {caption.id for caption in stored.by_number(near).values()}


def file_of(store: CaptionStore) -> Path:
    return store.path / "videos" / "kitchen" / "captions.sqlite3"


def test_what_a_crash_left_without_vectors_is_found_after_the_next_opening(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions())
    # As it is after a kill: the row is there, its vector is not, and the video is marked as changed.
    extra = captions(rows=[(20, 21, "speech", "Serve it with raspberries.")])[0]
    store._library.mark("kitchen")
    with sqlite3.connect(file_of(store)) as database:
        database.execute(
            "INSERT INTO captions (id, start_seconds, end_seconds, kind, source, text, rest) VALUES (?,?,?,?,?,?,?)",
            (extra.id, 20, 21, extra.kind, extra.source, extra.text, json.dumps(extra.as_dict())),
        )
    database.close()
    with CaptionStore(tmp_path / "memory") as store:
        assert store.search("raspberries", k=1)[0].similarity > 0, "found by likeness, not only by words"
        assert reachable(store, "kitchen") == {c.id for c in store.between("kitchen")}


def test_a_video_that_the_library_reads_twice_is_not_doubled(tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions())
    store._library.mark("kitchen")
    with sqlite3.connect(store.path / "library.sqlite3") as database:
        database.execute("UPDATE videos SET seen = 0")
    database.close()
    with CaptionStore(tmp_path / "memory") as store:
        ids = [hit.caption.id for hit in store.search("milk", k=50)]
        assert len(ids) == len(set(ids)) == 7
        assert len(reachable(store, "kitchen")) == 7


def test_words_and_vectors_hold_the_same_captions(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    with CaptionStore(path) as store:
        many = [(i, i + 1, "speech", f"word{i} milk") for i in range(600)]
        store.add(captions(rows=many))  # a literal in a list loses its type
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


_OWNER = """
import sys
from videochat.memory import CaptionStore
store = CaptionStore(sys.argv[1])
store.captions_of("kitchen")
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_owns_the_captions(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with CaptionStore(path) as store:
            with pytest.raises(StoreInUse, match=rf"used by process {owner.pid} .*Wait until it is done"):
                store.captions_of("kitchen")
            store.add(captions("garden"))  # other videos are free
        owner.kill()
    # A process that died owns nothing.
    with CaptionStore(path) as store:
        assert store.add(captions()) == 7


def test_two_stores_of_one_process_share_a_directory(tmp_path: Path) -> None:
    first, second = CaptionStore(tmp_path / "memory"), CaptionStore(tmp_path / "memory")
    with second:
        with first:
            first.add(captions()[:3])
            assert len(first.search("cake", k=9)) == 3
            second.add(captions())
        # The one that is left goes on as before.
        assert len(second.search("cake", k=9)) == 7
        second.add(captions(rows=[(12, 13, "speech", "Enjoy your cake.")]))
        assert len(second.search("cake", k=9)) == 8


class NoLuck(WordEmbeddings):
    """Embeddings that break."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise RuntimeError("out of memory")


def test_embeddings_that_break_cost_no_caption_and_free_the_directory(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path / "memory", embeddings=NoLuck())
    store.add(captions())
    with pytest.raises(RuntimeError, match="out of memory") as caught:  # kept, as a notebook keeps it
        store.close()
    program = _OWNER.replace("sys.stdin.read()", "print(len(store.between('kitchen')))")
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "memory")], capture_output=True, text=True, check=False
    )
    assert said.stdout == "open\n7\n", said.stderr
    assert caught.value


def test_many_videos_stay_open_only_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_store, "_OPEN_VIDEOS", 3)
    with CaptionStore(tmp_path / "memory") as store:
        for number in range(6):
            store.add(captions(f"video{number}", KITCHEN[:2]))
        assert list(store._open_videos) == ["video3", "video4", "video5"]
        assert len(store.between("video0")) == 2
        assert list(store._open_videos) == ["video4", "video5", "video0"]
        assert len(store.search("welcome", k=6)) == 6
        assert len(store._open_videos) == 3


def test_closed_stores_open_again(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path / "memory")
    store.add(captions())
    store.close()
    assert len(store.between("kitchen")) == 7
    store.close()


def test_forgetting_a_video_leaves_nothing_of_it(store: CaptionStore) -> None:
    store.add([*captions(), *captions("garden")])
    store.forget("kitchen")
    assert store.video_ids() == ["garden"]
    assert not (store.path / "videos" / "kitchen").exists()
    assert {hit.caption.video_id for hit in store.search("milk")} == {"garden"}
    assert store.add(captions()) == 7


def test_forgetting_a_video_that_is_not_there_is_no_crash(store: CaptionStore) -> None:
    store.forget("nowhere")
    assert store.video_ids() == []


def test_asking_about_a_video_that_is_not_there_makes_nothing(store: CaptionStore) -> None:
    assert store.video_ids() == []
    assert store.search("milk") == []
    assert not store.path.exists()


@pytest.mark.parametrize("video_id", ["", "../escape", "a/b", "a b", "x" * 81])
def test_only_ids_are_folders(store: CaptionStore, video_id: str) -> None:
    with pytest.raises(StoreError, match="no video id"):
        store.captions_of(video_id)


# Not writable, not mixed


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file; a store needs a directory"):
        CaptionStore(tmp_path / "file")
    with pytest.raises(StoreError, match=r"cannot be (written|read)") as caught:
        CaptionStore(tmp_path / "file" / "below").add(captions())
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == ""


def test_a_store_remembers_its_embedder_and_refuses_another(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    with CaptionStore(path, embeddings=WordEmbeddings(64)) as store:
        store.add(captions())
    with pytest.raises(StoreError, match="made with the embeddings 'builtin-64', not 'builtin'; vectors of two"):
        CaptionStore(path, embeddings="builtin")
    with pytest.raises(StoreError, match=r"not '.*DeterministicFakeEmbedding'"):
        CaptionStore(path, embeddings=DeterministicFakeEmbedding(size=64))
    with CaptionStore(path, embeddings=WordEmbeddings(64)) as store:
        assert len(store.between("kitchen")) == 7


def test_a_store_made_with_objects_asks_for_them_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDEOCHAT_EMBEDDINGS")
    path = tmp_path / "memory"
    with CaptionStore(path, embeddings=DeterministicFakeEmbedding(size=8)) as store:
        store.add(captions())
    with pytest.raises(StoreError, match="give the same ones"):
        CaptionStore(path)


def test_without_a_model_the_built_in_embedder_is_taken_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIDEOCHAT_EMBEDDINGS")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with pytest.warns(UserWarning, match="compared by their words, not by their meaning"):
        store = CaptionStore(tmp_path / "memory")
    with store:
        store.add(captions())
    # The store has remembered; nothing more is said.
    with CaptionStore(tmp_path / "memory") as store:
        assert store.embedder.name == "builtin"


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": 99, "embedder": "builtin"}')
    with pytest.raises(StoreError, match="format 99, this version reads 1 to 2"):
        CaptionStore(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        CaptionStore(tmp_path)


def test_a_shelf_takes_only_its_own_video(store: CaptionStore) -> None:
    with pytest.raises(ValueError, match="does not belong"):
        store.captions_of("kitchen").record(captions("garden"))
    assert store.captions_of("kitchen").count() == 0


# Watched stretches, gaps and facts


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


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([], []),
        ([(0, 1)], [(0, 1)]),
        ([(2, 3), (0, 1)], [(0, 1), (2, 3)]),
        ([(0, 1), (1, 2)], [(0, 2)]),
        ([(0, 9), (2, 3)], [(0, 9)]),
        ([(1, 1)], []),
    ],
)
def test_merge_intervals(spans: list[tuple[float, float]], merged: list[tuple[float, float]]) -> None:
    assert merge_intervals(spans) == merged


# Embeddings


def test_word_embeddings_are_the_same_everywhere() -> None:
    program = "from videochat.memory import WordEmbeddings; print(WordEmbeddings(16).embed_query('Pour the milk'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{WordEmbeddings(16).embed_query('Pour the milk')}\n"}


def test_word_embeddings_are_unit_vectors_that_know_shared_words() -> None:
    embed = WordEmbeddings()
    vectors = np.array(embed.embed_documents(["pour the milk", "pouring milk", "a red car", "", "?!"]))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert embed.embed_query("Pour THE milk") == embed.embed_query("pour the milk")


# From a question to senses


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("What does she say about milk?", ("speech",)),
        ("What is written on the slide?", ("ocr",)),
        ("Which colours are there, and how does the camera move?", ("tags",)),
        ("How many cuts are there?", ("shot",)),
        ("What does the speaker say while the title is on the screen?", ("speech", "ocr")),
        ("Where is the dog?", ()),
    ],
)
def test_the_senses_that_a_question_means(question: str, kinds: tuple[Kind, ...]) -> None:
    assert set(kinds) <= set(meant_kinds(question))
    assert bool(kinds) is bool(meant_kinds(question))


@pytest.mark.parametrize(
    ("question", "best", "at_least", "at_most"),
    [
        ("When is the milk poured?", "Then pour the milk into the bowl.", 0.9, 1.0),
        ("Who melts butter?", "First, melt the butter slowly.", 0.9, 1.0),
        ("Where is the giraffe?", None, 0.0, 0.0),
        ("Does the giraffe drink milk?", "Then pour the milk into the bowl.", 0.1, 0.6),
        ("Welcom to the kitchn", "WELCOME / TO THE KITCHEN", 0.6, 1.0),
    ],
)
def test_coverage_is_how_much_of_a_question_is_answered(
    question: str, best: str | None, at_least: float, at_most: float
) -> None:
    stored = captions()
    share = coverage(content_words(question), stored)
    assert set(share) == {c.id for c in stored}
    top = max(stored, key=lambda c: share[c.id])
    assert at_least <= share[top.id] <= at_most
    if best is not None:
        assert top.text == best


@pytest.mark.parametrize(
    ("question", "check"),
    [
        ("When is the milk poured?", lambda found: found[0].text == "Then pour the milk into the bowl."),
        ("What is said at 4 seconds?", lambda found: found[0].text == "First, melt the butter slowly."),
        ("What is written at the end?", lambda found: found[0].text == "BAKE 40 MINUTES"),
        ("What is said between 6 and 9 seconds?", lambda found: found[0].start_seconds == 6),
        ("What happens in this video?", lambda found: len(found) == 7),
        ("After the butter is melted, what is said?", lambda found: found[0].start_seconds == 6),
        ("What follows the butter?", lambda found: found[0].start_seconds == 6),
        ("What is said right before the milk?", lambda found: found[0].start_seconds == 3),
        ("When the butter is melted, what is on the screen?", lambda found: found[0].overlaps(3, 6)),
        ("What is said between the cake and the milk?", lambda found: found[0].start_seconds == 3),
        ("What is said in the second shot?", lambda found: found[0].kind == "speech"),
        ("What is written in the first scene?", lambda found: found[0].text == "WELCOME / TO THE KITCHEN"),
    ],
)
def test_recall_brings_the_moment_first(
    store: CaptionStore, question: str, check: Callable[[list[Caption]], bool]
) -> None:
    store.add(captions())
    found = [hit.caption for hit in recall(store.captions_of("kitchen"), question, duration_seconds=12).hits]
    assert check(found), texts(found)
    assert len({c.id for c in found}) == len(found)
