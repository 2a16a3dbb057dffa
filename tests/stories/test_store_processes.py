"""Several processes at one store: nothing is lost, nothing is twice, and what is damaged concerns nothing else."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.stored_captions import captions
from videochat.errors import StoreInUse
from videochat.memory import CaptionStore
from videochat.memory.maintenance import check_store, rebuild

ROUNDS = int(os.environ.get("VIDEOCHAT_KILL_ROUNDS", "2"))
"""Of killing and of damaging; VIDEOCHAT_KILL_ROUNDS=20 takes minutes."""

_WRITER = """
import sys, time
from videochat.memory import CaptionStore
from videochat.records import Caption
path, video_id, first = sys.argv[1:]
store = CaptionStore(path, embeddings="builtin")
stored = store.captions_of(video_id)
for number in range(int(first), 10**6):
    caption = Caption(video_id, number, number + 1, "speech", f"remark number{number} of {video_id}", "test")
    stored.record([caption], source="test", version="1", watched=(0, number + 1))
    print(number, flush=True)
    time.sleep(0.005)
"""
_READER = """
import sys, time
from videochat.memory import CaptionStore
store = CaptionStore(sys.argv[1], embeddings="builtin")
for _ in range(10**6):
    one, two = len(store.between("one")), len(store.between("two"))
    hits = store.search("remark number3", k=3)
    print(one, two, len(hits), flush=True)
"""
_REBUILD = """
import sys
from pathlib import Path
from videochat.memory.maintenance import rebuild
print("rebuilding", flush=True)
print(rebuild(Path(sys.argv[1])).faults)
"""
_IMPORT = """
import sys
from videochat.memory import CaptionStore
from videochat.memory.maintenance import import_captions
print("importing", flush=True)
with CaptionStore(sys.argv[1], embeddings="builtin") as store, open(sys.argv[2], "rb") as lines:
    import_captions(store, lines)
