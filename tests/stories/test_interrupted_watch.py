"""A watch whose process is killed: the next one goes on, loses nothing and repeats nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.watching import ids
from videochat.agent.watch import watch
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video
from videochat.tools import make_tools

pytestmark = pytest.mark.timeout(120)

LINE_UP = ["shots", "visual_facts"]

_CHILD = """
import sys
from videochat.agent.watch import watch
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import make_tools

video = Video(sys.argv[1])
store = CaptionStore(sys.argv[2])
watch(video, make_tools(sys.argv[3:]), store.captions_of(video.id), progress=lambda s: print(s, flush=True))
"""


@pytest.fixture(scope="module")
def long_video(drawn: Path) -> Video:
    """Ten minutes of scenes of a few seconds."""
    colours = ["white", "navy", "gold", "black", "tomato", "grey"]
    scenes = [Scene(3 + i % 5, "", colours[i % 6], moving=i % 2 == 0) for i in range(120)]
    return Video(draw_video(drawn / "ten_minutes.mp4", scenes, frame_rate=2, size=(64, 36)))


@pytest.fixture(scope="module")
def uninterrupted(long_video: Video, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with CaptionStore(tmp_path_factory.mktemp("whole"), embeddings="builtin") as store:
        stored = store.captions_of(long_video.id)
        watch(long_video, make_tools(LINE_UP), stored)
        return ids(stored)


def test_kill_9_loses_nothing_and_repeats_nothing(tmp_path: Path, long_video: Video, uninterrupted: list[str]) -> None:
    killed_at = random.choice([0.0, 150.0, 300.0])
    memory = tmp_path / "memory"
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(long_video.path), str(memory), *LINE_UP],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as said:
        assert any(float(line) >= killed_at for line in said), "it ended before it could be killed"
        child.kill()
    # Where this process had to wait for a core, the child may just have been done.
    assert child.wait() in (-signal.SIGKILL, 0)

    with CaptionStore(memory) as store:
        stored = store.captions_of(long_video.id)
        kept = ids(stored)
        assert len(kept) == len(set(kept))
        assert set(kept) <= set(uninterrupted)
        report = watch(long_video, make_tools(LINE_UP), stored)
        assert ids(stored) == uninterrupted
        assert report.captions_added == len(uninterrupted) - len(kept)
        assert report.gaps == []
        # What the killed process had stored is found like the rest.
        found = store.search("shot", k=1000, video_ids=[long_video.id], kinds=["shot"])
        assert len(found) == len(stored.between(kinds=["shot"]))


def test_the_uninterrupted_watch_saw_every_scene(long_video: Video, uninterrupted: list[str]) -> None:
    # 120 scenes, and a description every five seconds.
    assert len(uninterrupted) >= 120 + long_video.duration_seconds / 5
