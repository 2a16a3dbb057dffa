"""What is stored is stored once, is found, survives, and is not mixed."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from tests.fakes.stored_captions import KITCHEN, captions, found, texts
from videochat.errors import InvalidArgument, StoreError, UnknownName, VideoChatError
from videochat.memory import CaptionStore, StoredVideo, WordEmbeddings, caption_store
from videochat.memory.retrieval import recall_library
from videochat.records import Caption


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


def test_videos_least_recently_used_are_let_go_by_the_memory_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions("video0", KITCHEN[:2]))
        monkeypatch.setattr(caption_store, "_OPEN_BYTES", 3 * store.captions_of("video0").bytes)
        for number in range(1, 6):
            store.add(captions(f"video{number}", KITCHEN[:2]))
        assert list(store._open_videos)[-1] == "video5"
        assert len(store._open_videos) <= 4
        assert len(store.between("video0")) == 2
        assert len(store.search("welcome", k=6)) == 6


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
    assert not (store.path / "journal" / "kitchen.jsonl").exists()
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


def test_summaries_are_found_only_when_asked_for(library: CaptionStore) -> None:
    library.add([Caption("garden", 0, 9, "summary", "Garden work with roses.", "summary whole extract")])
    assert all(hit.caption.kind != "summary" for hit in library.search("roses garden work", k=50))
    assert found(library, "roses", kinds=["summary"]) == ["Garden work with roses."]
    assert found(library, "roses", kinds=["summary"], video_ids=["garden"]) == ["Garden work with roses."]


def test_videos_have_names_and_are_found_by_them(library: CaptionStore) -> None:
    assert library.videos() == [
        StoredVideo("garden", "garden.mp4", None, 9.0, 2),
        StoredVideo("kitchen", "kitchen.mp4", "/films/kitchen.mp4", 12.0, 7, ["/films/kitchen.mp4"]),
    ]
    for name in ("kitchen", "kitchen.mp4", "/films/kitchen.mp4", "kitc"):
        assert library.find_video(name).id == "kitchen"
    with pytest.raises(UnknownName, match="Did you mean 'garden.mp4'"):
        library.find_video("gardn.mp4")
    library.captions_of("garden").set_facts(name="kitchen.mp4")
    with pytest.raises(InvalidArgument, match="name of 2 videos; give the id"):
        library.find_video("kitchen.mp4")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"query": ""}, "The query is empty"),
        ({"query": " \n"}, "The query is empty"),
        ({"k": 0}, "k of at least 1, got 0"),
        ({"k": -3}, "k of at least 1, got -3"),
        ({"start_seconds": -1.0}, "got -1.0 to inf seconds"),
        ({"start_seconds": 9.0, "end_seconds": 3.0}, "got 9.0 to 3.0 seconds"),
        ({"start_seconds": math.nan}, "got nan to inf"),
        ({"kinds": ["speach"]}, "Did you mean 'speech'"),
        ({"video_ids": ["nowhere"]}, "no captions of the video 'nowhere'; it has 2 videos"),
        ({"by": "magic"}, "no way to search 'magic'"),
    ],
)
def test_what_cannot_be_searched_is_a_sentence(library: CaptionStore, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(VideoChatError, match=match):
        library.search(**({"query": "milk"} | arguments))
    assert len(library.between("kitchen")) == 7


@pytest.mark.parametrize(
    "query",
    [
        "milk " * 20_000,
        "\ud800 milk",
        "e\u0301te\u0301",
        "👩‍👩‍👧‍👦",
        "نص عربي",
        "牛奶",
        "\x00milk\x00",
        "\u202emilk",
        "ﬁne",
    ],
)
def test_any_text_can_be_searched(library: CaptionStore, query: str) -> None:
    for videos in (None, ["kitchen"]):
        assert library.search(query, k=1_000_000, video_ids=videos)
    assert recall_library(library, query, k=5).hits


def test_unicode_captions_are_found_by_their_own_text(library: CaptionStore) -> None:
    texts = ["Été à la plage", "牛奶 很 好", "صباح الخير", "Ёлка в лесу", "naïve café 😀"]
    library.add([Caption("world", i, i + 1, "speech", text, "test") for i, text in enumerate(texts)])
    for text in texts:
        assert found(library, text, k=1) == [text]
        assert found(library, text, k=1, video_ids=["world"]) == [text]


def test_only_its_owner_reads_what_a_store_writes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
            store.add(captions())
            store.search("butter")
            with store.captions_of("kitchen").watching({"ocr"}, 0, 1):
                modes = {str(path): path.stat().st_mode for path in [store.path, *store.path.rglob("*")]}
    finally:
        os.umask(before)
    assert len(modes) > 10
    assert {path: mode for path, mode in modes.items() if mode & 0o077} == {}


def test_a_store_that_is_removed_under_one_says_so(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path / "memory", embeddings="builtin")
    store.add(captions())
    (tmp_path / "memory").rename(tmp_path / "elsewhere")
    for ask in (lambda: store.search("butter"), lambda: store.between("kitchen"), lambda: store.videos()):
        with pytest.raises(StoreError, match="removed or moved while it was open"):
            ask()
    (tmp_path / "elsewhere").rename(tmp_path / "memory")
    assert store.search("butter")


@pytest.mark.timeout(60)
def test_a_folder_or_a_pipe_among_the_journals_is_of_no_video(store: CaptionStore) -> None:
    store.add(captions())
    (store.path / "journal" / "album.jsonl").mkdir()
    os.mkfifo(store.path / "journal" / ("a" * 32 + ".jsonl"))
    assert store.video_ids() == ["kitchen"]
    assert store.other_files() == ["a" * 32 + ".jsonl", "album.jsonl"]
    assert [video.id for video in store.videos()] == ["kitchen"]
    assert store.search("butter")