print("done", flush=True)
"""


def run(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def check_whole(path: Path, counts: dict[str, int]) -> None:
    """Every caption is there once, in the journal and in Chroma, and is found by its own vector."""
    with CaptionStore(path, embeddings="builtin") as store:
        store.sync()
        assert check_store(store).faults == []
        for video_id, count in counts.items():
            found = store.between(video_id)
            assert len(found) >= count
            assert len({caption.start_seconds for caption in found}) == len(found)
            for caption in found:
                hit = store.search(caption.text, k=1, video_ids=[video_id], by="dense")[0]
                assert hit.caption.text == caption.text


@pytest.mark.timeout(3600)
def test_two_watches_are_killed_while_a_third_process_asks(tmp_path: Path) -> None:
    path, dice = tmp_path / "memory", random.Random(4)
    counts = {"one": 0, "two": 0}
    for number in range(ROUNDS):
        writers = {video_id: run(_WRITER, path, video_id, count) for video_id, count in counts.items()}
        assert all(first_line(writer) for writer in writers.values())
        reader = run(_READER, path)
        assert first_line(reader), "a reader is never locked out"
        time.sleep(dice.uniform(0.0, 2.0))
        for process in sorted([*writers.values(), reader], key=lambda _: dice.random()):
            process.send_signal(signal.SIGKILL)
        for video_id, writer in writers.items():
            lines = writer.communicate(timeout=60)[0].split()
            counts[video_id] = max([counts[video_id], *(int(line) + 1 for line in lines)])
        seen = [list(map(int, line.split())) for line in reader.communicate(timeout=60)[0].splitlines()[:-1]]
        assert seen == sorted(seen, key=lambda row: row[:2]), "what was seen once stays"
        if number % 5 == 4:
            check_whole(path, counts)
    check_whole(path, counts)


@pytest.mark.timeout(3600)
def test_a_rebuild_and_an_import_are_killed(tmp_path: Path) -> None:
    path, dice = tmp_path / "memory", random.Random(5)
    lines = [{"format": "videochat captions", "version": 2}]
    lines += [{"event": "caption"} | caption.as_dict() for v in ("one", "two") for caption in captions(v)]
    export = tmp_path / "export.jsonl"
    export.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with CaptionStore(path, embeddings="builtin") as store:
        store.add(captions("one"))
    for number in range(ROUNDS):
        process = run(_REBUILD, path) if number % 2 else run(_IMPORT, path, export)
        assert first_line(process)
        time.sleep(dice.uniform(0.0, 1.5))
        process.kill()
        process.communicate(timeout=60)
        with CaptionStore(path, embeddings="builtin") as store:
            assert len(store.between("one")) == len(captions())
            store.sync()
            assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."
    process = run(_IMPORT, path, export)
    assert process.communicate(timeout=60)[0].split() == ["importing", "done"]
    assert rebuild(path).faults == []
    check_whole_kitchens(path)


def check_whole_kitchens(path: Path) -> None:
    with CaptionStore(path, embeddings="builtin") as store:
        for video_id in ("one", "two"):
            assert sorted(c.text for c in store.between(video_id)) == sorted(c.text for c in captions())


def damage(file: Path, how: str, dice: random.Random) -> None:
    size = file.stat().st_size
    if how == "flip":
        with file.open("r+b") as data:
            for _ in range(max(3, size // 1500)):
                data.seek(dice.randrange(max(size, 1)))
                data.write(dice.randbytes(4))
    else:
        os.truncate(file, size // 2 if how == "cut" else 0)


@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_file_concerns_one_video_at_most_and_a_rebuild_brings_it_back(tmp_path: Path) -> None:
    source, dice = tmp_path / "source", random.Random(6)
    videos = {"one": "apple", "two": "banana", "three": "cherry"}
    with CaptionStore(source, embeddings="builtin") as store:
        for video_id, word in videos.items():
            rows: list[Any] = [(i, i + 1, "speech", f"milk and {word} number{i}") for i in range(20)]
            store.captions_of(video_id).set_facts(name=f"{video_id}.mp4", duration_seconds=60.0)
            store.add(captions(video_id, rows))
        store.search("milk")
    files = [file.relative_to(source) for file in sorted(source.rglob("*")) if file.is_file()]
    assert len(files) > 10
    for _ in range(5 * ROUNDS):
        file, how = dice.choice(files), dice.choice(("flip", "cut", "empty"))
        path = tmp_path / "copy"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(source, path)
        damage(path / file, how, dice)
        whole = [v for v in videos if file.parent.name != "journal" or file.stem != v]
        with CaptionStore(path, embeddings="builtin") as store:
            for video_id in whole:
                hit = store.search(f"{videos[video_id]} number7", k=1, video_ids=[video_id])[0]
                assert hit.caption.text == f"milk and {videos[video_id]} number7", (file, how)
            store.search("number7")
        # In the process that saw the damage.
        health = rebuild(path)
        assert (health.videos, health.captions, health.faults) == (3, 60, []), (file, how)
        with CaptionStore(path, embeddings="builtin") as store:
            assert {hit.caption.video_id for hit in store.search("number7", k=3)} == set(videos), (file, how)


_WATCHER = """
import sys
from videochat.memory import CaptionStore
store = CaptionStore(sys.argv[1], embeddings="builtin")
with store.captions_of("kitchen").watching({"subtitles"}, 0.0, 10.0):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_only_two_watches_of_the_same_range_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    command = [sys.executable, "-c", _WATCHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert first_line(owner) == "open\n"
        with CaptionStore(path, embeddings="builtin") as store:
            kitchen = store.captions_of("kitchen")
            with (
                pytest.raises(StoreInUse, match=rf"Process {owner.pid} .* is watching 00:00-00:10 .* Wait until"),
                kitchen.watching({"subtitles", "shots"}, 5.0, 20.0),
            ):
                pass
            with (
                kitchen.watching({"subtitles"}, 10.0, 20.0),
                kitchen.watching({"shots"}, 0.0, 10.0),
                store.captions_of("garden").watching({"subtitles"}, 0.0, 10.0),
            ):
                assert store.add(captions()) == 7
        owner.kill()
    # Of a process that died nothing is held.
    with CaptionStore(path, embeddings="builtin") as store, store.captions_of("kitchen").watching({"shots"}, 0.0, 10.0):
        assert len(list((path / "watching").glob("*.json"))) == 1


_FORK = """
import os, sys, warnings
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.records import Caption
path, same = sys.argv[1], sys.argv[2] == "same"
store = CaptionStore(path, embeddings="builtin")
store.add([Caption("film", 0, 1, "speech", "milk", "test")])
if not same:
    store.close()
if os.fork() == 0:
    try:
        store = store if same else CaptionStore(path, embeddings="builtin")
        store.add([Caption("film", 1, 2, "speech", "bread", "test")])
        print("added", flush=True)
    except StoreError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.parametrize(("which", "said"), [("same", "from which this one was forked"), ("new", "it was forked from")])
def test_a_process_that_was_forked_gets_a_sentence(tmp_path: Path, which: str, said: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _FORK, str(tmp_path / "memory"), which]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert said in done.stdout
    assert "spawn" in done.stdout
