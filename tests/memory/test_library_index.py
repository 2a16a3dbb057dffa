"""Several videos: found together, named, forgotten, carried, mended; and what cannot be asked."""

from __future__ import annotations

import io
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document

from tests.memory.test_caption_store import KITCHEN, captions
from videochat.cli import main
from videochat.errors import InvalidArgument, StoreError, StoreInUse, UnknownName, VideoChatError
from videochat.memory import CaptionStore, StoredVideo, VideoRetriever, WordEmbeddings
from videochat.memory.maintenance import export_captions, import_captions, rebuild, check_store
from videochat.memory.retrieval import recall_library
from videochat.records import Caption

GARDEN: list[tuple[float, float, str]] = [(0, 5, "Water the roses in the evening."), (5, 9, "Cut the hedge with care.")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaptionStore]:
    with CaptionStore(tmp_path / "memory") as opened:
        opened.add([*captions(), *(Caption("garden", s, e, "speech", t, "test") for s, e, t in GARDEN)])
        opened.captions_of("kitchen").set_facts(name="kitchen.mp4", path="/films/kitchen.mp4", duration_seconds=12.0)
        opened.captions_of("garden").set_facts(name="garden.mp4", duration_seconds=9.0)
        yield opened


def found(store: CaptionStore, query: str, **filters: object) -> list[str]:
    return [hit.caption.text for hit in store.search(query, **filters)]  # type: ignore[arg-type]


# Over all videos


def test_the_library_finds_in_all_videos_without_opening_them(store: CaptionStore) -> None:
    assert found(store, "roses", k=1) == ["Water the roses in the evening."]
    store.close()
    assert found(store, "milk", k=1) == ["Then pour the milk into the bowl."]
    assert not store._open_videos


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kinds": ["ocr"]}, {"WELCOME / TO THE KITCHEN", "BAKE 40 MINUTES"}),
        ({"start_seconds": 9.0}, {"BAKE 40 MINUTES"}),
        ({"end_seconds": 0.5, "kinds": ["speech"]}, {"Water the roses in the evening."}),
        ({"kinds": []}, set()),
        ({"video_ids": []}, set()),
        ({"video_ids": ["garden"]}, {text for _, _, text in GARDEN}),
    ],
)
def test_filters_hold_over_the_library(store: CaptionStore, filters: dict[str, object], expected: set[str]) -> None:
    assert set(found(store, "what is there", k=50, **filters)) == expected


def test_a_few_videos_are_searched_alike_with_and_without_the_library(store: CaptionStore) -> None:
    for query in ("roses", "pour the milk", "bake"):
        assert found(store, query, k=1, video_ids=["kitchen", "garden"]) == found(store, query, k=1)


def test_what_is_added_dropped_or_forgotten_shows_at_the_next_search(store: CaptionStore) -> None:
    assert found(store, "raspberries", k=1, by="lexical") == []
    store.add(captions(rows=[(20, 21, "speech", "Serve it with raspberries.")]))
    assert found(store, "raspberries", k=1) == ["Serve it with raspberries."]
    gone = store.search("raspberries", k=1)[0].caption
    store.captions_of("kitchen").replace([gone.id], [], {})
    assert found(store, "raspberries", k=9, by="lexical") == []
    store.forget("kitchen")
    assert {hit.caption.video_id for hit in store.search("milk", k=50)} == {"garden"}


def test_summaries_are_found_only_when_asked_for(store: CaptionStore) -> None:
    store.add([Caption("garden", 0, 9, "summary", "Garden work with roses.", "summary whole extract")])
    assert all(hit.caption.kind != "summary" for hit in store.search("roses garden work", k=50))
    assert found(store, "roses", kinds=["summary"]) == ["Garden work with roses."]
    assert found(store, "roses", kinds=["summary"], video_ids=["garden"]) == ["Garden work with roses."]


