"""What a language model is sent: how much of it bears on the question, and whether the evidence is among it.

    python benchmarks/context.py ../shared/material [--show] [--only dense|clips]

Two parts. `dense`: a store drawn from a script, of a film of ten minutes with a caption a second, eight boxes every
five seconds, tags and actions every two seconds, speech every ten; for each of twenty questions one planted caption
is the evidence. Prints for how many it is in the first message that is sent, per mode. `clips`: twelve questions on
four clips, watched with the builtin preset and, where there is one, a detector. Prints for each mode the lines that
are sent, the share that repeats another word for word, the share that measures light or motion though the question
does not ask for it, for how many questions the evidence is among them, and the tokens (characters / 4). `--show`
prints the messages.

It asks a scripted model and looks only at what that one is sent, so that it runs on any commit.
"""

import argparse
import random
import re
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from videochat.agent import VideoAgent
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, ScriptedLLM, draw_video
from videochat.tools import PRESETS, make_tool

SECONDS = 600
MODES: tuple[Literal["retrieve", "agent"], ...] = ("retrieve", "agent")
THINGS = ["rabbit", "tree trunk", "grass", "butterfly", "rock", "flower", "mushroom", "cloud", "branch", "apple", "nut"]
PARTS = ["eyes", "ears", "left side", "top", "shadow", "colour", "edge", "middle"]
DOING = ["sits", "walks", "looks around", "sleeps", "eats", "jumps", "stands", "turns"]
PLACES = ["in the forest", "on the meadow", "by the brook", "under a tree", "on a hill"]
PLANTED = [
    ("When does the squirrel throw a chestnut?", 37, "clip_caption", "a squirrel throws a chestnut at the rabbit"),
    ("Where is the red kite?", 61, "dense_caption", "a red kite above the hill"),
    ("What is said about the old mill?", 92, "speech", "The old mill has not turned for thirty years."),
    ("What does the sign at the bridge say?", 118, "ocr", "BRIDGE CLOSED UNTIL 1 MAY"),
    ("Who is fishing?", 141, "action", "fishing with a rod"),
    ("Does a fox appear?", 173, "clip_caption", "a fox hides behind a stone wall"),
    ("What is in the basket?", 204, "dense_caption", "a wicker basket full of cherries"),
    ("What happens to the ladder?", 231, "clip_caption", "a wooden ladder falls into the water"),
    ("How much do the tickets cost?", 256, "ocr", "Tickets 12.50 Euro"),
    ("What does the hedgehog do?", 279, "clip_caption", "a hedgehog rolls down a slope"),
    ("What is said about the winter?", 301, "speech", "Before winter comes we must mend the roof."),
    ("When is the lantern lit?", 333, "action", "lighting a lantern"),
    ("What lies on the bench?", 347, "dense_caption", "an open umbrella on the bench"),
    ("Who rides a bicycle?", 378, "clip_caption", "a bear rides a bicycle past the barn"),
    ("What is written on the barrel?", 402, "ocr", "HONEY 1987"),
    ("What colour is the balloon?", 433, "dense_caption", "a yellow balloon tied to a fence"),
    ("What is said about the river?", 462, "speech", "The river will rise by two metres tonight."),
    ("When is the drum played?", 497, "action", "playing a drum"),
    ("What does the owl carry?", 531, "clip_caption", "an owl carries a letter in its beak"),
    ("How does the film end?", 597, "clip_caption", "the rabbit waves and closes the door"),
]
CLIPS: list[tuple[str, str, str]] = [
    ("jfk_slides.mp4", "Summarize the whole video.", "Homework due Friday"),
    ("jfk_slides.mp4", "When is the homework due?", "Homework due Friday"),
    ("jfk_slides.mp4", "What does he ask his fellow Americans?", "ask what you can do for your country"),
    ("friday.mp4", "What mood is the boss in?", "bad humor"),
    ("friday.mp4", "How many people are in sight?", "person"),
    ("friday.mp4", "What was stolen?", "crown jewels"),
    ("nasa_13013.mp4", "Where is the telescope being built?", "Goddard"),
    ("nasa_13013.mp4", "What is this about?", "Webb"),
    ("car-detection.mp4", "When does the first car appear?", "car"),
    ("car-detection.mp4", "How many cars pass?", "car"),
    ("car-detection.mp4", "Is it dark?", "light"),
    ("car-detection.mp4", "How long is the clip?", "00:3"),
]


