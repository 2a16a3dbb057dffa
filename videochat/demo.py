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

SPEECH = Path(__file__).with_name("kennedy_1961.opus")
"""Eleven seconds of President Kennedy's inaugural address of January 20, 1961: a work of the United States government,
in the public domain; the recording is the one that accompanies openai-whisper as `jfk.flac`."""
SPOKEN_QUESTION = "What should citizens do for their nation?"
"""Answered by a sentence of `SPEECH` that shares no word with it."""


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


def draw_speech(path: str | os.PathLike[str]) -> Path:
    """Draw a clip with the sound of `SPEECH` and no subtitles."""
    import ffmpeg

    from videochat.ffmpeg import ffmpeg_exe

    sound = ffmpeg.input(str(SPEECH))
    picture = ffmpeg.input("color=midnightblue:size=320x180:rate=10:duration=11", f="lavfi")
    job = ffmpeg.output(picture, sound, str(path), vcodec="libx264", acodec="aac", shortest=None, pix_fmt="yuv420p")
    job.overwrite_output().run(cmd=[ffmpeg_exe(), "-v", "error"])
    return Path(path)


def run_demo(path: str | os.PathLike[str]) -> None:
    """Draw the clip to `path`, watch it into a store of its own, and ask `QUESTIONS`; then hear `SPEECH`, if it can."""
    from videochat.agent import VideoAgent
    from videochat.memory import CaptionStore
    from videochat.memory.embeddings import DEFAULT_MODEL, is_present
    from videochat.tools.presets import can_hear

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
    if can_hear() and is_present(DEFAULT_MODEL):
        heard = draw_speech(Path(path).with_name("demo_speech.mp4"))
        with (
            tempfile.TemporaryDirectory() as folder,
            CaptionStore(folder, embeddings=DEFAULT_MODEL) as memory,
            VideoAgent(heard, llm="extractive", preset="builtin", memory=memory) as agent,
        ):
            print(f"Drew {heard}, with eleven seconds of a speech and no subtitles.\n\n{agent.watch()}\n")
            answer = agent.ask(SPOKEN_QUESTION)
            print(f"> {SPOKEN_QUESTION}\n{answer}\n  {answer.status}, {answer.usage.seconds:.2f} s\n")
    else:
        print("To hear words and compare by meaning as well: pip install 'videochat[offline]'\n")
    print(f"Everything took {time.perf_counter() - began:.1f} s, without a GPU, a key or a download.")
