"""watch_clip: a LangChain tool that asks a video-language model a question about a range of a video."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from typing import Any, Literal

from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import ArgsSchema
from pydantic import Field, PrivateAttr

from videochat.errors import VideoChatError
from videochat.fence import failure, fenced
from videochat.intervals import Interval, clock_range, fit_interval
from videochat.records import Caption
from videochat.renamed import keywords
from videochat.tools.clip_models import CLIP_MODELS, VideoModel, stream_windows
from videochat.tools.langchain_tool import RangeInput


class WatchClipInput(RangeInput):
    """A range, and a question about it, as a language model gives them."""

    question: str = Field(min_length=1, description="what to find out, as a full question")
    end: float = Field(gt=0, description="end of the range in seconds; at most a minute is seen well")


class WatchClip(BaseTool):
    """Answers a question about a range of one video by looking at it.

    The answer is text for the model; the artifact is a list of one plain dict, `Caption.as_dict()` of the
    answer, a claim about the range that was watched. Mistakes and missing weights come
    back as one sentence.

    Args:
        video: the video that is looked at.
        weights: folder or hub id, of VideoChat-Embed (`videochat embed convert`) or a video-language model; or a
            `VideoModel`.
        models: where loaded models are kept; all tools of a process share one.
        settings: further fields of `VideoModel`, such as `frames`, `llm_bits` and `device`.
    """

    name: str = "watch_clip"
    description: str = (
        "Look at a stretch of the video again with a video model and answer a question about it. Use it when "
        "the stored captions do not tell, e.g. how something is done, in what order, or why. "
        "Best for up to a minute."
    )
    args_schema: ArgsSchema | None = WatchClipInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    video: Any = Field(exclude=True, repr=False)
    model: VideoModel
    models: Any = Field(default_factory=lambda: CLIP_MODELS, exclude=True, repr=False)
    _turns: dict[Interval, list[tuple[str, str]]] = PrivateAttr(default_factory=dict)
    _turn: Any = PrivateAttr(default_factory=threading.Lock)

    @keywords(shelf="models")
    def __init__(self, *, weights: str | VideoModel, **settings: Any) -> None:
        names = {field.name for field in fields(VideoModel)}
        of_model = {name: settings.pop(name) for name in names & settings.keys()}
        super().__init__(model=replace(VideoModel.of(weights), **of_model), **settings)

    def watch(self, question: str, start_seconds: float, end_seconds: float) -> Caption:
        """Look at a range and answer a question about it; earlier questions about the same range are remembered.

        Args:
            question: what to find out, as a full question.
            start_seconds: first moment.
            end_seconds: first moment no longer; brought back to the end of the video.

        Returns:
            The answer as a `claim` about the range that was watched, with the attribute `question`.

        Raises:
            InvalidArgument: the range holds nothing.
            MissingDependency: the weights or a package are not on this machine, or do not fit into memory.
            VideoChatError: the model had nothing to say.
        """
        start, end = fit_interval(start_seconds, end_seconds, self.video.duration_seconds)
        # LangChain runs the tool calls of one message in parallel threads.
        with self._turn:
            turns = self._turns.setdefault((start, end), [])
            text = "".join(
                stream_windows(self.models, self.model, self.video, question, (start, end), turns=tuple(turns))
            )
            turns.append((question, text))
        return Caption(self.video.id, start, end, "claim", text, self.model.name, attributes={"question": question})

    def _run(self, question: str, start: float, end: float) -> tuple[str, list[dict[str, Any]]]:
        try:
            caption = self.watch(question, start, end)
        except VideoChatError as error:
            raise ToolException(failure(error)) from error
        when = clock_range(caption.start_seconds, caption.end_seconds)
        return fenced(f"[{when}] {caption.text}"), [caption.as_dict()]