def dense_captions(video_id: str) -> list[Caption]:
    """Return the captions of the drawn film, always the same."""
    dice = random.Random(7)

    def caption(start: float, end: float, kind: Any, text: str, **more: Any) -> Caption:
        return Caption(video_id, start, end, kind, text, "script", **more)

    found = []
    for second in range(SECONDS):
        text = f"a {dice.choice(THINGS[:4])} {dice.choice(DOING)} {dice.choice(PLACES)}"
        found.append(caption(second, second + 1, "clip_caption", text))
        if second % 2 == 0:
            tags = ", ".join(dice.sample(THINGS, 3))
            found.append(caption(second, second + 2, "tags", tags))
            found.append(caption(second, second + 2, "action", f"{dice.choice(DOING)} ({dice.choice(PLACES)})"))
            light = f"light: medium (mean lightness {dice.randint(40, 60)}%); camera: still"
            found.append(caption(second, second + 2, "tags", light, attributes={"light": "medium"}))
        if second % 5 == 0:
            for _ in range(8):
                x, y = dice.randint(0, 500), dice.randint(0, 250)
                box = (x, y, x + dice.randint(20, 140), y + dice.randint(20, 110))
                text = f"the {dice.choice(PARTS)} of the {dice.choice(THINGS)}"
                found.append(caption(second, second + 5, "dense_caption", text, box=box))
        if second % 10 == 3:
            found.append(caption(second, second + 4, "speech", f"And then, number {second}, we went on and on."))
    for _, second, kind, text in PLANTED:
        box = (300.0, 40.0, 380.0, 120.0) if kind == "dense_caption" else None
        found.append(caption(second, second + (5 if kind == "dense_caption" else 2), kind, text, box=box))
    return found


def sent(agent: VideoAgent, llm: ScriptedLLM, question: str) -> str:
    """Return the last user message that the model is sent first."""
    llm.sent.clear()
    agent.ask(question, thread=question)
    # Summaries and the judge are other calls.
    messages = [message.text for call in llm.sent for message in call if message.type == "human"]
    return next(text for text in messages if "Video contexts in temporal order" in text)


def model() -> ScriptedLLM:
    """Return a model that knows nothing."""
    return ScriptedLLM(*["The video does not show this."] * 5000)


def dense(folder: Path, *, show: bool) -> None:
    """Print for how many questions the planted evidence is sent."""
    video = draw_video(folder / "film.mp4", [Scene(float(SECONDS), "grey")], frame_rate=1, size=(640, 360))
    with CaptionStore(folder / "dense", embeddings="builtin") as store:
        for mode in MODES:
            llm = model()
            agent = VideoAgent(video, memory=store, llm=llm, mode=mode, preset=["subtitles"])
            if mode == "retrieve":
                store.add(dense_captions(agent.video.id))
            held, tokens = 0, 0
            for question, _, _, text in PLANTED:
                message = sent(agent, llm, question)
                held += text in message
                tokens += len(message) // 4
                if show or text not in message:
                    print(f"  {mode}: {question} {'sent' if text in message else 'MISSING'}")
                    print(message if show else "", end="")
            print(f"dense, {mode}: evidence sent for {held} of {len(PLANTED)}, {tokens // len(PLANTED)} tokens each")


def clips(folder: Path, material: Path, *, show: bool) -> None:
    """Print what is sent of the clips."""
    detectors = sorted(material.rglob("yolo*.pt")) if find_spec("ultralytics") else []
    senses = [*PRESETS["builtin"].tools, *([make_tool("objects", model=detectors[0])] if detectors else [])]
    with CaptionStore(folder / "clips", embeddings="builtin") as store:
        for mode in MODES:
            lines = repeats = measures = held = tokens = 0
            for clip, question, evidence in CLIPS:
                llm = model()
                agent = VideoAgent(material / "videos" / clip, memory=store, llm=llm, mode=mode, preset=senses)
                message = sent(agent, llm, question)
                body = message.split("<video>")[-1].split("</video>")[0]
                said = [re.sub(r"\s*\[\d+\]|\d+:\d\d(?:-\d+:\d\d)?:?", "", line).strip() for line in body.splitlines()]
                said = [line for line in said if line]
                lines += len(said)
                repeats += len(said) - len(set(said))
                if not re.search("dark|light", question):
                    measures += sum(bool(re.search(r"mean lightness|of the picture moves|camera: ", s)) for s in said)
                held += evidence in body
                tokens += len(message) // 4
                if show:
                    print(f"--- {clip}, {mode}: {question}\n{message}\n")
            print(
                f"clips, {mode}: {lines} lines, {repeats / lines:.0%} repeat another, "
                f"{measures / lines:.0%} measure unasked, evidence sent for {held} of {len(CLIPS)}, "
                f"{tokens // len(CLIPS)} tokens each"
            )


def main() -> None:
    """Draw, watch, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("material", type=Path)
    parser.add_argument("--only", choices=("dense", "clips"))
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.only != "clips":
            dense(Path(name), show=options.show)
        if options.only != "dense":
            clips(Path(name), options.material, show=options.show)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    main()
