"""Models side by side: the same questions about the same videos, as figure 3 of the paper lays them out."""

from __future__ import annotations

import base64
import html
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videochat.agent import VideoAgent
from videochat.agent.chat_models import ChatModel
from videochat.agent.video_set import AnyVideo
from videochat.answer_html import answer_html, answer_style
from videochat.contenders import Answering, Contender, Way, named, why
from videochat.errors import InvalidArgument, VideoChatError
from videochat.intervals import clock
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.printable import printable
from videochat.records import Answer, Usage
from videochat.tools import PerceptionTool
from videochat.tools.clip_backends import looked_at

_HOLDS = {
    "grounded": "captions bear it out",
    "partly": "in part",
    "claim": "no caption bears it out",
    "not_found": "not found",
}
_BARE = {"blind": "saw nothing", "subtitles": "read what is said", "frames": "saw pictures alone"}
_SHOWN_FRAMES, _FRAME_SIDE, _STRIP = 8, 200, 4
_MOST_WORDS = 400  # characters of an answer in the table
_OF_FOLDER = re.compile(r"(.*\b(?:embed|video):)([^,]+)(.*)")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2.5rem auto; padding: 0 1.5rem; max-width: 90rem;
  background: light-dark(#fbfaf8, #16171a); color: light-dark(#22211f, #e8e6e3); }
h1 { font-size: 1.5rem; font-weight: 600; }
h2 { font-size: 1.05rem; margin: 2.6rem 0 .6rem; font-weight: 600; overflow-wrap: anywhere; }
h3 { font-size: .8rem; font-weight: 600; margin: 0 0 .5rem; opacity: .75; overflow-wrap: anywhere; }
.strip, .seen { display: flex; gap: .35rem; flex-wrap: wrap; margin: 0 0 .8rem; }
.strip img { height: 8.5rem; border-radius: .5rem; max-width: 100%; }
.seen figure { margin: 0; } .seen img { height: 2.9rem; border-radius: .25rem; display: block; }
.seen figcaption { font-size: .65rem; opacity: .65; text-align: center; }
.question { display: inline-block; padding: .5rem .9rem; border-radius: 1rem 1rem .2rem 1rem; margin: .4rem 0 .8rem;
  background: light-dark(#e9e4dc, #2a2c31); }
.models { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
.model { border: 1px solid light-dark(#e0dbd3, #34363c); border-radius: .7rem; padding: .9rem 1rem; min-width: 0;
  background: light-dark(#fff, #1c1e22); overflow-wrap: anywhere; }
.cost, .problem { font-size: .78rem; opacity: .7; margin: .6rem 0 0; } .problem { opacity: 1; color: #c0392b; }
.vc-answer img { max-height: 6rem; }
table { border-collapse: collapse; font-size: .88rem; margin: 1rem 0; }
td, th { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid light-dark(#e0dbd3, #34363c); }
"""


@dataclass(frozen=True)
class Cell:
    """What one model says to one question about one video."""

    model: str
    video: str
    question: str
    answer: Answer | None = None
    """None where the model failed."""
    problem: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """From the question to the answer; the video had been watched before."""
    memory_bytes: int | None = None
    """What a model on this machine takes; None for one that is elsewhere."""
    frames: Sequence[tuple[float, bytes]] = field(default=(), repr=False)
    """Second and JPEG of the pictures that it looked at by itself."""
    way: Way = ""
    """What it got of the video."""

    @property
    def holds(self) -> str:
        """Whether what it says holds against what was noted."""
        if self.answer is None:
            return "failed"
        return _BARE.get(self.way) or _HOLDS[self.answer.status]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, pictures aside."""
        data = {"model": self.model, "video": self.video, "question": self.question, "problem": self.problem}
        more = {"seconds": self.seconds, "memory_bytes": self.memory_bytes, "frames": [s for s, _ in self.frames]}
        return {**data, **more, "answer": None if self.answer is None else self.answer.as_dict()}


@dataclass(frozen=True)
class Comparison:
    """Every model's answer to every question about every video."""

    cells: Sequence[Cell]
    """In the order of videos, questions, models."""
    strips: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)
    """Some pictures of each video, by its name."""

    def rows(self) -> list[list[Cell]]:
        """Return the cells of each question about each video."""
        found: dict[tuple[str, str], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.video, cell.question), []).append(cell)
        return list(found.values())

    def __str__(self) -> str:
        width = max((len(cell.model) for cell in self.cells), default=0)
        lines: list[str] = []
        for row in self.rows():
            lines.append(f"{row[0].video}: {row[0].question}")
            for cell in row:
                words = " ".join((cell.problem if cell.answer is None else cell.answer.text).split())
                words = words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS].rsplit(' ', 1)[0]} …"
                lines.append(f"  {cell.model:<{width}}  {words}")
                lines.append(f"  {'':<{width}}  ({cell.holds}; {_cost(cell)})")
            lines.append("")
        totals = self.totals()
        return "\n".join([*lines, *(_line(list(row)) for row in [list(totals[0]), *(r.values() for r in totals)])])

    def totals(self) -> list[dict[str, str]]:
        """Return a line for each model: how many answers, how many hold, and what they took."""
        by_model: dict[str, list[Cell]] = {}
        for cell in self.cells:
            by_model.setdefault(cell.model, []).append(cell)
        found = []
        for name, cells in by_model.items():
            answers = [cell.answer for cell in cells if cell.answer is not None]
            tokens = sum((a.usage.input_tokens or 0) + (a.usage.output_tokens or 0) for a in answers)
            seconds = sorted(cell.seconds for cell in cells if cell.answer is not None)
            memory = next((cell.memory_bytes for cell in cells if cell.memory_bytes is not None), None)
            found.append(
                {
                    "model": name,
                    "answers": f"{len(answers)} of {len(cells)}",
                    "borne out": str(sum(a.status == "grounded" for a in answers)),
                    "in part": str(sum(a.status == "partly" for a in answers)),
                    "citations": str(sum(len(a.citations) for a in answers)),
                    "seconds": f"{seconds[len(seconds) // 2]:.2f}" if seconds else "",
                    "tokens": f"{tokens:,}" if tokens else "",
                    "memory": _size(memory),
                }
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"cells": [cell.as_dict() for cell in self.cells], "totals": self.totals()}

    def html(self) -> str:
        """Return a page that needs nothing else: the pictures, the questions, the answers side by side."""
        videos = dict.fromkeys(cell.video for cell in self.cells)
        body = "".join(self._section(name) for name in videos)
        totals = self.totals()
        head = "".join(f"<th>{_escape(name)}</th>" for name in (totals[0] if totals else {}))
        lines = "".join(f"<tr>{''.join(f'<td>{_escape(v)}</td>' for v in row.values())}</tr>" for row in totals)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">"
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Models side by side</title>'
            f"<style>{_STYLE}{answer_style()}</style></head><body><h1>Models side by side</h1>"
            f"<table><tr>{head}</tr>{lines}</table>{body}</body></html>\n"
        )

    def _section(self, name: str) -> str:
        strip = "".join(f'<img alt="" src="{_data(jpeg)}">' for jpeg in self.strips.get(name, ()))
        parts = [f'<h2>{_escape(name)}</h2><div class="strip">{strip}</div>']
        for row in self.rows():
            if row[0].video == name:
                models = "".join(map(_model, row))
                parts.append(
                    f'<div class="question">{_escape(row[0].question)}</div><div class="models">{models}</div>'
                )
        return f"<section>{''.join(parts)}</section>"

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html())}" style="width:100%;height:40rem;border:0"></iframe>'


def compare(
    videos: AnyVideo | Sequence[AnyVideo],
    questions: str | Sequence[str],
    models: Sequence[Contender | ChatModel | str],
    *,
    memory: CaptionStore | str | os.PathLike[str] | None = None,
    preset: str | Sequence[str | PerceptionTool] | None = None,
    on_cell: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Ask several models the same questions about the same videos and pictures, each video by itself.

    A model that fails does not end it: its cells say why. Models take their turn one after another, so that two need
    not fit into memory together.

    Args:
        videos: one, or a list of them.
        questions: one, or a list of them; each is asked in a conversation of its own.
        models: chat models, or their names as of `VideoAgent`; `WAY:NAME` says what it gets (`contenders.Way`).
        memory: where captions are kept, as of `VideoAgent`.
        preset: what watches, for those that read captions.
        on_cell: called with (done, of how many) after each answer.

    Raises:
        InvalidArgument: there is no video, question or model.
        MediaError: a video cannot be read.
    """
    several = [videos] if isinstance(videos, str | os.PathLike | Video) else list(videos)
    opened = [video if isinstance(video, Video) else Video(video) for video in several]
    asked = [questions] if isinstance(questions, str) else list(questions)
    contenders = _without_folders(named([Contender.of(model) for model in models]))
    if not (opened and asked and contenders):
        raise InvalidArgument("A comparison needs a video, a question and a model; name models with --with.")
    names = _names_of(opened)
    store = memory if isinstance(memory, CaptionStore) else CaptionStore(memory)
    total, cells = len(opened) * len(asked) * len(contenders), dict[tuple[int, int, int], Cell]()
    try:
        for column, (name, contender) in enumerate(contenders):
            asked_of = _Column(name, contender, store, preset)
            for row, video in enumerate(opened):
                for number, question in enumerate(asked):
                    cells[row, number, column] = asked_of.cell(video, names[row], question)
                    if on_cell is not None:
                        on_cell(len(cells), total)
        strips = {name: _strip(video) for name, video in zip(names, opened, strict=True)}
    finally:
        if store is not memory:
            store.close()
    return Comparison([cells[key] for key in sorted(cells)], strips)


class _Column:
    """One model at its work."""

    def __init__(self, name: str, contender: Contender, store: CaptionStore, preset: Any) -> None:
        self._name, self._contender = name, contender
        self._answering: Answering | None = None
        self._problem = ""
        try:
            self._answering = Answering(contender, store, preset)
        except Exception as error:
            self._problem = why(error)

    def cell(self, video: Video, shown: str, question: str) -> Cell:
        """Return the answer of the model, or why there is none."""
        answering, way = self._answering, self._contender.way
        if answering is None:
            return Cell(self._name, shown, question, problem=self._problem, way=way)
        memory = answering.memory_bytes
        began = time.monotonic()
        try:
            agent = answering.agent(video) if self._contender.reads_captions else None
            began = time.monotonic()
            answer = answering.reply(video, question).answer
            frames = _frames(agent, answer) if agent is not None else []
        except Exception as error:
            taken = time.monotonic() - began
            return Cell(self._name, shown, question, problem=why(error), seconds=taken, memory_bytes=memory, way=way)
        return Cell(self._name, shown, question, answer, "", time.monotonic() - began, memory, frames, way)


def _frames(agent: VideoAgent, answer: Answer) -> list[tuple[float, bytes]]:
    """Return the pictures that a video model looked at, spread over all of them where they are many."""
    seconds = [
        second
        for claim in answer.claims
        for second in looked_at(
            agent.video, (claim.start_seconds, claim.end_seconds), int(claim.attributes.get("frames", 1))
        )
    ]
    shown = dict.fromkeys(seconds[i * len(seconds) // _SHOWN_FRAMES] for i in range(_SHOWN_FRAMES)) if seconds else {}
    pictures = [(second, agent.video_set.picture(agent.video, second, max_side=_FRAME_SIDE)) for second in shown]
    return [(second, jpeg) for second, jpeg in pictures if jpeg is not None]


def _strip(video: Video) -> list[bytes]:
    from videochat.chat_models import jpeg_of

    if not video.has_video:
        return []
    length = video.duration_seconds
    seconds = [0.0] if video.is_picture else [length * (i + 0.5) / _STRIP for i in range(_STRIP)]
    try:
        return [jpeg_of(frame.image) for frame in video.frames(at_seconds=seconds, max_side=320)]
    except VideoChatError:
        return []


def _without_folders(contenders: Sequence[tuple[str, Contender]]) -> list[tuple[str, Contender]]:
    """Return models with the last part of a folder that names them, unless two would then have one name."""
    short = [
        match[1] + Path(match[2]).name + match[3]
        if (match := _OF_FOLDER.fullmatch(name)) and Path(match[2]).expanduser().is_dir()
        else name
        for name, _ in contenders
    ]
    return [
        (own if short.count(own) == 1 else name, contender)
        for own, (name, contender) in zip(short, contenders, strict=True)
    ]


def _names_of(videos: Sequence[Video]) -> list[str]:
    names: list[str] = []
    for video in videos:
        same = names.count(video.name)
        names.append(f"{video.name} ({same + 1})" if same else video.name)
    return names


def _cost(cell: Cell) -> str:
    usage = cell.answer.usage if cell.answer is not None else Usage()
    parts = [f"{cell.seconds:.2f} s"]
    if usage.input_tokens or usage.output_tokens:
        parts.append(f"{usage.input_tokens or 0:,} + {usage.output_tokens or 0:,} tokens")
    if cell.memory_bytes is not None:
        parts.append(_size(cell.memory_bytes))
    return ", ".join(parts)


def _size(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _line(values: Sequence[str]) -> str:
    first, *rest = values
    return "  ".join([f"{first:<40}", *(f"{value:>11}" for value in rest)]).rstrip()


def _model(cell: Cell) -> str:
    seen = "".join(
        f'<figure><img alt="" src="{_data(jpeg)}"><figcaption>{clock(second)}</figcaption></figure>'
        for second, jpeg in cell.frames
    )
    seen = f'<div class="seen" aria-label="Pictures that it saw">{seen}</div>' if seen else ""
    if cell.answer is None:
        said = f'<p class="problem">{_escape(cell.problem)}</p>'
    else:
        pictures = [citation.thumbnail() if citation.thumbnail else None for citation in cell.answer.citations]
        said = answer_html(cell.answer.as_dict(), pictures=pictures)
    return (
        f'<div class="model"><h3>{_escape(cell.model)}</h3>{seen}{said}<p class="cost">{_escape(_cost(cell))}</p></div>'
    )


def _data(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _escape(text: str) -> str:
    return html.escape(printable(text))
