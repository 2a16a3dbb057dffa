"""Contenders: who is asked about a video, and with what of it, so that models and ways stand side by side."""

from __future__ import annotations

import copy
import random
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from langchain_core.messages import HumanMessage

from videochat.agent import VideoAgent, VideoAnswerer, resolve_llm
from videochat.agent.chat_models import ChatModel, llm_name, window_of
from videochat.agent.multiple_choice import Choice
from videochat.agent.phrases import is_refusal
from videochat.chat_models import jpeg_of, picture_block
from videochat.errors import InvalidArgument, UnknownName, VideoChatError, first_line
from videochat.fence import fenced
from videochat.intervals import Interval, clock, clock_range, parse_clock
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.memory.retrieval import recall
from videochat.records import KINDS, Answer, Status, Usage
from videochat.tools import PerceptionTool, best_present, make_tool, make_tools
from videochat.tools.clip_models import VideoModel, needed_bytes
from videochat.tools.speech import SpeechRecognizer

Way = Literal["", "agent", "retrieve", "blind", "subtitles", "frames", "search", "sense"]
"""What a model gets: the captions, as `VideoAgent` decides (""), with tools, or with one retrieval; the question
alone; what is said and nothing else; pictures at equal distances and nothing else. `search` is no model, but a way to
find captions, whose times are the answer; `sense` is the sense that the question names, by itself."""
WAYS: tuple[Way, ...] = get_args(Way)
SEARCHES = ("hybrid", "dense", "lexical", "random")
"""By meaning and words with the question read; by either alone; in an order that is chance."""
DEFAULT_FRAMES = 16
"""Pictures that a model gets by `frames:`."""
_DEPTH = 50  # captions of a search
_PICTURE_SIDE = 512
_CHARACTERS_PER_TOKEN = 4
_NAMED = re.compile(r"(?:([a-z]+)(?:=(\d+))?:)?(.+)", re.DOTALL)
_CLOCK = r"(?:\d+:)?\d{1,2}:\d\d(?:\.\d+)?"
_MARKER = re.compile(rf"\[[^\[\]]*?({_CLOCK})(?:\s*[-–—]\s*({_CLOCK}))?[^\[\]]*\]")
_ASK = {
    "blind": "{question}\n{how}",
    "subtitles": "This is said in a video of {length}:\n{given}\n\n{question}\n{how} {cite}",
    "frames": "These are {count} pictures of a video of {length}, at equal distances.\n\n{question}\n{how} {cite}",
}
_LETTER = "Answer with the letter of the best option."
_SHORT = "Answer in one or two sentences."
_CITE = "Behind it write in brackets when in the video that is seen or heard: [MM:SS-MM:SS]."


@dataclass(frozen=True)
class Contender:
    """A model that takes part, and what it gets of the video."""

    llm: ChatModel | str
    """A chat model, or its name as of `VideoAgent`: `openai:...`, `embed:FOLDER`, `video:FOLDER`, `extractive`; by
    `search` one of `SEARCHES`."""
    name: str = ""
    """What it is called; empty for its own name."""
    way: Way = ""
    """What it gets."""
    frames: int = DEFAULT_FRAMES
    """How many pictures it gets by `frames`."""
    video_model: str | VideoModel | None = None
    """What it may look with by `agent`, as of `VideoAgent`."""

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise UnknownName("way to ask", self.way, filter(None, WAYS))
        if self.way == "search" and self.llm not in SEARCHES:
            raise UnknownName("search", self.llm, SEARCHES)
        if self.frames < 1:
            raise InvalidArgument(f"A contender needs one picture or more, got frames={self.frames}.")

    @classmethod
    def of(cls, model: Contender | ChatModel | str) -> Contender:
        """Return a model as one that takes part; `WAY:MODEL` says what it gets, `frames=32:MODEL` how many pictures."""
        if isinstance(model, Contender):
            return model
        if isinstance(model, str) and (match := _NAMED.fullmatch(model)) and match[1] in WAYS[1:]:
            frames = int(match[2]) if match[2] else DEFAULT_FRAMES
            return cls(match[3], model, match[1], frames)
        return cls(model, model if isinstance(model, str) else "")

    @property
    def reads_captions(self) -> bool:
        """Whether the video is watched for it."""
        return self.way not in ("blind", "frames", "sense")


@dataclass(frozen=True)
class Reply:
    """What a contender says, and which times it cites."""

    answer: Answer
    cited: Sequence[Interval] = ()
    """Intervals of seconds that the answer cites, best first, where there is something to it."""
    invented: int = 0
    """Times and captions that it cites and was never given."""


def named(contenders: Sequence[Contender]) -> list[tuple[str, Contender]]:
    """Return contenders with names of which no two are the same."""
    found: list[tuple[str, Contender]] = []
    for contender in contenders:
        own = contender.name or (contender.llm if isinstance(contender.llm, str) else llm_name(contender.llm))
        if contender.way and not re.match(rf"{contender.way}(=\d+)?(:|$)", own):
            own = f"{contender.way}:{own}"
        same = sum(name == own or name.startswith(f"{own} (") for name, _ in found)
        found.append((f"{own} ({same + 1})" if same else own, contender))
    return found


