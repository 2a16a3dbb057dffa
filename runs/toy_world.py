"""A toy data set and model: drawn clips of shapes with captions and questions, small enough to learn on a laptop.

Every clip lasts eight seconds (some, which are only asked about, pass more slowly and last sixteen) and is of one of
four kinds, each in mirror pairs that hold the same pictures in the opposite order, so that nothing about order can be
told from the pictures as a set:

- crossing: a shape moves left, right, up or down;
- painting: a shape changes its colour at second 2, 4 or 6;
- succession: one shape, then another;
- collision: one shape runs into another, which then changes colour; or it changes as the first one leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, Literal

import av
import torch
from PIL import Image, ImageDraw
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from videochat.embed_model.config import BridgeConfig, EmbedConfig, VisionConfig
from videochat.embed_model.dialogue import SEPARATOR, sampling_message
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.prompts import BRIEF_IMAGE, BRIEF_VIDEO

COLOURS = {"red": (230, 40, 40), "green": (40, 200, 60), "blue": (60, 90, 255), "yellow": (250, 220, 40)}
SHAPES = ("square", "ring", "cross")
SECONDS, SLOWED_SECONDS = 8, 16
PICTURES_PER_SECOND = 3
SIDE = 64
"""Pixels of a side of a drawn picture."""

QuestionKind = Literal["descriptive", "temporal", "causal"]

_WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_ENDS = {"left": ("right", "left"), "right": ("left", "right"), "up": ("bottom", "top"), "down": ("top", "bottom")}
_COLUMNS, _ROWS = ("left", "centre", "right"), ("top", "middle", "bottom")
_RADIUS = 0.17
_REACH = 0.33


@dataclass(frozen=True)
class Thing:
    """A shape at one moment."""

    shape: str
    colour: str
    x: float
    """Middle, in [0, 1] from the left."""
    y: float
    """Middle, in [0, 1] from the top."""


@dataclass(frozen=True)
class Question:
    """What can be asked of a clip, with the true answer."""

    kind: QuestionKind
    question: str
    answer: str


@dataclass(frozen=True)
class Clip:
    """A drawn clip and everything that is true of it."""

    scene: Callable[[float], list[Thing]]
    """What is seen at a second."""
    caption: str
    questions: tuple[Question, ...]

    def pictures(self, seconds: int = SECONDS) -> list[Image.Image]:
        """Draw it, `PICTURES_PER_SECOND` pictures a second, so slowly that it lasts `seconds`."""
        count = seconds * PICTURES_PER_SECOND
        return [draw(self.scene((number + 0.5) / count * SECONDS)) for number in range(count)]


def draw(things: Sequence[Thing]) -> Image.Image:
    """Draw things on a dark ground, later ones on top."""
    image = Image.new("RGB", (SIDE, SIDE), (24, 24, 24))
    pen = ImageDraw.Draw(image)
    r = _RADIUS * SIDE
    for thing in things:
        x, y, colour = thing.x * SIDE, thing.y * SIDE, COLOURS[thing.colour]
        box = [x - r, y - r, x + r, y + r]
        if thing.shape == "square":
            pen.rectangle(box, fill=colour)
        elif thing.shape == "ring":
            pen.ellipse(box, outline=colour, width=round(r / 2))
        else:
            pen.line([x - r, y, x + r, y], fill=colour, width=round(r / 2))
            pen.line([x, y - r, x, y + r], fill=colour, width=round(r / 2))
    return image


def make_picture(random: Random) -> tuple[list[Thing], str]:
    """Make up one or two things beside each other, and their caption: what is there, and where.

    Without the where, stage 1 teaches the queries to keep what a thing is and to lose its place, and stage 2 cannot
    tell which way it moves.
    """
    count = random.choice((1, 2))
    shapes, colours = random.sample(SHAPES, count), random.sample(sorted(COLOURS), count)
    columns = [random.uniform(0.2, 0.8)] if count == 1 else [random.uniform(0.2, 0.3), random.uniform(0.7, 0.8)]
    things = [
        Thing(shape, colour, x, random.uniform(0.2, 0.8))
        for shape, colour, x in zip(shapes, colours, columns, strict=True)
    ]
    return things, " and ".join(f"a {thing.colour} {thing.shape} {_place(thing)}" for thing in things)


def _place(thing: Thing) -> str:
    return f"at the {_third(thing.y, _ROWS)} {_third(thing.x, _COLUMNS)}"


def _third(at: float, names: Sequence[str]) -> str:
    return names[0 if at < 0.4 else 1 if at < 0.6 else 2]


def make_clip(random: Random) -> Clip:
    """Make up a clip of any kind."""
    return random.choice((_crossing, _painting, _succession, _collision))(random)


def _crossing(random: Random) -> Clip:
    (shape,), (colour,) = random.sample(SHAPES, 1), random.sample(sorted(COLOURS), 1)
    way = random.choice(sorted(_WAYS))
    dx, dy = _WAYS[way]
    beside = random.uniform(-0.3, 0.3)

    def scene(second: float) -> list[Thing]:
        gone = (second / SECONDS - 0.5) * 2 * _REACH
        return [Thing(shape, colour, 0.5 + dx * gone + abs(dy) * beside, 0.5 + dy * gone + abs(dx) * beside)]

    first, last = _ENDS[way]
    return Clip(
        scene,
        f"a {colour} {shape} moves {way} from the {first} to the {last}",
        (
            Question("descriptive", "What shape moves?", f"a {shape}"),
            Question("descriptive", "What colour is the moving shape?", colour),
            Question("descriptive", "How many shapes are there?", "one"),
            Question("temporal", "Which way does it move?", way),
            Question("temporal", "Where is it at first?", first),
            Question("temporal", "Where is it at the end?", last),
        ),
    )


def _painting(random: Random) -> Clip:
    shape = random.choice(SHAPES)
    before, after = random.sample(sorted(COLOURS), 2)
    when = random.choice((2, 4, 6))
    x, y = random.uniform(0.2, 0.8), random.uniform(0.2, 0.8)
    return Clip(
        lambda second: [Thing(shape, before if second < when else after, x, y)],
        f"a {before} {shape} turns {after}",
        (
            Question("descriptive", "What shape changes colour?", f"a {shape}"),
            Question("descriptive", "How many shapes are there?", "one"),
            Question("temporal", "What colour is it at first?", before),
            Question("temporal", "What colour is it at the end?", after),
            Question("temporal", "When does the colour change?", f"at second {when}"),
        ),
    )


def _succession(random: Random) -> Clip:
    shapes, colours = random.sample(SHAPES, 2), random.sample(sorted(COLOURS), 2)
    things = [
        Thing(shape, colour, random.uniform(0.2, 0.8), random.uniform(0.2, 0.8))
        for shape, colour in zip(shapes, colours, strict=True)
    ]
    first, last = (f"a {thing.colour} {thing.shape}" for thing in things)
    asked = random.choice(SHAPES)
    return Clip(
        lambda second: [things[second >= SECONDS / 2]],
        f"first {first} then {last}",
        (
            Question("descriptive", "How many shapes are there?", "two"),
            Question("descriptive", f"Is there a {asked}?", "yes" if asked in shapes else "no"),
            Question("temporal", "What is seen first?", first),
            Question("temporal", "What is seen last?", last),
        ),
    )


def _collision(random: Random) -> Clip:
    runner, target = random.sample(SHAPES, 2)
    colour, before, after = random.sample(sorted(COLOURS), 3)
    way = random.choice(("left", "right"))
    dx = _WAYS[way][0]
    hits = random.random() < 0.5
    y = random.uniform(0.25, 0.75)
    middle = 0.5 + random.uniform(-0.05, 0.05)
    # Where the target stands: ahead of the runner, or behind it.
    at = middle + (dx if hits else -dx) * 0.32

    def scene(second: float) -> list[Thing]:
        # The runner needs all the clip for a way that ends, or begins, where the two touch.
        far, near = at + (dx if not hits else -dx) * 0.64, at + (dx if not hits else -dx) * 0.26
        start, end = (far, near) if hits else (near, far)
        share = min(second / (SECONDS / 2), 1.0) if hits else max(second / (SECONDS / 2) - 1, 0.0)
        runs = Thing(runner, colour, start + (end - start) * share, y)
        return [Thing(target, before if second < SECONDS / 2 else after, at, y), runs]

    why = f"because the {runner} hits it" if hits else "not because of a hit"
    begins, ends = (_third(scene(second)[1].x, _COLUMNS) for second in (0, SECONDS))
    told = f"a {colour} {runner} moves {way} from the {begins} to the {ends}"
    turns = f"a {before} {target} turns {after}"
    return Clip(
        scene,
        f"{told} and hits a {before} {target} which turns {after}" if hits else f"{turns} and {told}",
        (
            Question("descriptive", "What shape moves?", f"a {runner}"),
            Question("descriptive", "What colour is the moving shape?", colour),
            Question("descriptive", "What shape changes colour?", f"a {target}"),
            Question("descriptive", f"Where is the {target}?", _third(at, _COLUMNS)),
            Question("temporal", "Which way does it move?", way),
            Question("temporal", f"Where is the {runner} at first?", begins),
            Question("temporal", f"Where is the {runner} at the end?", ends),
            Question("temporal", "What happens first?", f"a {runner} moves" if hits else f"a {target} turns {after}"),
            Question("causal", "Why does the colour change?", why),
        ),
    )


def write_world(folder: str | Path, *, clips: int, pictures: int, held_out: int, seed: int = 1) -> Path:
    """Draw clips and pictures as files, with annotations of both stages.

    Written are `alignment.json` (captions of pictures and clips), `instruction.json` (conversations about the same
    clips), `held_out.json` (other clips; a list of `{"video", "QA": [{"q", "a", "kind"}]}`) and `slowed.json` (those
    clips, twice as long as any that is learned from; when something happens is not asked, since no answer names a
    second after the eighth).

    Returns:
        The folder.
    """
    folder = Path(folder)
    for name in ("clips", "pictures", "held_out", "slowed"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    random = Random(f"{seed}/train")
    alignment: list[dict[str, Any]] = []
    instruction: list[dict[str, Any]] = []
    for number in range(pictures):
        things, caption = make_picture(random)
        name = f"pictures/{number:05d}.png"
        draw(things).save(folder / name)
        alignment.append({"image": name, "caption": caption})
    for number in range(clips):
        clip = make_clip(random)
        name = f"clips/{number:05d}.mp4"
        write_clip(folder / name, clip)
        alignment.append({"video": name, "caption": clip.caption})
        questions = random.sample(clip.questions, len(clip.questions))
        instruction.append({"video": name, "QA": [{"q": one.question, "a": one.answer} for one in questions]})
    random = Random(f"{seed}/held out")
    unseen: list[dict[str, Any]] = []
    slowed: list[dict[str, Any]] = []
    for number in range(held_out):
        clip = make_clip(random)
        name = f"held_out/{number:05d}.mp4"
        write_clip(folder / name, clip)
        turns = [{"q": one.question, "a": one.answer, "kind": one.kind} for one in clip.questions]
        unseen.append({"video": name, "QA": turns})
        name = f"slowed/{number:05d}.mp4"
        write_clip(folder / name, clip, SLOWED_SECONDS)
        slowed.append({"video": name, "QA": [turn for turn in turns if not turn["q"].startswith("When")]})
    written = {"alignment": alignment, "instruction": instruction, "held_out": unseen, "slowed": slowed}
    for file, items in written.items():
        (folder / f"{file}.json").write_text(json.dumps(items))
    return folder


def write_clip(path: Path, clip: Clip, seconds: int = SECONDS) -> None:
    """Encode a clip as a small real video that lasts so long, exactly as drawn.

    PNG is read back ten times as fast as H.264 in RGB.
    """
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("png", rate=Fraction(PICTURES_PER_SECOND))
        stream.width = stream.height = SIDE
        stream.pix_fmt = "rgb24"
        for picture in clip.pictures(seconds):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


def toy_model(*, gmhra: bool = True, frame_times: bool = False, seed: int = 0) -> VideoChatEmbed:
    """Make an untrained model for this world, LLM and tokenizer included: 0.5 million weights.

    Args:
        gmhra: False leaves GMHRA out, for comparison.
        frame_times: add our option `FrameTimes`.
        seed: of the weights.
    """
    torch.manual_seed(seed)
    tokenizer = word_tokenizer()
    config = EmbedConfig(
        VisionConfig(
            image_size=32,
            patch_size=8,
            width=64,
            depth=3,
            heads=4,
            mlp_width=128,
            gmhra_layers=2 if gmhra else 0,
            gmhra_mlp_width=128,
            gmhra_dropout=0.0,
            frame_times=frame_times,
        ),
        BridgeConfig(width=64, depth=2, heads=4, mlp_width=128, queries=4, extra_queries=8, cross_attention_every=1),
        llm_width=64,
    )
    llm = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            intermediate_size=128,
            max_position_embeddings=512,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            initializer_range=0.1,
        )
    )
    model = VideoChatEmbed(config, llm, tokenizer)
    _initialise(model)
    return model.eval()


def _initialise(model: VideoChatEmbed) -> None:
    """Draw the weights that normally come ready-made: 0.02, the usual spread, is too little for so few channels."""
    for part in (model.vision.vit, model.bridge.qformer):
        for name, parameter in part.named_parameters():
            if "embedding" in name and parameter.ndim == 3:
                # Weaker ones drown in the growing patch embeddings, and no place is ever learned.
                nn.init.normal_(parameter, std=1.5)
            elif parameter.ndim == 4:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
            elif parameter.ndim == 2:
                nn.init.xavier_normal_(parameter)
    for queries in (model.bridge.queries, model.bridge.extra_queries):
        nn.init.normal_(queries)
    if model.vision.frame_times is not None:
        # About half of a token's own spread: queries can tell early from late, and what is seen is not drowned.
        nn.init.normal_(model.vision.frame_times.projection.weight, std=0.25)


_WORD = r"\d+\.\d|\w+|[^\w\s]+"


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows every word of this world: a word, a number or a mark is one token."""
    random = Random("words")
    texts = [*BRIEF_IMAGE, *BRIEF_VIDEO, *(f"{SEPARATOR} Human : < / Video > </ Image > 1 4 8 16 Assistant".split())]
    texts.append(sampling_message([tenth / 10 for tenth in range(10 * SLOWED_SECONDS + 1)]))
    for _ in range(1000):
        clip = make_clip(random)
        said = [text for one in clip.questions for text in (one.question, one.answer)]
        texts += [make_picture(random)[1], clip.caption, *said]
    words = sorted({word for text in texts for word in re.findall(_WORD, text)})
    known = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>", *words])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
