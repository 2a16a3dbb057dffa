"""VideoAgent: answers questions about videos."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, Unpack

from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.tools import BaseTool
from langgraph.checkpoint.base import BaseCheckpointSaver

from videochat.agent.ask_options import AskOptions, Question, RetrieverOptions, check_keywords
from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.chat_models import ChatModel, can_see, llm_name, mode_of, no_tools, remarks_on, resolve_models
from videochat.agent.conversation import DEFAULT_THREAD, Conversations
from videochat.agent.events import Event, last_answer
from videochat.agent.extraction import Extraction, Form, extract, wish_of
from videochat.agent.frame_search import FoundFrame, PictureLike
from videochat.agent.limits import Limits
from videochat.agent.pipeline import Progress
from videochat.agent.run import Mode, Run, RunSettings
from videochat.agent.toolkit import VideoToolkit
from videochat.agent.verification import Verify
from videochat.agent.video_answerer import VideoAnswerer
from videochat.agent.video_set import AnyVideo, VideoSet, merge_reports
from videochat.agent.watch import WatchReport
from videochat.errors import StoreError
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.memory.retriever import VideoRetriever
from videochat.records import Answer, Caption
from videochat.renamed import keywords
from videochat.tools import DEFAULT_PRESET, PerceptionTool
from videochat.tools.clip_models import VideoModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class VideoAgent:
    """Answers questions about videos, with citations that were really retrieved.

    Several threads and tasks may ask one agent at once; questions of one conversation are answered one after another.
    `with VideoAgent(...) as agent:` closes it at the end.

    Args:
        video: path, http(s) address, or `Video`; or a list of them, which are asked together.
        llm: a LangChain chat model, `"provider:model"`, `"extractive"`, `"embed:FOLDER"` (`VideoAnswerer`: a model that
            looks at the video itself), or None: `VIDEOCHAT_LLM`, else OpenAI if its key is set, else the video model
            if there is one, else the extractive answerer, which quotes captions and needs no model.
        preset: name of a line-up of senses, or a list of tool names and tools; None for the richest whose weights
            are on this machine and that suits it (the first answer says which; nothing is downloaded).
        clip_captions: who describes the video besides: a chat model that sees (also as `"provider:model"`), a
            video-language model (folder or hub id), or a `ClipCaptioner` with settings; None for nobody.
        memory: a `CaptionStore` or the directory of one; None for the user's own.
        tools: further LangChain tools for the agent. Captions of these videos in their artifacts are stored and
            can be cited.
        video_model: folder or hub id of a VideoChat-Embed or of a video-language model of transformers, or a
            `VideoModel`: the agent may look at a range again (`watch_clip`); a model that calls no tools gets what it
            says beside the captions. None: what `VIDEOCHAT_VIDEO_MODEL` names.
        mode: `"retrieve"`: one retrieval and one model call; `"agent"`: the model may use tools, and must confirm what
            it found. None: agent where the model can call tools.
        limits: how many calls, seconds and tokens the model may use for one answer.
        verify: have each cited sentence judged against its captions, and where the model can see against pictures of
            them, by a second call; `"auto"`: where a language model is configured. `ask` can say otherwise.
        checkpointer: where conversations are kept: a LangGraph checkpointer, the path of an SQLite file (extra
            `sqlite`), or None for this object's lifetime.
        pictures: whether the model can see and gets the tool `frames`; None: what its profile says.
        context_tokens: how much the model reads at once; None: what its profile says, else 32,000.
        summary_llm: a chat model that writes the summaries where one is needed, as of a video too long to be sent;
            None: `llm`; `"extractive"`: extracts of the captions, which cost nothing.
        models_gb: gigabytes for the senses' models together; where they need more, the video is read once for each
            group that fits. None for most of the device's memory.

    Raises:
        MediaError: a video cannot be read.
        UnknownName: no such preset, tool, mode or LLM provider.
        StoreError: the memory cannot be opened.
        LLMError: the language model cannot be made.
        MissingDependency: the weights of the video model are not on this machine.
    """

    @keywords(brakes="limits")
    def __init__(
        self,
        video: AnyVideo | Sequence[AnyVideo],
        *,
        llm: ChatModel | str | None = None,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        tools: Iterable[BaseTool] = (),
        video_model: str | os.PathLike[str] | VideoModel | None = None,
        mode: Mode | None = None,
        limits: Limits | None = None,
        verify: Verify = "auto",
        checkpointer: BaseCheckpointSaver[Any] | str | os.PathLike[str] | None = None,
        pictures: bool | None = None,
        context_tokens: int | None = None,
        summary_llm: ChatModel | str | None = None,
        models_gb: float | None = None,
    ) -> None:
        self.llm, looker = resolve_models(llm, video_model)
        chosen_mode = mode_of(self.llm, mode)
        self.video_set = VideoSet(
            video,
            preset=preset,
            clip_captions=clip_captions,
            memory=memory,
            summary_llm=self.llm if summary_llm is None else summary_llm,
            models_gb=models_gb,
        )
        if isinstance(self.llm, VideoAnswerer):
            self.llm = self.llm.model_copy(update={"videos": self.video_set.videos})
        self._settings = RunSettings(
            self.llm,
            chosen_mode,
            Limits() if limits is None else limits,
            verify,
            context_tokens,
            looker,
            can_see(self.llm) if pictures is None else pictures,
            tuple(tools),
        )
        self._notes_for_next_answer = notes = remarks_on(self.llm, looker, mode)
        if preset is None and self.needs_captions and (chosen := self.video_set.preset) != DEFAULT_PRESET:
            notes.append(f"Watched with the preset {chosen}, whose weights are on this machine")
        self._conversations = Conversations(
            checkpointer, self.video_set.fingerprint, self.video_set.names if self.video_set.several else {}
        )

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
        """The perception tools that watch."""
        return self.video_set.senses

    @property
    def memory(self) -> CaptionStore:
        """The store of the captions."""
        return self.video_set.memory

    @property
    def mode(self) -> Mode:
        """How questions are answered; `retrieve` from the moment on that a model turns out to call no tools."""
        return self._settings.mode

    @property
    def needs_captions(self) -> bool:
        """Whether the video must be watched before a question; a model that looks at it itself may do without."""
        return self._settings.needs_captions

    @property
    def watching(self) -> BackgroundWatch | None:
        """The watch that `start_watching` began last, if it did."""
        return self.video_set.watching

    def reset(self, thread: str = DEFAULT_THREAD) -> None:
        """Forget a conversation (not the video)."""
        self._conversations.forget(thread)

    @keywords(tools="senses")
    def watch(
        self,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        fps: float | None = None,
        senses: Sequence[str | PerceptionTool] | None = None,
        progress: Progress | None = None,
    ) -> WatchReport:
        """Run the senses over a range and store what they see; what was watched before is not watched again.

        Args:
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            fps: pictures per second for the senses that sample at a rate; None for each one's own rate. What
                is seen at another rate is kept beside what was seen before.
            senses: names or senses; None for the agent's own line-up.
            progress: told how far the video has been read.

        Returns:
            What was done; for several videos, of each of which the range is watched, in one report.

        Raises:
            InvalidArgument: the range holds nothing, or `fps` is no rate.
            UnknownName: there is no such sense.
            MissingDependency: the weights of a sense are not on this machine; nothing has been decoded then.
        """
        if self.video_set.several and (start_seconds, end_seconds, fps, senses) == (0.0, None, None, None):
            return merge_reports(self.video_set.watch_all(progress))
        return merge_reports(
            [
                self.video_set.watch(video, start_seconds, end_seconds, fps=fps, senses=senses, progress=progress)
                for video in self.video_set.videos
            ]
        )

    def start_watching(self) -> BackgroundWatch:
        """Watch in the background; until it is done, answers come from what has been seen so far."""
        return self.video_set.start_watching()

    def ask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """Answer a question; watches first what was not watched yet. Earlier turns are remembered.

        While a watch runs in the background (`start_watching`), the answer comes from what has been seen so far,
        and says up to where.

        Args:
            question: in words; it may list options as `A. ... B. ...`.
            options: see `AskOptions`: `options`, `thread`, `verify`, `wait_seconds`, `progress`, `history`.

        Raises:
            InvalidArgument: the question is no text or empty, the options are none, or the thread has no name.
            LLMError: the language model did not answer.
            TypeError: there is no such keyword.
        """
        return last_answer(list(self._events(Question.read("ask", question, options), tokens=False)))

    def messages(self, question: str, **options: Unpack[AskOptions]) -> list[BaseMessage]:
        """Return what the language model would be sent for a question, without asking it; watches first as `ask` does.

        Args:
            question: in words.
            options: as of `ask`.

        Returns:
            The system message, earlier turns, and the user message with what is sent of the videos.

        Raises:
            InvalidArgument: as `ask`.
        """
        asked = Question.read("messages", question, options)
        with self._conversations.hold(asked.thread):
            run = self._begin(asked)
        return [SystemMessage(run.system), *run.input["messages"]]

    def extract(self, form: type[Form], question: str | None = None, **options: Unpack[AskOptions]) -> Extraction[Form]:
        """Fill in a pydantic model from the videos by the language model; each field has the captions it rests on.

        What cites nothing that was retrieved is left out, and said in the notes.

        Args:
            form: the model; what its fields are said to be tells what is wanted.
            question: what decides which captions are read; None for the words of the form.
            options: as of `ask`.

        Raises:
            InvalidArgument: the form is none, or the question is empty.
            LLMError: there is no language model, or it gives nothing that fits.
        """
        # Earlier turns of a conversation have no say in it.
        options = AskOptions(thread="extract") | options
        asked = Question.read("extract", wish_of(form) if question is None else question, options)
        with self._conversations.hold(asked.thread):
            return extract(self._begin(asked), form)

    def stream(self, question: str, **options: Unpack[AskOptions]) -> Iterator[Event]:
        """Yield evidence, steps and pieces of text as they come, and at the end the answer; see `ask`."""
        return self._events(Question.read("stream", question, options), tokens=True)

    async def aask(self, question: str, **options: Unpack[AskOptions]) -> Answer:
        """Answer a question without blocking the event loop; see `ask`."""
        asked = Question.read("aask", question, options)
        return last_answer([event async for event in self._aevents(asked, tokens=False)])

    def astream(self, question: str, **options: Unpack[AskOptions]) -> AsyncIterator[Event]:
        """Yield what `stream` yields, without blocking the event loop."""
        return self._aevents(Question.read("astream", question, options), tokens=True)

    def _events(self, question: Question, *, tokens: bool) -> Iterator[Event]:
        with self._conversations.hold(question.thread):
            run = self._begin(question)
            yield Event("evidence", captions=run.found)
            while run.needs_model:
                with run.handling_errors():
                    for mode, data in run.graph.stream(run.input, stream_mode=run.stream_modes(tokens=tokens)):
                        yield from run.events(mode, data)
                if not run.tools_refused:
                    break
                run = self._without_tools(question)
            yield Event("answer", answer=self._end(run))

    async def _aevents(self, question: Question, *, tokens: bool) -> AsyncIterator[Event]:
        async with self._conversations.ahold(question.thread):
            run = await asyncio.to_thread(self._begin, question)
            yield Event("evidence", captions=run.found)
            while run.needs_model:
                with run.handling_errors():
                    async for mode, data in run.graph.astream(run.input, stream_mode=run.stream_modes(tokens=tokens)):
                        for event in run.events(mode, data):
                            yield event
                if not run.tools_refused:
                    break
                run = await asyncio.to_thread(self._without_tools, question)
            yield Event("answer", answer=await asyncio.to_thread(self._end, run))

    def _begin(self, question: Question) -> Run:
        """Watch what must be watched first, and retrieve."""
        if not self.needs_captions:
            return self._run(question)
        if self.watching is None or self.watching.wait(min(question.wait_seconds, threading.TIMEOUT_MAX)):
            try:
                self.video_set.watch_all(question.progress)
            except StoreError as error:
                # Another process is watching, or the store may not be written: what is there can be asked.
                if not any(self.video_set.captions_of(video).count() for video in self.videos):
                    raise
                self._notes_for_next_answer.append(f"{error} This answer is from what has been seen so far.")
        return self._run(question)

    def _run(self, question: Question) -> Run:
        settings = self._settings if question.verify is None else replace(self._settings, verify=question.verify)
        return Run(self.video_set, settings, self._conversations.load(question.thread, question.history), question)

    def _without_tools(self, question: Question) -> Run:
        """Ask again a model that turned out to call no tools."""
        self._settings = replace(self._settings, mode="retrieve")
        self._notes_for_next_answer.append(no_tools(self.llm))
        return self._run(question)

    def _end(self, run: Run) -> Answer:
        while self._notes_for_next_answer:
            run.notes.append(self._notes_for_next_answer.pop())
        answer = run.finish()
        # Later turns see question and answer, not again all the contexts.
        self._conversations.keep(run.question.thread, str(run.question), run.said, run.evidence)
        return answer

    def captions(
        self, kind: str | None = None, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> list[Caption]:
        """Return stored captions that share a moment with the range, video by video in temporal order.

        Args:
            kind: only captions of this kind; None for all but summaries.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.

        Raises:
            UnknownName: there is no such kind.
            InvalidArgument: the range holds nothing.
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
        image: PictureLike | None = None,
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
        return self.video_set.frame_search(model).find(
            what, image, k=k, start_seconds=start_seconds, end_seconds=end_seconds, progress=progress
        )

    def textualize(self, start_seconds: float = 0.0, end_seconds: float | None = None) -> str:
        """Return the stored captions in the template of the paper's Table 1."""
        names = self.video_set.names if self.video_set.several else None
        return textualize(self.captions(None, start_seconds, end_seconds), names=names)

    def timeline(self) -> Figure:
        """Return a matplotlib figure of the captions of the (first) video over time, a lane for each kind."""
        from videochat.timeline import draw_timeline

        return draw_timeline(self.memory.between(self.video.id), self.video.duration_seconds, title=self.video.name)

    def langchain_tools(self) -> list[BaseTool]:
        """Return the tools over these videos, for other LangChain apps; see `VideoToolkit`."""
        return VideoToolkit(
            video_set=self.video_set, video_model=self._settings.video_model, pictures=self._settings.pictures
        ).get_tools()

    def as_retriever(self, **filters: Unpack[RetrieverOptions]) -> VideoRetriever:
        """Return a LangChain retriever over these videos.

        Args:
            filters: see `RetrieverOptions`: `k`, `kinds`, `start_seconds`, `end_seconds`.

        Raises:
            TypeError: there is no such filter.
        """
        check_keywords("as_retriever", filters, RetrieverOptions.__annotations__)
        return VideoRetriever(store=self.memory, video_ids=[video.id for video in self.videos], **filters)

    def close(self) -> None:
        """End a watch in the background, free the senses' models and the memory's files."""
        self._conversations.close()
        self.video_set.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        named = repr(self.video.name) if not self.video_set.several else f"{len(self.videos)} videos"
        return f"VideoAgent({named}, llm={llm_name(self.llm)}, mode={self.mode!r})"
