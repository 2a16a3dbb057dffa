"""One question on its way to an answer: retrieve, let the model work, check what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool

from videochat.agent.acceptance import NO_ANSWER, AnswerCheck
from videochat.agent.chat_models import llm_name, refuses_tools
from videochat.agent.context import window_of
from videochat.agent.conversation import Conversation
from videochat.agent.events import Event
from videochat.agent.evidence import Checked
from videochat.agent.graph import make_loop
from videochat.agent.guests import ForeignTools
from videochat.agent.limits import Limits, LimitsMiddleware, OutOfTime, within
from videochat.agent.multiple_choice import Choice
from videochat.agent.prompts import NOT_SHOWN, system_prompt, user_turn
from videochat.agent.toolbox import Toolbox
from videochat.agent.verification import claims, judge, marked
from videochat.agent.video_set import VideoSet
from videochat.errors import LLMError, VideoChatError
from videochat.intervals import clock, clock_range
from videochat.records import Answer, Caption, Citation, Status, Verdict

Mode = Literal["agent", "retrieve"]

# A runaway answer is cut; what a person reads is shorter by far.
_MOST_LETTERS = 12_000
# Earlier turns may take this part of the window, and contexts without tools as much.
_HISTORY_SHARE = 4
_MOST_CONTEXT_TOKENS = 6000
_LONGEST_MARKER = 80


@dataclass(frozen=True)
class RunSettings:
    """How questions are answered."""

    llm: Any
    mode: Mode
    brakes: Limits = field(default_factory=Limits)
    verify: bool = False
    context_tokens: int | None = None
    video_model: str | None = None
    pictures: bool = False
    guests: tuple[BaseTool, ...] = ()
    """Tools of others."""


class Turn:
    """One question on its way.

    Args:
        video_set: the videos.
        manner: how to answer.
        conversation: what was said before; its evidence grows.
        question: what is asked.
        choice: its options, if it has any.
    """

    def __init__(
        self, video_set: VideoSet, manner: RunSettings, conversation: Conversation, question: str, choice: Choice | None
    ) -> None:
        self.video_set, self.manner, self.question, self.choice = video_set, manner, question, choice
        self.evidence = conversation.evidence
        self.braking = LimitsMiddleware(manner.brakes)
        self.seen_seconds = self._seen()
        toolbox = Toolbox(video_set, self.evidence, video_model=manner.video_model, pictures=manner.pictures)
        found = toolbox.recall(question if choice is None else " ".join([choice.question, *choice.options.values()]))
        self.found: list[Caption] = [hit.caption for hit in found.hits]
        window = window_of(manner.llm, manner.context_tokens)
        # Whoever can look further begins with what was found; whoever cannot gets all that fits.
        contexts = (
            toolbox.as_text(self.found)
            if manner.mode == "agent"
            else toolbox.contexts(found.hits, min(_MOST_CONTEXT_TOKENS, window // _HISTORY_SHARE))
        )
        message = HumanMessage(
            user_turn(contexts, self.asked, *self._remarks()),
            additional_kwargs={
                "question": choice.question if choice else question,
                "evidence": toolbox.as_data(found.hits),
                "options": choice.options if choice else {},
            },
        )
        self.input = {"messages": [*conversation.recent(window // _HISTORY_SHARE), message]}
        with_tools = manner.mode == "agent"
        own = toolbox.get_tools() if with_tools else []
        self.loop = make_loop(
            manner.llm,
            [*own, *manner.guests] if with_tools else [],
            system=system_prompt(with_tools=with_tools, with_options=choice is not None),
            braking=self.braking,
            acceptance=AnswerCheck(self.evidence, self.braking, choice, must_confirm=with_tools),
            guests=ForeignTools(toolbox, {tool.name for tool in manner.guests}),
            window=window,
        )
        self._produced: dict[str, BaseMessage] = {}
        self.notes: list[str] = []
        """What the reader must know."""
        self.tools_refused = False
        self._steps_told = 0
        self._streamed: set[str] = set()
        self._held = ""

    def _seen(self) -> float | None:
        """Return the second up to which all has been seen, or None where that is the end."""
        reached = [(self.video_set.reached(video), video.duration_seconds) for video in self.video_set.videos]
        return None if all(now >= end - 0.05 for now, end in reached) else sum(now for now, _ in reached)

    def _remarks(self) -> list[str]:
        if self.seen_seconds is None:
            return []
        return [f"(The video is still being watched: so far up to {self._so_far()}. Say so if that matters.)"]

    def _so_far(self) -> str:
        return f"{clock(self.seen_seconds or 0)} of {clock(self.video_set.duration_seconds)}"

    @staticmethod
    def modes(*, tokens: bool) -> list[str]:
        """Return what to ask LangGraph for."""
        return ["updates", "messages"] if tokens else ["updates"]

    def take(self, mode: str, data: Any) -> Iterator[Event]:
        """Take in what LangGraph streams, and yield what the asker wants to know of it."""
        if mode == "messages":
            yield from self._tokens(*data)
            return
        for node, update in data.items():
            for message in (update or {}).get("messages", []):
                self._produced[message.id or str(len(self._produced))] = message
                if isinstance(message, ToolMessage) and isinstance(message.artifact, list):
                    captions = [Caption.from_dict(i) for i in message.artifact if isinstance(i, dict) and "kind" in i]
                    if captions:
                        yield Event("evidence", captions=captions)
                if isinstance(message, HumanMessage):
                    self._held = ""
                    yield Event("again", message.text)
            if node == "tools":
                for step in self.braking.steps[self._steps_told :]:
                    # Calls made together end in any order, and are told in the model's.
                    if step.seconds is None and step.error is None:
                        break
                    self._steps_told += 1
                    yield Event("step", step=step)

    def _tokens(self, message: BaseMessage, metadata: dict[str, Any]) -> Iterator[Event]:
        if not isinstance(message, AIMessage) or metadata.get("langgraph_node") != "model":
            return
        # A model that does not stream comes as one whole message; one that does must not come twice.
        if isinstance(message, AIMessageChunk):
            self._streamed.add(message.id or "")
        elif message.id in self._streamed:
            return
        self._held += message.text
        ended = getattr(message, "chunk_position", "last") == "last"
        if text := self._settled(everything=ended):
            yield Event("token", text)

    def _settled(self, *, everything: bool) -> str:
        """Return the held text up to a citation that is still open, with citations written as times."""
        open_at = self._held.rfind("[")
        cut = len(self._held)
        if not everything and open_at >= 0 and "]" not in self._held[open_at:] and cut - open_at < _LONGEST_MARKER:
            cut = open_at
        ready, self._held = self._held[:cut], self._held[cut:]
        return re.sub(r"\[[^\[\]]*\]", lambda match: self.evidence.check(match[0]).text, ready)

    @contextmanager
    def bearing_failure(self) -> Iterator[None]:
        """Take a failure of the loop for what it means.

        A model that cannot call tools after all sets `tools_refused`; when a draft is there it stays; running out
        of time is an answer, too.

        Raises:
            LLMError: the model did not answer.
        """
        try:
            yield
        except VideoChatError:
            raise
        except OutOfTime:
            pass
        except Exception as error:
            if self.manner.mode == "agent" and self.braking.model_calls <= 1 and refuses_tools(error):
                self.tools_refused = True
                return
            why = str(error).strip().split("\n")[0][:300] or type(error).__name__
            if not self._answered():
                raise LLMError(f"{llm_name(self.manner.llm)} did not answer: {why}") from error
            self.notes.append(f"The language model was asked to look again, and failed ({why}): this is a draft")

    def _draft(self) -> str:
        """Return the last text that was meant as an answer."""
        return next((text for text in reversed(self._answered()) if text), "")

    def _answered(self) -> list[str]:
        """Return every text that the model gave as an answer, also empty ones."""
        return [
            message.text.strip()
            for message in self._produced.values()
            if isinstance(message, AIMessage) and not message.tool_calls and NO_ANSWER not in message.additional_kwargs
        ]

    @property
    def asked(self) -> str:
        """The question with its options: what later turns see."""
        return str(self.choice) if self.choice else self.question

    @property
    def said(self) -> str:
        """What the model answered, with its `[n]`: what later turns see."""
        return self._draft() or NOT_SHOWN

    def finish(self) -> Answer:
        """Check what the model said and make an answer of it."""
        text, notes = self._draft(), self.notes
        if len(text) > _MOST_LETTERS:
            notes.append(f"Cut: the answer had {len(text)} characters, {_MOST_LETTERS} are shown")
            text = text[:_MOST_LETTERS].rsplit(" ", 1)[0] + " …"
        if self.braking.hit:
            notes.append(f"Stopped by a brake: {self.braking.hit}")
        judged: list[Verdict] = []
        if self.manner.verify:
            judged = judge(self._ask_again, claims(text, self.evidence))
            text = marked(text, judged)
            judged = [replace(v, sentence=self.evidence.check(v.sentence).text) for v in judged]
        checked = self.evidence.check(text, self.question)
        status = self._status(text, checked, judged)
        notes += checked.notes
        option = self.choice.chosen_in(text) if self.choice else None
        if self.choice and option is None and text:
            notes.append("The answer names none of the options")
        if not text:
            if not self.braking.hit:
                notes.append("The language model gave an empty answer")
        elif status == "not_found" and NOT_SHOWN not in checked.text:
            notes.append("The answer cites nothing that was retrieved from the video, so it is not vouched for")
        if self.seen_seconds is not None:
            notes.append(f"Answered from what has been seen so far, up to {self._so_far()}")
        elif status == "not_found" and text:
            notes.append(f"Watched for: {', '.join(sense.name for sense in self.video_set.senses)}")
        notes += [
            f"{g.source} missed {clock_range(g.start_seconds, g.end_seconds)}: {g.reason}"
            for g in self.video_set.gaps()
        ]
        return Answer(
            checked.text or "There is no answer.",
            [self._citation(caption) for caption in checked.cited],
            status,
            self.braking.steps,
            self.braking.usage(),
            [note if note.endswith(".") else f"{note}." for note in notes],
            option,
            judged,
            self.seen_seconds,
        )

    def _status(self, text: str, checked: Checked, judged: Sequence[Verdict]) -> Status:
        status = checked.status
        if status == "not_found":
            return status
        if self.manner.mode == "agent" and (open_ := self.evidence.unconfirmed(text)):
            when = ", ".join(dict.fromkeys(clock_range(c.start_seconds, c.end_seconds) for c in open_))
            self.notes.append(f"Found, but not looked at again: {when}")
            status = "partly"
        for judgement in ("rejected", "unverified"):
            if count := sum(verdict.judgement == judgement for verdict in judged):
                self.notes.append(f"Second look: {count} of {len(judged)} cited sentences {judgement}")
                status = "partly"
        return status

    def _ask_again(self, messages: list[BaseMessage]) -> AIMessage:
        left = max(self.manner.brakes.seconds - self.braking.seconds, 1.0)
        reply: AIMessage = within(left, lambda: self.manner.llm.invoke(messages))
        self.braking.model_calls += 1
        self.braking.count(reply)
        return reply

    def _citation(self, caption: Caption) -> Citation:
        video = self.video_set.video(caption.video_id) if self.video_set.several else self.video_set.videos[0]
        middle = (caption.start_seconds + min(caption.end_seconds, video.duration_seconds)) / 2
        return Citation(caption, thumbnail=lambda: self.video_set.picture(video, middle, max_side=240))