def test_videos_have_names_and_are_found_by_them(store: CaptionStore) -> None:
    assert store.videos() == [
        StoredVideo("garden", "garden.mp4", None, 9.0, 2),
        StoredVideo("kitchen", "kitchen.mp4", "/films/kitchen.mp4", 12.0, 7),
    ]
    for name in ("kitchen", "kitchen.mp4", "/films/kitchen.mp4", "kitc"):
        assert store.find_video(name).id == "kitchen"
    with pytest.raises(UnknownName, match="Did you mean 'garden.mp4'"):
        store.find_video("gardn.mp4")
    store.captions_of("garden").set_facts(name="kitchen.mp4")
    with pytest.raises(InvalidArgument, match="name of 2 videos; give the id"):
        store.find_video("kitchen.mp4")


def test_recall_over_videos_reads_times_and_order_in_each(store: CaptionStore) -> None:
    best = recall_library(store, "What is said after the butter is melted?", k=3).hits[0].caption
    assert best.text == "Then pour the milk into the bowl."
    best = recall_library(store, "What is the last thing said about roses?", k=3, video_ids=["garden"]).hits[0].caption
    assert best.text == "Cut the hedge with care."


def test_the_vector_store_view_searches_with_langchains_own_face(store: CaptionStore) -> None:
    view = store.vectorstore()
    documents: list[Document] = view.similarity_search("roses", k=1, filter={"video_id": "garden"})
    assert documents[0].page_content == "Water the roses in the evening."
    assert documents[0].metadata["end_seconds"] == 5.0


# The retriever


def test_the_retriever_gives_seconds_and_takes_filters(store: CaptionStore) -> None:
    retriever = VideoRetriever(store=store, k=2)
    documents = retriever.invoke("When is the milk poured?")
    assert len(documents) == 2
    assert documents[0].page_content == "Then pour the milk into the bowl."
    assert (documents[0].metadata["start_seconds"], documents[0].metadata["end_seconds"]) == (6.0, 9.0)
    assert isinstance(documents[0].metadata["start_seconds"], float)
    assert documents[0].id
    only = retriever.invoke("milk", kinds=["ocr"], video_ids=["kitchen"], k=5)
    assert {document.metadata["kind"] for document in only} == {"ocr"}
    for wrong, match in (
        ({"colour": 1}, "no filter 'colour'"),
        ({"kinds": ["x"]}, "no kind"),
        ({"k": 0}, "at least 1"),
    ):
        with pytest.raises(VideoChatError, match=match):
            retriever.invoke("milk", **wrong)


# Two processes


_WRITER = """
import sys
import time
from videochat.errors import StoreInUse
from videochat.memory import CaptionStore
from videochat.records import Caption
path, video_id, first = sys.argv[1:]
store = CaptionStore(path)
for number in range(int(first), 10**6):
    caption = Caption(video_id, number, number + 1, "speech", f"remark number{number} of {video_id}", "test")
    try:
        store.add([caption])
    except StoreInUse as error:
        print(error, flush=True)
        sys.exit(3)
    print(number, flush=True)
    time.sleep(0.005)
    if video_id == "two" and number % 40 == 39:
        store.close()
"""


