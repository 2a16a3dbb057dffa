"""Several processes at one store: the owner is named, and a process that is killed loses nothing."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.stored_captions import KITCHEN, captions, found
from videochat.errors import StoreInUse
from videochat.memory import CaptionStore, WordEmbeddings
from videochat.memory.maintenance import check_store

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


class BrokenEmbeddings(WordEmbeddings):
    """Embeddings that break."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise RuntimeError("out of memory")


def test_embeddings_that_break_cost_no_caption_and_free_the_directory(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path / "memory", embeddings=BrokenEmbeddings())
    store.add(captions())
    with pytest.raises(RuntimeError, match="out of memory") as caught:  # kept, as a notebook keeps it
        store.close()
    program = _OWNER.replace("sys.stdin.read()", "print(len(store.between('kitchen')))")
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "memory")], capture_output=True, text=True, check=False
    )
    assert said.stdout == "open\n7\n", said.stderr
    assert caught.value


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
