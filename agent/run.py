"""Run: one question on its way to an answer. Retrieve, let the model work, check what it says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool

from videochat.agent.ask_options import Question
from videochat.agent.assessment import Assessment, assess, with_watched_for
from videochat.agent.chat_models import ChatModel, llm_name, refuses_tools, window_of
from videochat.agent.citations import NO_MARKERS, Checked
from videochat.agent.claims import Look, assess_claims, nearest_look, where_to_look
from videochat.agent.context import Context, build_context, watched_for
from videochat.agent.conversation import Conversation
from videochat.agent.events import Event
from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.findings import Answered
from videochat.agent.follow_up import read_question
from videochat.agent.graph import make_graph
from videochat.agent.grounding import SentenceCheck, check_sentences, entailment_model, likeness_of
from videochat.agent.limits import Limits, LimitsMiddleware, OutOfTime, within
from videochat.agent.middleware import NO_ANSWER, AnswerCheck, ForeignTools
from videochat.agent.phrases import is_refusal
from videochat.agent.prompts import NOT_NOTED, NOTHING_SEEN, system_prompt, user_message
from videochat.agent.question_parts import find_in_parts
from videochat.agent.toolbox import Toolbox
from videochat.agent.verification import Verify
from videochat.agent.video_answerer import CLAIMS, LOOK, VideoAnswerer
from videochat.agent.video_set import VideoSet
from videochat.agent.wall_times import with_recording_times
from videochat.errors import InvalidArgument, LLMError, VideoChatError, check_number, first_line
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.memory import Hit
from videochat.memory.query import UNKNOWN_SECONDS
from videochat.records import Answer, Caption, Citation, Status, Verdict
from videochat.tools.clip_models import VideoModel

Mode = Literal["agent", "retrieve"]
"""`agent`: the model may call tools; `retrieve`: one retrieval and one call of the model."""

# A runaway answer is cut; what a person reads is shorter by far.
_MOST_CHARACTERS = 12_000
# What is sent of the videos may take this part of the window, and earlier turns as much.
_CONTEXT_SHARE = 4
_MOST_CONTEXT_TOKENS = 12_000
_LONGEST_MARKER = 80


@dataclass(frozen=True)
class RunSettings:
    """How an agent answers its questions; the fields are arguments of `VideoAgent`."""

    llm: ChatModel
    mode: Mode
    limits: Limits = field(default_factory=Limits)
    verify: Verify = "auto"
    context_tokens: int | None = None
    video_model: VideoModel | None = None
    pictures: bool = False
    foreign_tools: tuple[BaseTool, ...] = ()
    """Tools of other packages."""

    @property
    def looker(self) -> VideoAnswerer | None:
        """The model that answers, where it looks at the video itself."""
        return self.llm if isinstance(self.llm, VideoAnswerer) else None

    @property
    def needs_captions(self) -> bool:
        """Whether the model that answers reads captions."""
        return self.looker is None or self.looker.model.captions

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Limits):
            raise InvalidArgument(f"limits must be Limits(...), got {self.limits!r}.")
        if self.context_tokens is not None:
            check_number("context_tokens", self.context_tokens, above=0)
        if self.verify not in (True, False, "auto"):
            raise InvalidArgument(f'verify must be True, False or "auto", got {self.verify!r}.')


class Run:
    """One question on its way to an answer.

    The caller lets `graph` work on `input`, hands what it streams to `events`, and at the end calls `finish`.

    Args:
        video_set: the videos.
        settings: how to answer.
        conversation: the turns before; its evidence grows.
        question: what is asked.
    """

    def __init__(
        self, video_set: VideoSet, settings: RunSettings, conversation: Conversation, question: Question
    ) -> None:
        self.video_set, self.settings, self.question = video_set, settings, question
        self.evidence = conversation.evidence
        self.limits = LimitsMiddleware(settings.limits)
        self.seen_seconds = self._seen()
        """Up to where all senses have watched; None where that is the end."""
        self.nothing_seen = self.seen_seconds == 0 and not any(
            video_set.captions_of(video).count() for video in video_set.videos
        )
        """Whether the watch in the background has no caption yet."""
        self.notes: list[str] = []
        """What the reader must know."""
        choice = question.choice
        window = window_of(settings.llm, settings.context_tokens)
        self._toolbox = toolbox = Toolbox(
            video_set, self.evidence, video_model=settings.video_model, pictures=settings.pictures
        )
        duration = UNKNOWN_SECONDS if video_set.several else video_set.duration_seconds
        asked = " ".join([choice.question, *choice.options.values()]) if choice else question.text
        rewrite = None if settings.looker or isinstance(settings.llm, ExtractiveAnswerer) else self._ask_aside
        asked, self._clock = with_recording_times(asked, video_set.videos)
        read = read_question(asked, conversation, duration, rewrite)
        reads = settings.needs_captions
        hits: list[Hit] = []
        self.answered = Answered([])
        """What follows from the notes without a model."""
        self.context = Context("", [], 0)
        """What the model is sent of the videos."""
        if reads:
            self.answered, hits = find_in_parts(video_set, read, duration, toolbox.recall)
            self.context = build_context(
                video_set,
                self.evidence,
                read.query,
                hits,
                self.answered.findings if self.answered.found else [],
                budget_tokens=min(_MOST_CONTEXT_TOKENS, window // _CONTEXT_SHARE),
            )
        self.found: list[Caption] = [hit.caption for hit in hits]
        """What was retrieved before the model was called."""
        earlier = [message.text for message in conversation.messages if isinstance(message, HumanMessage)]
        looks = where_to_look(asked, earlier, video_set.videos)
        if settings.looker and (past := read.query.past_end) is not None:
            self.notes.append(f"The video ends before {clock(past)}; the whole of it was looked at")
        with_tools = settings.mode == "agent"
        remarks = [*self._remarks(), *self._looked_beside(asked, looks, hits)]
        message = HumanMessage(
            user_message(self.context.text, str(question), *remarks) if reads else str(question),
            additional_kwargs={
                **({LOOK: looks} if settings.looker is not None else {}),
                "question": choice.question if choice else question.text,
                "evidence": toolbox.as_data(hits) if choice else [],
                "options": choice.options if choice else {},
                "found": self.answered.found,
                "findings": [
                    {"text": finding.text.translate(NO_MARKERS), "numbers": self.evidence.add(finding.hits)}
                    for finding in self.answered.findings
                ],
            },
        )
        self.input = {"messages": [*conversation.recent(window // _CONTEXT_SHARE), message]}
        """What the graph is called with."""
        self.system = system_prompt(with_tools=with_tools, with_options=choice is not None) if reads else ""
        """The system message; empty for none."""
        self.graph: Any = make_graph(
            settings.llm,
            [*toolbox.get_tools(), *settings.foreign_tools] if with_tools else [],
            system=self.system,
            limits=self.limits,
            answer_check=AnswerCheck(self._checks, self.limits, choice, look_again=with_tools),
            foreign_tools=ForeignTools(toolbox, {tool.name for tool in settings.foreign_tools}),
            window=window,
        )
        self.tools_refused = False
        """Whether the model turned out to call no tools; the question is then asked again without."""
        self._messages: dict[str, BaseMessage] = {}
        self._steps_told = 0
        self._streamed: set[str] = set()
        self._open_text = ""

    @property
    def needs_model(self) -> bool:
        """Whether there is anything that the model could answer from."""
        return self.settings.mode == "agent" or self.settings.looker is not None or not self.nothing_seen

    def _seen(self) -> float | None:
        reached = [(self.video_set.reached(video), video.duration_seconds) for video in self.video_set.videos]
        return None if all(now >= end - 0.05 for now, end in reached) else sum(now for now, _ in reached)

    def _remarks(self) -> list[str]:
        if self.seen_seconds is None:
            return self._clock
        so_far = "nothing of it has been seen yet" if self.nothing_seen else f"so far up to {self._so_far()}"
        return [f"(The video is still being watched: {so_far}. Say so if that matters.)", *self._clock]

    def _so_far(self) -> str:
        return f"{clock(self.seen_seconds or 0)} of {clock(self.video_set.duration_seconds)}"

    @staticmethod
    def stream_modes(*, tokens: bool) -> list[str]:
        """Return what to ask LangGraph to stream."""
        return ["updates", "messages"] if tokens else ["updates"]

    def events(self, mode: str, data: Any) -> Iterator[Event]:
        """Take in one piece of what LangGraph streams, and yield what the user is told of it.

        Args:
            mode: `updates` or `messages`.
            data: as LangGraph gives it in that mode.
        """
        if mode == "messages":
            yield from self._tokens(*data)
            return
        for node, update in data.items():
            for message in (update or {}).get("messages", []):
                self._messages[message.id or str(len(self._messages))] = message
                if isinstance(message, ToolMessage) and isinstance(message.artifact, list):
                    captions = [Caption.from_dict(i) for i in message.artifact if isinstance(i, dict) and "kind" in i]
                    if captions:
                        yield Event("evidence", captions=captions)
                if isinstance(message, HumanMessage):
                    self._open_text = ""
                    yield Event("again", message.text)
            if node == "tools":
                for step in self.limits.steps[self._steps_told :]:
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
        self._open_text += message.text
        ended = getattr(message, "chunk_position", "last") == "last"
        if text := self._ready_text(everything=ended):
            yield Event("token", text)

    def _ready_text(self, *, everything: bool) -> str:
        """Take the text up to a citation that is still open, with citations written as times."""
        open_at = self._open_text.rfind("[")
        cut = len(self._open_text)
        if not everything and open_at >= 0 and "]" not in self._open_text[open_at:] and cut - open_at < _LONGEST_MARKER:
            cut = open_at
        ready, self._open_text = self._open_text[:cut], self._open_text[cut:]
        return re.sub(r"\[[^\[\]]*\]", lambda match: self.evidence.check(match[0]).text, ready)

    @contextmanager
    def handling_errors(self) -> Iterator[None]:
        """Turn errors of the graph into outcomes, where there is one.

        A model that cannot call tools after all sets `tools_refused`; if there is a draft, it becomes the answer;
        running out of time ends the run.

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
            if self.settings.mode == "agent" and self.limits.model_calls <= 1 and refuses_tools(error):
                self.tools_refused = True
                return
            why = first_line(error)[:300]
            if not self._drafts():
                raise LLMError(f"{llm_name(self.settings.llm)} did not answer: {why}") from error
            self.notes.append(f"The language model was asked to look again, and failed ({why}): this is a draft")

    def _draft(self) -> str:
        """Return the last text that was meant as an answer."""
        return next((text for text in reversed(self._drafts()) if text), "")

    def _drafts(self) -> list[str]:
        """Return every text that the model gave as an answer, also empty ones."""
        return [
            message.text.strip()
            for message in self._messages.values()
            if isinstance(message, AIMessage) and not message.tool_calls and NO_ANSWER not in message.additional_kwargs
        ]

    @property
    def said(self) -> str:
        """What the model answered, with its `[n]`: what later turns see."""
        return NOTHING_SEEN if self._had_nothing() else self._draft() or f"{NOT_NOTED}."

    def _had_nothing(self) -> bool:
        return self.settings.looker is None and self.nothing_seen and not self.evidence.captions

    def finish(self) -> Answer:
        """Check what the model said and make an answer of it."""
        text, notes, choice = self._draft(), self.notes, self.question.choice
        if self._had_nothing():
            return self._answer(Checked(NOTHING_SEEN, [], []), "not_found")
        if len(text) > _MOST_CHARACTERS:
            notes.append(f"Cut: the answer had {len(text)} characters, {_MOST_CHARACTERS} are shown")
            text = text[:_MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
        if self.limits.hit:
            notes.append(f"Stopped by a limit: {self.limits.hit}")
        assessed = self._assess(text)
        text, status = assessed.checked.text, assessed.status
        notes += assessed.notes
        option = choice.chosen_in(text) if choice else None
        if choice and option is None and text:
            notes.append("The answer names none of the options")
        if not text:
            if not self.limits.hit:
                notes.append("The language model gave an empty answer")
        elif status == "not_found" and not is_refusal(text) and not isinstance(self.settings.llm, ExtractiveAnswerer):
            notes.append("The answer cites nothing that was retrieved from the video, so nothing vouches for it")
        if isinstance(self.settings.llm, ExtractiveAnswerer) and text:
            notes.append("No language model is configured, so the notes are quoted")
        if self.seen_seconds is not None and self.settings.needs_captions:
            notes.append(f"Answered from what has been seen so far, up to {self._so_far()}")
        elif status == "not_found" and text and is_refusal(text):
            seen = watched_for(self.video_set)
            if with_watched_for(text, seen) == text:
                notes.append(f"Watched for: {seen or 'nothing; no sense had anything to do'}")
            text = with_watched_for(text, seen)
        return self._answer(replace(assessed.checked, text=text), status, option, assessed.verdicts)

    def _assess(self, text: str) -> Assessment:
        if isinstance(self.settings.llm, ExtractiveAnswerer):
            # It says what the notes say; there is nothing to hold against them.
            checked = self.evidence.check(text)
            found = bool(checked.cited) and (self.answered.found or self.question.choice is not None)
            return Assessment(checked, "grounded" if found else "not_found")
        if self.settings.looker is not None and (claims := self._claims()):
            return assess_claims(text, claims, self.evidence, self._beside, self._checks)
        verify = self.settings.verify is not False
        return assess(
            text,
            self.evidence,
            self._checks(text),
            ask=self._ask_aside if verify else None,
            must_verify=self.settings.verify is True,
            picture=self._picture_of if self.settings.pictures else None,
        )

    def _claims(self) -> list[Caption]:
        """Return what a video model that answered said of which range."""
        told = [message.additional_kwargs.get(CLAIMS, []) for message in self._messages.values()]
        return [Caption.from_dict(item) for item in next(filter(None, reversed(told)), [])]

    def _beside(self, sentence: str, claim: Caption) -> list[Hit]:
        """Return captions of the range that a claim is about which fit a sentence of it, best first."""
        video = self._video_of(claim)
        if not self.video_set.captions_of(video).count():
            return []
        span = {"start_seconds": claim.start_seconds, "end_seconds": claim.end_seconds}
        return self._toolbox.recall(sentence, [video], **span).hits

    def _looked_beside(self, question: str, looks: Sequence[Look], hits: Sequence[Hit]) -> list[str]:
        """Return what a video model says of what is asked about, for a model that cannot ask it itself.

        So figure 1 of the paper draws it: captions and the video model both go to the language model.
        """
        model, alone = self.settings.video_model, isinstance(self.settings.llm, ExtractiveAnswerer | VideoAnswerer)
        if model is None or alone or self.settings.mode == "agent":
            return []
        id_, start, end = nearest_look(looks, hits, model.window_seconds)
        try:
            return [self._toolbox.claim(question, self.video_set.video(id_), start, end)]
        except VideoChatError as error:
            self.notes.append(f"The video model could not look: {error}")
            return []

    def _checks(self, text: str) -> list[SentenceCheck]:
        return check_sentences(
            text,
            self.evidence,
            duration_seconds=self.video_set.duration_seconds,
            question=str(self.question),
            counts=self.evidence.counts,
            likeness=likeness_of(self.video_set.memory.embedder),
            entails=entailment_model(named) if (named := os.environ.get("VIDEOCHAT_ENTAILMENT")) else None,
        )

    def _picture_of(self, caption: Caption) -> bytes | None:
        start, end = self.evidence.span_of(caption)
        return self.video_set.picture(self._video_of(caption), (start + end) / 2)

    def _video_of(self, caption: Caption) -> Video:
        return self.video_set.video(caption.video_id) if self.video_set.several else self.video_set.videos[0]

    def _answer(
        self, checked: Checked, status: Status, option: str | None = None, judged: Sequence[Verdict] = ()
    ) -> Answer:
        self.notes += [
            f"{g.source} missed {clock_range(g.start_seconds, g.end_seconds)}: {g.reason}"
            for g in self.video_set.gaps()
        ]
        return Answer(
            checked.text or "There is no answer.",
            [self.citation(caption) for caption in checked.cited],
            status,
            self.limits.steps,
            self.limits.usage(),
            [note if note.endswith(".") else f"{note}." for note in self.notes],
            option,
            list(judged),
            self.seen_seconds,
            self._claims() if self.settings.looker else [],
        )

    def _ask_aside(self, messages: list[BaseMessage]) -> AIMessage:
        """Ask the model something beside the answer itself: to make a question whole, to judge sentences."""
        left = max(self.settings.limits.seconds - self.limits.seconds, 1.0)
        self.limits.model_calls += 1  # also one that fails
        reply = within(left, lambda: self.settings.llm.invoke(messages))
        self.limits.count(reply)
        return reply

    def citation(self, caption: Caption) -> Citation:
        """Return a caption as something that is cited, with the picture of its middle."""
        video = self._video_of(caption)
        start, end = self.evidence.span_of(caption)
        middle = (start + min(end, video.duration_seconds)) / 2
        span = (start, end) if (start, end) != (caption.start_seconds, caption.end_seconds) else None
        return Citation(
            caption,
            lambda: self.video_set.picture(video, middle, max_side=480),
            span,
            lambda: self.video_set.clip(video, start, end),
            self.evidence.names.get(caption.video_id, ""),
        )
