"""The front of the house: a video to ask."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool

from videochat.agent.evidence import Evidence
from videochat.agent.llms import can_call_tools, llm_name, resolve_llm
from videochat.agent.prompts import NOT_SHOWN, system_prompt, user_turn
from videochat.agent.toolbox import Toolbox
from videochat.agent.watch import Progress, WatchReport, refine, watch
from videochat.errors import BadQuestion, LLMError, UnknownName, VideoChatError
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.records import Answer, Caption, Citation
from videochat.tools import PerceptionTool, at_rate, make_refiner, make_tools

Mode = Literal["agent", "retrieve"]

# A model that keeps calling tools is stopped; create_agent alone would let it go on for thousands of calls.
_MODEL_CALLS = 12


class VideoAgent:
    """Answers questions about a video, with citations that were really retrieved.

    Args:
        video: path, http(s) address, or `Video`.
        llm: a LangChain chat model, `"provider:model"`, `"extractive"`, or None: `VIDEOCHAT_LLM`, else OpenAI
            if its key is set, else the extractive answerer, which quotes captions and needs no model.
        preset: name of a line-up of senses, or a list of tool names and tools; None for `builtin`.
        memory: a `CaptionStore` or the directory of one; None for the user's own.
        tools: further LangChain tools for the agent. Captions of this video in their artifacts are stored and
            can be cited.
        video_model: folder or hub id of a VideoChat-Embed (`videochat embed convert`) or of a video-language
            model of transformers; the agent may then look at a range again (`watch_clip`). None: what
            `VIDEOCHAT_VIDEO_MODEL` names, if it does.
        mode: `"retrieve"`: one retrieval and one model call; `"agent"`: the model may search and read on.
            None: agent where the model can call tools.

    Raises:
        MediaError: the video cannot be read.
        UnknownName: no such preset, tool, mode or LLM provider.
        StoreError: the memory cannot be opened.
        LLMError: the language model cannot be made.
    """

    def __init__(
        self,
        video: str | os.PathLike[str] | Video,
        *,
        llm: Any = None,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        tools: Iterable[BaseTool] = (),
        video_model: str | os.PathLike[str] | None = None,
        mode: Mode | None = None,
    ) -> None:
        self.video = video if isinstance(video, Video) else Video(video)
        self.senses = make_tools(preset)
        self.refiner = make_refiner(preset)
        self.llm = resolve_llm(llm)
        if mode not in (None, "agent", "retrieve"):
            raise UnknownName("mode", mode, ("agent", "retrieve"))
        if mode == "agent" and not can_call_tools(self.llm):
            warnings.warn(
                f"{llm_name(self.llm)} cannot call tools; answering with one retrieval instead.", stacklevel=2
            )
            mode = "retrieve"
        self.mode: Mode = mode or ("agent" if can_call_tools(self.llm) else "retrieve")
        self.memory = memory if isinstance(memory, CaptionStore) else CaptionStore(memory)
        self.extra_tools = list(tools)
        if weights := video_model or os.environ.get("VIDEOCHAT_VIDEO_MODEL"):
            from videochat.tools.embed_chat import WatchClip

            self.extra_tools.append(WatchClip(video=self.video, weights=os.fspath(weights)))
        self.reset()

    def reset(self) -> None:
        """Forget the conversation (not the video)."""
        self._history: list[BaseMessage] = []
        self._evidence = Evidence()

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
        """
        shelf = self.memory.shelf(self.video.id)
        shelf.set_facts(
            name=self.video.name,
            path=str(self.video.path.absolute()),
            duration_seconds=self.video.duration_seconds,
            size=self.video.size,
        )
        senses = self.senses if tools is None else make_tools(tools)
        if self.refiner is not None:
            self.refiner.prepare()
        if fps is not None:
            senses = [at_rate(sense, fps) for sense in senses]
        report = watch(self.video, senses, shelf, start_seconds, end_seconds, progress=progress)
        if self.refiner is not None and not report.already_watched:
            report.captions_added += refine(self.video, self.refiner, shelf)
        return report

    def ask(self, question: str, *, progress: Progress | None = None) -> Answer:
        """Answer a question; watches first what was not watched yet. Earlier turns are remembered.

        Raises:
            BadQuestion: the question is empty.
            LLMError: the language model did not answer.
        """
        if not question.strip():
            raise BadQuestion("The question is empty; ask something about the video.")
        report = self.watch(progress=progress)
        began = time.perf_counter()
        toolbox = Toolbox(self.video, self.memory.shelf(self.video.id), self._evidence)
        found = toolbox.recall(question)
        turn = HumanMessage(
            user_turn(toolbox.as_text(found.hits), question),
            additional_kwargs={"question": question, "evidence": toolbox.as_data(found.hits)},
        )
        try:
            produced = self._run(turn, toolbox)
        except VideoChatError:
            raise
        except Exception as error:
            raise LLMError(f"{llm_name(self.llm)} did not answer: {str(error) or type(error).__name__}") from error
        self._keep_sights(produced)
        text = produced[-1].text if produced else ""
        answer = self._checked(text, question, produced, report)
        # Later turns see the question and the answer, not again all the contexts.
        self._history += [HumanMessage(question), AIMessage(text or NOT_SHOWN)]
        answer.usage["seconds"] = round(time.perf_counter() - began, 3)
        return answer

    def _run(self, turn: HumanMessage, toolbox: Toolbox) -> list[BaseMessage]:
        """Return the messages that the model and its tools produced for this turn."""
        if self.mode == "retrieve":
            system = SystemMessage(system_prompt(with_tools=False))
            return [self.llm.invoke([system, *self._history, turn])]
        from langchain.agents import create_agent
        from langchain.agents.middleware import ModelCallLimitMiddleware

        agent: Any = create_agent(
            self.llm,
            [*toolbox.get_tools(), *self.extra_tools],
            system_prompt=system_prompt(with_tools=True),
            middleware=[ModelCallLimitMiddleware(run_limit=_MODEL_CALLS, exit_behavior="end")],
        )
        given = [*self._history, turn]
        messages: list[BaseMessage] = agent.invoke({"messages": given})["messages"]
        return messages[len(given) :]

    def _keep_sights(self, produced: list[BaseMessage]) -> None:
        """Store what tools of others saw in this video, so that it is evidence like everything else."""
        captions = [
            Caption.from_dict(item)
            for message in produced
            if isinstance(message, ToolMessage) and isinstance(message.artifact, list)
            for item in message.artifact
            if isinstance(item, dict) and item.get("video_id") == self.video.id
        ]
        new = [caption for caption in captions if caption.id not in self._evidence.numbers]
        self.memory.shelf(self.video.id).record(new)
        self._evidence.add(new)

    def _checked(self, text: str, question: str, produced: list[BaseMessage], report: WatchReport) -> Answer:
        checked = self._evidence.check(text, question)
        notes = list(checked.notes)
        if not checked.text:
            notes.append("The language model gave an empty answer.")
        elif checked.status == "not_found" and NOT_SHOWN not in checked.text:
            notes.append("The answer cites nothing that was retrieved from the video, so it is not vouched for.")
        if checked.status == "not_found":
            notes.append(f"Watched for: {', '.join(sense.name for sense in self.senses)}.")
        notes += [
            f"{gap.source} missed {gap.start_seconds:.0f}-{gap.end_seconds:.0f} s: {gap.reason}" for gap in report.gaps
        ]
        return Answer(
            checked.text or NOT_SHOWN,
            [self._citation(caption) for caption in checked.cited],
            checked.status,
            _steps(produced),
            _tokens(produced),
            notes,
        )

    def _citation(self, caption: Caption) -> Citation:
        middle = (caption.start_seconds + min(caption.end_seconds, self.video.duration_seconds)) / 2
        return Citation(caption, thumbnail=lambda: self._thumbnail(middle))

    def _thumbnail(self, seconds: float) -> bytes | None:
        if not self.video.has_video:
            return None
        from PIL import Image

        with contextlib.suppress(VideoChatError):
            picture = io.BytesIO()
            Image.fromarray(self.video.frame_at(seconds, max_side=240).image).save(picture, "JPEG", quality=80)
            return picture.getvalue()
        return None

    def captions(
        self, kind: str | None = None, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> list[Caption]:
        """Return stored captions that share a moment with the range, in temporal order.

        Raises:
            UnknownName: there is no such kind.
        """
        start, end = self.video.span(start_seconds, end_seconds)
        # Subtitles may outlast pictures and sound; without a limit they belong to the list.
        limit = float("inf") if end_seconds is None else end
        return self.memory.between(self.video.id, start, limit, kinds=None if kind is None else [kind])

    def textualize(self, start_seconds: float = 0.0, end_seconds: float | None = None) -> str:
        """Return the stored captions in the template of the paper's Table 1."""
        return textualize(self.captions(None, start_seconds, end_seconds))

    def timeline(self) -> Any:
        """Return a matplotlib figure of the captions over time, a lane for each kind."""
        from videochat.agent.timeline import draw_timeline

        return draw_timeline(self.captions(), self.video.duration_seconds, title=self.video.name)

    def langchain_tools(self) -> list[BaseTool]:
        """Return the tools over this video, for other LangChain apps."""
        return Toolbox(self.video, self.memory.shelf(self.video.id), self._evidence).get_tools()

    def close(self) -> None:
        """Free the senses' models and the memory's files."""
        for sense in self.senses:
            sense.close()
        if self.refiner is not None:
            self.refiner.close()
        self.memory.close()

    def __repr__(self) -> str:
        return f"VideoAgent({self.video.name!r}, llm={llm_name(self.llm)}, mode={self.mode!r})"


def _steps(produced: list[BaseMessage]) -> list[dict[str, Any]]:
    brought = {m.tool_call_id: len(m.artifact or []) for m in produced if isinstance(m, ToolMessage)}
    return [
        {"tool": call["name"], "args": call["args"], "captions": brought.get(call["id"] or "", 0)}
        for message in produced
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    ]


def _tokens(produced: list[BaseMessage]) -> dict[str, float]:
    usages = [m.usage_metadata for m in produced if isinstance(m, AIMessage) and m.usage_metadata]
    if not usages:
        return {}
    return {
        "input_tokens": sum(usage["input_tokens"] for usage in usages),
        "output_tokens": sum(usage["output_tokens"] for usage in usages),
    }