def write(path: Path, video_id: str, first: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(path), video_id, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_and_check(path: Path, rounds: int, seconds: Callable[[], float]) -> None:
    """Two processes write to one store, one is killed; what they said they stored must be found by its own text."""
    stored: dict[str, int] = {"one": 0, "two": 0}
    for number in range(rounds):
        writers = {video_id: write(path, video_id, stored[video_id]) for video_id in stored}
        assert writers["one"].stdout is not None
        assert writers["one"].stdout.readline()
        refused = write(path, "one", 0)
        time.sleep(seconds())
        said = refused.communicate(timeout=60)[0]
        writers["one" if number % 2 else "two"].kill()
        survivor = writers["two" if number % 2 else "one"]
        assert survivor.stdout is not None
        assert survivor.stdout.readline(), "the other goes on"
        survivor.kill()
        assert f"used by process {writers['one'].pid}" in said, said
        for video_id, writer in writers.items():
            lines = writer.communicate(timeout=60)[0].split()
            stored[video_id] = max([stored[video_id], *(int(line) + 1 for line in lines if line.isdigit())])
    with CaptionStore(path) as store:
        for video_id, count in stored.items():
            assert len(store.between(video_id)) >= count
            captions_ = store.captions_of(video_id)
            for caption in captions_.between():
                hit = store.search(caption.text, k=1, video_ids=[video_id], by="dense")[0]
                assert hit.caption.text == caption.text
        store.sync()
        for video_id in stored:
            assert store.library_count(video_id) == store.captions_of(video_id).count()
            last = store.between(video_id)[-1]
            assert store.search(last.text, k=1)[0].caption.id == last.id
        assert check_store(store).faults == []


@pytest.mark.timeout(3600)
def test_writers_killed_at_random_moments_lose_nothing_and_a_second_of_one_video_is_refused(tmp_path: Path) -> None:
    """Two rounds; VIDEOCHAT_KILL_ROUNDS=20 kills for minutes."""
    dice = random.Random(4)
    rounds = int(os.environ.get("VIDEOCHAT_KILL_ROUNDS", "2"))
    kill_and_check(tmp_path / "memory", rounds, lambda: dice.uniform(0.0, 3.0))


def test_who_owns_the_library_is_named_and_the_changes_wait(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    program = (
        "import sys; from videochat.memory import CaptionStore; s = CaptionStore(sys.argv[1]); s._library.acquire();"
        "print('open', flush=True); sys.stdin.read()"
    )
    with CaptionStore(path) as store:
        store.add(captions())
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with CaptionStore(path) as store:
            with pytest.raises(StoreInUse, match=rf"used by process {owner.pid}"):
                store.search("milk")
            assert found(store, "milk", k=1, video_ids=["kitchen"]) == ["Then pour the milk into the bowl."]
            store.add(captions("garden", KITCHEN[:2]))
        owner.kill()
    with CaptionStore(path) as store:
        assert {video.id for video in store.videos()} == {"kitchen", "garden"}


# Older, newer, damaged, half deleted


def test_a_store_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    header = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps(header | {"format": 1}))
    (tmp_path / "library.sqlite3").unlink()
    folder = tmp_path / "videos" / "kitchen"
    (folder / "chroma").mkdir()
    with sqlite3.connect(folder / "captions.sqlite3") as database:
        database.executescript(
            "DROP TRIGGER captions_added; DROP TRIGGER captions_dropped; DROP TABLE vectors; DROP TABLE changes;"
            "DROP TABLE notes; ALTER TABLE captions ADD COLUMN indexed INTEGER NOT NULL DEFAULT 1;"
            "PRAGMA user_version = 0"
        )
    database.close()
    with CaptionStore(tmp_path) as store:
        assert len(store.between("kitchen")) == 7
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]
        assert not (folder / "chroma").exists()
        assert check_store(store).faults == []
    assert json.loads((tmp_path / "store.json").read_text())["format"] == 2


def test_a_video_or_library_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    for file in (tmp_path / "videos" / "kitchen" / "captions.sqlite3", tmp_path / "library.sqlite3"):
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    with pytest.raises(StoreError, match="have format 99, this version reads up to 2. Update videochat"):
        CaptionStore(tmp_path).between("kitchen")
    with pytest.raises(StoreError, match="has format 99, this version reads up to 1. Update videochat"):
        CaptionStore(tmp_path).search("milk")


@pytest.mark.parametrize("part", ["library.sqlite3", "library", "library/chroma.sqlite3", "store.json"])
def test_what_is_no_caption_can_be_deleted_and_comes_back(tmp_path: Path, part: str) -> None:
    import shutil

    with CaptionStore(tmp_path) as store:
        store.add(captions())
    path = tmp_path / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with CaptionStore(tmp_path) as store:
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]
        assert found(store, "milk", k=1, by="lexical") == ["Then pour the milk into the bowl."]
        assert check_store(store).faults == []