class Answering:
    """One contender at its work; the agents of videos that were asked are kept until `close`.

    Args:
        contender: who answers.
        store: where captions are kept.
        preset: what watches, for those that read captions.

    Raises:
        VideoChatError: the model cannot be made.
    """

    def __init__(self, contender: Contender, store: CaptionStore, preset: str | Sequence[str | PerceptionTool] | None):
        self.contender, self._store, self._preset = contender, store, preset
        self._agents: dict[str, VideoAgent] = {}
        self.llm = resolve_llm("extractive" if contender.way in ("search", "sense") else contender.llm)
        self.memory_bytes: int | None = None
        """What a model on this machine takes; None for one that is elsewhere."""
        if isinstance(self.llm, VideoAnswerer):
            model = self.llm.model
            self.memory_bytes = needed_bytes(model.find(), model.llm_bits, model.device)

    def agent(self, video: Video) -> VideoAgent:
        """Return the agent over a video, which has been watched if anybody reads its captions."""
        if video.id not in self._agents:
            agent = VideoAgent(
                video,
                llm=self.llm,
                memory=self._store,
                preset=self._preset,
                video_model=self.contender.video_model,
                mode=self.contender.way if self.contender.way in ("agent", "retrieve") else None,
            )
            if agent.needs_captions and self.contender.reads_captions:
                agent.watch()
            self._agents[video.id] = agent
        return self._agents[video.id]

    def reply(
        self, video: Video, question: str, options: Sequence[str] | None = None, *, after: Sequence[str] = ()
    ) -> Reply:
        """Answer a question in a conversation of its own.

        Args:
            video: what is asked about.
            question: in words.
            options: what to choose from, if there is something.
            after: questions that come before in the same conversation, for those that read captions.

        Raises:
            VideoChatError: the model did not answer, or cannot see and is to look at pictures.
        """
        choice = Choice.read(question, options)
        if self.contender.way == "blind":
            return self._asked("blind", choice, question, [], [])
        if self.contender.way == "subtitles":
            said = self.agent(video).captions(kind="speech")
            known = [c for c in said if c.attributes.get("words_known") is not False]
            return self._subtitles(video, choice, question, [(c.start_seconds, c.end_seconds, c.text) for c in known])
        if self.contender.way == "frames":
            return self._pictures(video, choice, question)
        if self.contender.way == "sense":
            return self._sense(video, question)
        if self.contender.way == "search":
            return self._search(video, question)
        agent, thread = self.agent(video), f"contender-{uuid.uuid4().hex}"
        for earlier in after:
            agent.ask(earlier, thread=thread)
        answer = agent.ask(question, thread=thread, options=options)
        agent.reset(thread)
        looked = sum(int(claim.attributes.get("frames", 1)) for claim in answer.claims)
        looked += sum(step.captions or 0 for step in answer.steps if step.tool == "frames")
        answer = replace(answer, usage=replace(answer.usage, frames=looked or None))
        cited = [(citation.start_seconds, citation.end_seconds) for citation in answer.citations]
        return Reply(answer, cited, self._invented(answer, video))

    def close(self) -> None:
        """Let the agents go; the store stays open."""
        for agent in self._agents.values():
            agent.close()
        self._agents.clear()

    def _invented(self, answer: Answer, video: Video) -> int:
        """Return how many captions and times an answer cites that the store does not hold."""
        stored = {c.id for c in self._store.captions_of(video.id).between(kinds=KINDS)}
        stored |= {claim.id for claim in answer.claims}
        length = video.duration_seconds
        of_nothing = [
            citation
            for citation in answer.citations
            # A picture that the model asked for is no caption; it is there if its second is.
            if citation.caption.id not in stored
            and not (citation.caption.attributes.get("picture") and 0 <= citation.start_seconds <= length)
        ]
        told = {clock_range(citation.start_seconds, citation.end_seconds) for citation in answer.citations}
        told |= {clock_range(claim.start_seconds, claim.end_seconds) for claim in answer.claims}
        markers = [match for match in _MARKER.finditer(answer.text) if match[2]]
        return len(of_nothing) + sum(f"{match[1]}-{match[2]}" not in told for match in markers)

    def _sense(self, video: Video, name: str) -> Reply:
        """Return what one sense makes out, whatever subtitles say."""
        line_up = make_tools(best_present() if self._preset is None else self._preset)
        sense = copy.copy(next((sense for sense in line_up if sense.name == name), None) or make_tool(name))
        if isinstance(sense, SpeechRecognizer):
            sense.prefer_subtitles = False
        began = time.monotonic()
        with VideoAgent(video, llm=self.llm, memory=self._store, preset=[sense]) as agent:
            agent.watch()
            found = [caption for caption in agent.captions(kind=sense.kind) if caption.source == sense.source]
        usage = Usage(round(time.monotonic() - began, 3))
        text = "\n".join(caption.text for caption in found)
        return Reply(Answer(text or "(nothing)", usage=usage), [(c.start_seconds, c.end_seconds) for c in found])

    def _search(self, video: Video, question: str) -> Reply:
        """Return the captions that a way of searching finds, best first."""
        agent, began, way = self.agent(video), time.monotonic(), self.contender.llm
        if way == "hybrid":
            found = recall(
                agent.video_set.captions_of(video), question, duration_seconds=video.duration_seconds, k=_DEPTH
            )
            spans = [hit.span or (hit.caption.start_seconds, hit.caption.end_seconds) for hit in found.hits]
        elif way == "random":
            shuffled = agent.captions()
            random.Random(question).shuffle(shuffled)
            spans = [(c.start_seconds, c.end_seconds) for c in shuffled[:_DEPTH]]
        else:
            by: Any = way
            hits = self._store.search(question, k=_DEPTH, video_ids=[video.id], by=by)
            spans = [(hit.caption.start_seconds, hit.caption.end_seconds) for hit in hits]
        usage = Usage(round(time.monotonic() - began, 3))
        return Reply(Answer("(captions)", usage=usage), spans)

    def _subtitles(
        self, video: Video, choice: Choice | None, question: str, cues: Sequence[tuple[float, float, str]]
    ) -> Reply:
        room = window_of(self.llm) * _CHARACTERS_PER_TOKEN // 2
        lines = [f"[{clock_range(start, end)}] {text}" for start, end, text in cues]
        # Of what is too long every part loses the same: what is left out is between, not at the end.
        while (size := sum(len(line) + 1 for line in lines)) > room and len(lines) > 1:
            keep = max(1, len(lines) * room // size - 1)
            lines = [lines[i * len(lines) // keep] for i in range(keep)]
        given = fenced("\n".join(lines) or "(nothing)")
        evidence = [(start, end) for start, end, _ in cues]
        return self._asked("subtitles", choice, question, [], evidence, given=given, length=_length(video))

    def _pictures(self, video: Video, choice: Choice | None, question: str) -> Reply:
        count = 1 if video.is_picture else self.contender.frames
        step = video.duration_seconds / count
        seconds = [0.0] if video.is_picture else [(i + 0.5) * step for i in range(count)]
        blocks: list[dict[str, Any]] = []
        for second, frame in zip(seconds, video.frames(at_seconds=seconds, max_side=_PICTURE_SIDE), strict=True):
            blocks += [{"type": "text", "text": f"At {clock(second)}:"}, picture_block(jpeg_of(frame.image))]
        evidence = [(max(0.0, second - 1), second + 1) for second in seconds]
        return self._asked("frames", choice, question, blocks, evidence, count=count, length=_length(video))

    def _asked(
        self,
        way: Way,
        choice: Choice | None,
        question: str,
        blocks: list[dict[str, Any]],
        evidence: Sequence[Interval],
        **more: Any,
    ) -> Reply:
        """Ask the bare model, and hold the times that it names against what it was given."""
        began = time.monotonic()
        text = _ASK[way].format(question=choice or question, how=_LETTER if choice else _SHORT, cite=_CITE, **more)
        message = HumanMessage([*blocks, {"type": "text", "text": text}] if blocks else text)
        if way == "blind" and choice:
            # Answerers that need no model read a question as data.
            message.additional_kwargs = {"question": choice.question, "options": choice.options}
        reply = self.llm.invoke([message])
        tokens = reply.usage_metadata
        read, written = (tokens["input_tokens"], tokens["output_tokens"]) if tokens else (None, None)
        count = int(more["count"]) if blocks else None
        usage = Usage(round(time.monotonic() - began, 3), 1, 0, read, written, count)
        said = reply.text.strip()
        cited = _times(said)
        real = [span for span in cited if any(span[0] < end and start < span[1] for start, end in evidence)]
        note = {
            "blind": "It was asked the question alone.",
            "subtitles": "It was given what is said, and nothing else.",
            "frames": f"It was given {count} pictures at equal distances, and nothing else.",
        }[way]
        # Nothing holds it against captions: it claims, or refuses.
        status: Status = "not_found" if not said or is_refusal(said) else "claim"
        option = choice.chosen_in(said) if choice else None
        answer = Answer(said or "(nothing)", status=status, usage=usage, notes=[note], option=option)
        return Reply(answer, real, len(cited) - len(real))


def why(error: Exception) -> str:
    """Return why a contender failed, in a sentence; what is no error of ours after the name of its class."""
    return str(error) if isinstance(error, VideoChatError) else f"{type(error).__name__}: {first_line(error)[:300]}"


def _times(text: str) -> list[Interval]:
    found = []
    for match in _MARKER.finditer(text):
        start = parse_clock(match[1])
        end = parse_clock(match[2]) if match[2] else start
        found.append((start, max(end, start + 1)))
    return found


def _length(video: Video) -> str:
    return "one picture" if video.is_picture else clock(video.duration_seconds)
