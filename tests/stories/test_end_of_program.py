"""A program that ends while it is still watching ends well, and the next one goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from videochat import VideoAgent
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video

PROGRAM = """
import sys, time
from videochat import VideoAgent

agent = VideoAgent(sys.argv[1], memory=sys.argv[2], preset=["shots", "visual_facts"], llm="extractive")
agent.start_watching()
while not agent.memory.captions_of(agent.video.id).count():
    time.sleep(0.02)
print("watching" if not agent.watching.done else "too late", flush=True)
{end}
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenes = [Scene(5, "", colour, moving=True) for colour in ("white", "navy", "gold", "tomato")] * 30
    return draw_video(tmp_path_factory.mktemp("long") / "long.mp4", scenes, frame_rate=5, size=(64, 36))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("end", "status"), [("", 0), ("raise RuntimeError('over')", 1)])
def test_a_watch_in_the_background_ends_with_its_program(tmp_path: Path, video: Path, end: str, status: int) -> None:
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end), str(video), str(tmp_path / "memory")],
        capture_output=True,
        text=True,
    )
    assert (program.returncode, program.stdout) == (status, "watching\n"), program.stderr
    assert "Fatal" not in program.stderr
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        stored = memory.captions_of(VideoAgent(video, memory=memory, llm="extractive").video.id)
        assert stored.count() > 0
        assert stored.gaps() == []
