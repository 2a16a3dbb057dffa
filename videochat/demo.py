"""A small video of our own making, and what one would ask of it."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

SCENES = (
    (4.0, "HOW TO MAKE TEA", "midnightblue", False),
    (5.0, "1. Boil the water", "darkred", False),
    (5.0, "2. Let it steep", "olive", True),
    (4.0, "3. Add the milk", "white", False),
    (2.0, "THE END", "black", False),
)
"""(seconds, words on the screen, background, whether a disc moves)."""

WORDS = (
    (4.5, 8.0, "First we boil fresh water in the kettle."),
    (9.5, 13.0, "The leaves steep for exactly three minutes."),
    (14.5, 17.5, "Now the milk is poured, slowly and last."),
)
"""(start, end, words) of the subtitle stream; a voice-like sound is heard at the same seconds."""

QUESTIONS = ("When is the milk poured?", "What is on the screen at 10 seconds?", "When does the cat jump?")


def draw_demo(path: str | os.PathLike[str]) -> Path:
    """Draw the demo clip: 20 seconds, five scenes with words, a voice, a subtitle stream."""
    from videochat.testing import Scene, draw_video

    return draw_video(
        path,
        [Scene(*scene) for scene in SCENES],
        frame_rate=25,
        size=(640, 360),
        speech=[(start, end) for start, end, _ in WORDS],
        subtitles=WORDS,
    )


def run_demo(path: str | os.PathLike[str]) -> None:
    """Draw the clip to `path`, watch it into a store of its own, and ask `QUESTIONS`."""
    from videochat.agent import VideoAgent
    from videochat.memory import CaptionStore

    began = time.perf_counter()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    clip = draw_demo(path)
    print(f"Drew {clip} ({clip.stat().st_size / 1000:.0f} kB); play it and check what follows.\n")
    with (
        tempfile.TemporaryDirectory() as folder,
        CaptionStore(folder, embeddings="builtin") as memory,
        VideoAgent(clip, llm="extractive", preset="builtin", memory=memory) as agent,
    ):
        print(agent.watch(), "\n")
        for question in QUESTIONS:
            answer = agent.ask(question)
            print(f"> {question}\n{answer}\n  {answer.status}, {answer.usage.seconds:.2f} s\n")
    print(f"Everything took {time.perf_counter() - began:.1f} s, without a GPU, a key or a download.")