@pytest.mark.parametrize("part", ["library.sqlite3", "videos/kitchen/captions.sqlite3"])
def test_a_file_of_noise_is_mended_or_named(tmp_path: Path, part: str) -> None:
    with CaptionStore(tmp_path) as store:
        store.add([*captions(), *captions("garden")])
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"{part}{suffix}").unlink(missing_ok=True)
    (tmp_path / part).write_bytes(b"noise" * 2000)
    with CaptionStore(tmp_path) as store:
        assert len(store.between("garden")) == 7
        if part == "library.sqlite3":
            assert len(store.search("milk", k=50)) == 14
        else:
            with pytest.raises(StoreError, match="cannot be opened for writing"):
                store.between("kitchen")
            assert any("kitchen" in fault for fault in check_store(store).faults)


def test_rebuild_mends_what_verify_finds_and_takes_another_embedder(tmp_path: Path) -> None:
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


# Out and in again


def test_what_is_exported_is_imported_whole_and_once(store: CaptionStore, tmp_path: Path) -> None:
    store.captions_of("kitchen").record([], source="ocr", version="1", watched=(0, 9))
    out = io.StringIO()
    assert export_captions(store, out) == 9
    with CaptionStore(tmp_path / "other") as other:
        assert import_captions(other, io.StringIO(out.getvalue())) == 9
        assert import_captions(other, io.StringIO(out.getvalue())) == 0
        assert other.videos() == store.videos()
        assert other.captions_of("kitchen").watched("ocr", "1") == [(0, 9)]
        assert other.between("kitchen") == store.between("kitchen")


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
def test_files_that_are_no_captions_are_named(store: CaptionStore, lines: list[str], match: str | None) -> None:
    if match is None:
        assert import_captions(store, lines) == 0
        return
    with pytest.raises(StoreError, match=match):
        import_captions(store, lines)


# Questions that are none


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
def test_what_cannot_be_searched_is_a_sentence(store: CaptionStore, arguments: dict[str, object], match: str) -> None:
    with pytest.raises(VideoChatError, match=match):
        store.search(**({"query": "milk"} | arguments))  # type: ignore[arg-type]
    assert len(store.between("kitchen")) == 7


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
def test_any_text_can_be_searched(store: CaptionStore, query: str) -> None:
    for videos in (None, ["kitchen"]):
        assert store.search(query, k=1_000_000, video_ids=videos)
    assert recall_library(store, query, k=5).hits


def test_unicode_captions_are_found_by_their_own_text(store: CaptionStore) -> None:
    texts = ["Été à la plage", "牛奶 很 好", "صباح الخير", "Ёлка в лесу", "naïve café 😀"]
    store.add([Caption("world", i, i + 1, "speech", text, "test") for i, text in enumerate(texts)])
    for text in texts:
        assert found(store, text, k=1) == [text]
        assert found(store, text, k=1, video_ids=["world"]) == [text]


# The command line


def test_the_command_line_looks_after_the_memory(
    store: CaptionStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.close()
    where = ["--memory", str(store.path)]
    assert main(["search", "roses", "--library", *where]) == 0
    assert capsys.readouterr().out.startswith("garden.mp4 [00:00-00:05] speech: Water the roses")
    assert main(["search", "milk", "--video", "kitchen.mp4", "-k", "1", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)[0]["video"] == "kitchen.mp4"
    assert main(["memory", "list", "--json", *where]) == 0
    assert [video["name"] for video in json.loads(capsys.readouterr().out)] == ["garden.mp4", "kitchen.mp4"]
    assert main(["memory", "export", str(tmp_path / "all.jsonl"), *where]) == 0
    assert main(["memory", "forget", "garden.mp4", *where]) == 0
    assert main(["memory", "import", str(tmp_path / "all.jsonl"), *where]) == 0
    assert "Took in 2 new captions" in capsys.readouterr().err
    assert main(["memory", "rebuild", *where]) == 0
    assert main(["memory", "verify", *where]) == 0
    assert capsys.readouterr().out.endswith("2 videos, 9 captions: whole.\n")
    assert main(["memory", "forget", "nothing.mp4", *where]) == 1
    assert "There is no video 'nothing.mp4'" in capsys.readouterr().err
    assert main(["memory", "rebuild", "--memory", str(tmp_path / "nowhere")]) == 1
    assert "There is no store at" in capsys.readouterr().err
