"""The front of the house: videos to ask."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver

from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.chat_models import ExtractiveAnswerer, can_call_tools, llm_name, resolve_llm
from videochat.agent.context import can_see
from videochat.agent.conversation import DEFAULT_THREAD, Conversations
from videochat.agent.events import Event
from videochat.agent.frame_search import FoundFrame
from videochat.agent.limits import Limits
from videochat.agent.multiple_choice import Choice
from videochat.agent.run import Mode, RunSettings, Turn
from videochat.agent.toolkit import VideoToolkit
from videochat.agent.video_set import VideoSet, together
from videochat.agent.watch import Progress, WatchReport
from videochat.errors import InvalidArgument, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.memory.retriever import VideoRetriever
from videochat.records import Answer, Caption
from videochat.tools import DEFAULT_PRESET, PerceptionTool

AnyVideo = str | os.PathLike[str] | Video


class VideoAgent:
    """Answers questions about videos, with citations that were really retrieved.

    Several threads and tasks may ask one agent at once. Questions of one conversation are answered in turn.

    Args:
        video: path, http(s) address, or `Video`; or a list of them, which are asked together.
        llm: a LangChain chat model, `"provider:model"`, `"extractive"`, or None: `VIDEOCHAT_LLM`, else OpenAI
            if its key is set, else the extractive answerer, which quotes captions and needs no model.
        preset: name of a line-up of senses, or a list of tool names and tools; None for the richest whose weights
            are on this machine and that suits it (the first answer says which; nothing is downloaded).
        memory: a `CaptionStore` or the directory of one; None for the user's own.
        tools: further LangChain tools for the agent. Captions of these videos in their artifacts are stored and
            can be cited.
        video_model: folder or hub id of a VideoChat-Embed (`videochat embed convert`) or of a video-language
            model of transformers; the agent may then look at a range again (`watch_clip`). None: what
            `VIDEOCHAT_VIDEO_MODEL` names, if it does.
        mode: `"retrieve"`: one retrieval and one model call; `"agent"`: the model may browse, search, read, look
            and count, and must confirm what it found before it answers. None: agent where the model can call tools.
        brakes: how long and how often the model may go on for one answer.
        verify: have each cited sentence judged against its captions by a second call; `ask` can say otherwise.
        checkpointer: where conversations are kept: a LangGraph checkpointer, the path of an SQLite file (extra
            `sqlite`), or None for this object's lifetime.
        pictures: whether the model can see and gets the tool `frames`; None: what its profile says.
        context_tokens: how much the model reads at once; None: what its profile says, else 32,000.
        summary_llm: a chat model that writes the summaries of long videos, also as `"provider:model"`; None:
            extracts of the captions, which cost nothing.
        models_gb: how many gigabytes the senses' models may take together; where they need more, they take turns.
            None for most of the device's memory.

    Raises:
        MediaError: a video cannot be read.
        UnknownName: no such preset, tool, mode or LLM provider.
        StoreError: the memory cannot be opened.
        LLMError: the language model cannot be made.
    """

    def __init__(
        self,
        video: AnyVideo | Sequence[AnyVideo],
        *,
        llm: Any = None,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        tools: Iterable[BaseTool] = (),
        video_model: str | os.PathLike[str] | None = None,
        mode: Mode | None = None,
        brakes: Limits | None = None,
        verify: bool = False,
        checkpointer: BaseCheckpointSaver[Any] | str | os.PathLike[str] | None = None,
        pictures: bool | None = None,
        context_tokens: int | None = None,
        summary_llm: Any = None,
        models_gb: float | None = None,
    ) -> None:
        self.llm = resolve_llm(llm)
        if mode not in (None, "agent", "retrieve"):
            raise UnknownName("mode", mode, ("agent", "retrieve"))
        self.video_set = VideoSet(
            [video] if isinstance(video, str | os.PathLike | Video) else list(video),
            preset=preset,
            memory=memory,
            summary_llm=None if summary_llm is None else resolve_llm(summary_llm),
            models_gb=models_gb,
        )
        self._say_once: list[str] = []
        if preset is None and self.video_set.preset != DEFAULT_PRESET:
            self._say_once.append(f"Watched with the preset {self.video_set.preset}, whose weights are on this machine")
        if mode == "agent" and not can_call_tools(self.llm):
            warnings.warn(f"{_no_tools(self.llm)}.", stacklevel=2)
        elif mode is None and not can_call_tools(self.llm) and not isinstance(self.llm, ExtractiveAnswerer):
            self._say_once.append(_no_tools(self.llm))
        model = video_model or os.environ.get("VIDEOCHAT_VIDEO_MODEL")
        self._manner = RunSettings(
            self.llm,
            "agent" if mode != "retrieve" and can_call_tools(self.llm) else "retrieve",
            brakes or Limits(),
            verify,
            context_tokens,
            os.fspath(model) if model else None,
            can_see(self.llm) if pictures is None else pictures,
            tuple(tools),
        )
        ids = sorted(video.id for video in self.video_set.videos)
        self._conversations = Conversations(
            checkpointer,
            blake2b("".join(ids).encode(), digest_size=8).hexdigest(),
            self.video_set.names if self.video_set.several else {},
        )
        self._watching: BackgroundWatch | None = None

    @property
    def video(self) -> Video:
        """The video; the first where there are several."""
        return self.video_set.videos[0]

    @property
    def videos(self) -> list[Video]:
        """The videos, each content once."""
        return self.video_set.videos

    @property
    def senses(self) -> list[PerceptionTool]:
        """What watches."""
        return self.video_set.senses

    @property
    def memory(self) -> CaptionStore:
        """Where captions are."""
        return self.video_set.memory

    @property
    def mode(self) -> Mode:
        """How questions are answered; `retrieve` from the moment on that a model turns out to call no tools."""
        return self._manner.mode

    def reset(self, thread: str = DEFAULT_THREAD) -> None:
        """Forget a conversation (not the video)."""
        self._conversations.forget(thread)

    def watch(
        self,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        fps: float | None = None,
        tools: Sequence[str | PerceptionTool] | None = None,
        progress: Progress | None = None,
    ) -> WatchReport:
        """Run the senses over a range and store what they see; what was watched before is not watched again.

        Args:
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            fps: pictures per second for the senses that sample at a rate; None for each one's own rate. What
                is seen at another rate is kept beside what was seen before.
            tools: names or senses; None for the agent's own line-up.
            progress: told how far the video has been read.

        Returns:
            What was done; for several videos, of each of which the range is watched, in one report.
        """
        if self.video_set.several and (start_seconds, end_seconds, fps, tools) == (0.0, None, None, None):
            return together(self.video_set.watch_all(progress))
        return together(
            [
                self.video_set.watch(video, start_seconds, end_seconds, fps=fps, tools=tools, progress=progress)
                for video in self.video_set.videos
            ]
        )

    def start_watching(self) -> BackgroundWatch:
        """Watch in the background; until it is done, answers come from what has been seen so far."""
        if self._watching is None or self._watching.done:
            self._watching = self.video_set.start_watching()
        return self._watching

    def ask(
        self,
        question: str,
        *,
        options: Sequence[str] | None = None,
        thread: str = DEFAULT_THREAD,
        verify: bool | None = None,
        wait_seconds: float = 0.0,
        progress: Progress | None = None,
    ) -> Answer:
        """Answer a question; watches first what was not watched yet. Earlier turns are remembered.

        While a watch runs in the background (`start_watching`), the answer comes from what has been seen so far,
        and says up to where.

        Args:
            question: in words; it may list options as `A. ... B. ...`.
            options: what to choose from, where the question does not list it; `Answer.option` is the letter.
            thread: which conversation this belongs to.
            verify: judge each cited sentence by a second call; None: as the agent was made.
            wait_seconds: how long to wait for the end of a watch in the background; `math.inf` for all of it.
            progress: told how far the video has been read, where it must be watched first.

        Raises:
            InvalidArgument: the question is no text or empty, or the options are none.
            LLMError: the language model did not answer.
        """
        asked = _Asked.read(question, options, thread, verify, wait_seconds, progress)
        return _last(list(self._events(asked, tokens=False)))

    def stream(
        self,
        question: str,
        *,
        options: Sequence[str] | None = None,
        thread: str = DEFAULT_THREAD,
        verify: bool | None = None,
        wait_seconds: float = 0.0,
        progress: Progress | None = None,
    ) -> Iterator[Event]:
        """Yield evidence, steps and pieces of text as they come, and at the end the answer; see `ask`."""
        asked = _Asked.read(question, options, thread, verify, wait_seconds, progress)
        return self._events(asked, tokens=True)

    async def aask(
        self,
        question: str,
        *,
        options: Sequence[str] | None = None,
        thread: str = DEFAULT_THREAD,
        verify: bool | None = None,
        wait_seconds: float = 0.0,
        progress: Progress | None = None,
    ) -> Answer:
        """Answer a question without blocking the event loop; see `ask`."""
        asked = _Asked.read(question, options, thread, verify, wait_seconds, progress)
        return _last([event async for event in self._aevents(asked, tokens=False)])

    def astream(
        self,
        question: str,
        *,
        options: Sequence[str] | None = None,
        thread: str = DEFAULT_THREAD,
        verify: bool | None = None,
        wait_seconds: float = 0.0,
        progress: Progress | None = None,
    ) -> AsyncIterator[Event]:
        """Yield what `stream` yields, without blocking the event loop."""
        asked = _Asked.read(question, options, thread, verify, wait_seconds, progress)
        return self._aevents(asked, tokens=True)

    def _events(self, asked: _Asked, *, tokens: bool) -> Iterator[Event]:
        with self._conversations.turn(asked.thread):
            turn = self._begin(asked)
            yield Event("evidence", captions=turn.found)
            while True:
                with turn.bearing_failure():
                    for mode, data in turn.loop.stream(turn.input, stream_mode=turn.modes(tokens=tokens)):
                        yield from turn.take(mode, data)
                if not turn.tools_refused:
                    break
                turn = self._without_tools(asked)
            yield Event("answer", answer=self._end(turn, asked.thread))

    async def _aevents(self, asked: _Asked, *, tokens: bool) -> AsyncIterator[Event]:
        async with self._conversations.aturn(asked.thread):
            turn = await asyncio.to_thread(self._begin, asked)
            yield Event("evidence", captions=turn.found)
            while True:
                with turn.bearing_failure():
                    async for mode, data in turn.loop.astream(turn.input, stream_mode=turn.modes(tokens=tokens)):
                        for event in turn.take(mode, data):
                            yield event
                if not turn.tools_refused:
                    break
                turn = await asyncio.to_thread(self._without_tools, asked)
            yield Event("answer", answer=await asyncio.to_thread(self._end, turn, asked.thread))

    def _begin(self, asked: _Asked) -> Turn:
        """Watch what must be watched first, and retrieve."""
        if self._watching is None or self._watching.wait(min(asked.wait_seconds, threading.TIMEOUT_MAX)):
            self.video_set.watch_all(asked.progress)
        return self._turn(asked)

    def _turn(self, asked: _Asked) -> Turn:
        manner = self._manner if asked.verify is None else replace(self._manner, verify=asked.verify)
        return Turn(self.video_set, manner, self._conversations.load(asked.thread), asked.question, asked.choice)

    def _without_tools(self, asked: _Asked) -> Turn:
        self._manner = replace(self._manner, mode="retrieve")
        self._say_once.append(_no_tools(self.llm))
        return self._turn(asked)

    def _end(self, turn: Turn, thread: str) -> Answer:
        while self._say_once:
            turn.notes.append(self._say_once.pop())
        answer = turn.finish()
        # Later turns see question and answer, not again all the contexts.
        self._conversations.keep(thread, turn.asked, turn.said, turn.evidence)
        return answer

    def captions(
        self, kind: str | None = None, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> list[Caption]:
        """Return stored captions that share a moment with the range, video by video in temporal order.

        Raises:
            UnknownName: there is no such kind.
        """
        found = []
        for video in self.video_set.videos:
            start, end = video.span(start_seconds, end_seconds)
            # Subtitles may outlast pictures and sound; without a limit they belong to the list.
            limit = float("inf") if end_seconds is None else end
            found += self.memory.between(video.id, start, limit, kinds=None if kind is None else [kind])
        return found

    def find_frames(
        self,
        what: str | None = None,
        *,
        image: Any = None,
        k: int = 5,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        model: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> list[FoundFrame]:
        """Return the moments that look most like a text or a picture, best first.

        The first search looks through the videos, a picture every two seconds; its vectors are kept beside the
        captions.

        Args:
            what: in words, such as "a red car".
            image: instead of words: a path, or a uint8 RGB array of shape (height, width, 3).
            k: how many at most; moments next to a better one are left out.
            start_seconds: first moment of each video.
            end_seconds: first moment no longer; None for the end.
            model: hub id or folder of a SigLIP, SigLIP 2 or CLIP; None for SigLIP 2 base.
            progress: told how far the videos have been read.

        Raises:
            InvalidArgument: neither or both of `what` and `image`, or the picture cannot be read.
            MissingDependency: the model is not on this machine.
        """
        return self.video_set.frames(model).find(what, image, k, start_seconds, end_seconds, progress)

    def textualize(self, start_seconds: float = 0.0, end_seconds: float | None = None) -> str:
        """Return the stored captions in the template of the paper's Table 1."""
        names = self.video_set.names if self.video_set.several else None
        return textualize(self.captions(None, start_seconds, end_seconds), names=names)

    def timeline(self) -> Any:
        """Return a matplotlib figure of the captions of the (first) video over time, a lane for each kind."""
        from videochat.agent.timeline import draw_timeline

        captions = self.memory.between(self.video.id)
        return draw_timeline(captions, self.video.duration_seconds, title=self.video.name)

    def langchain_tools(self) -> list[BaseTool]:
        """Return the tools over these videos, for other LangChain apps; see `VideoToolkit`."""
        return VideoToolkit(
            video_set=self.video_set, video_model=self._manner.video_model, pictures=self._manner.pictures
        ).get_tools()

    def as_retriever(self, **filters: Any) -> VideoRetriever:
        """Return a LangChain retriever over these videos; `filters` as `k`, `kinds`, `start_seconds`, `end_seconds`."""
        return VideoRetriever(store=self.memory, video_ids=[video.id for video in self.videos], **filters)

    def close(self) -> None:
        """End a watch in the background, free the senses' models and the memory's files."""
        if self._watching is not None:
            self._watching.stop()
        self.video_set.close()

    def __repr__(self) -> str:
        named = repr(self.video.name) if not self.video_set.several else f"{len(self.videos)} videos"
        return f"VideoAgent({named}, llm={llm_name(self.llm)}, mode={self.mode!r})"


@dataclass(frozen=True)
class _Asked:
    """One question as it was asked."""

    question: str
    choice: Choice | None
    thread: str
    verify: bool | None
    wait_seconds: float
    progress: Progress | None

    @classmethod
    def read(cls, question: str, options: Sequence[str] | None, *how: Any) -> _Asked:
        if not isinstance(question, str):
            raise InvalidArgument(f"A question must be a text, got {type(question).__name__}; ask something in words.")
        if not question.strip():
            raise InvalidArgument("The question is empty; ask something about the video.")
        return cls(question, Choice.read(question, options), *how)


def _no_tools(llm: Any) -> str:
    return f"{llm_name(llm)} cannot call tools; answering with one retrieval instead"


def _last(events: Sequence[Event]) -> Answer:
    answer = events[-1].answer
    assert answer is not None  # noqa: S101 - a stream that does not raise ends with the answer
    return answer
