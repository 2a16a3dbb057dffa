"""VideoAnswerer: a chat model that looks at videos itself, as VideoChat-Embed does in the paper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

from videochat.errors import InvalidArgument, LLMError, VideoChatError
from videochat.intervals import Interval
from videochat.media import Video
from videochat.records import AttributeValue, Caption
from videochat.tools.clip_models import CLIP_MODELS, NothingSaid, VideoModel, context_tokens, stream_windows

PREFIXES = ("embed:", "video:")
"""What a name of such a chat model begins with: a folder of VideoChat-Embed, or of any video-language model."""
LOOK = "look"
"""Key in `additional_kwargs` of a question: where to look, as a list of `[video id, start, end]`."""
CLAIMS = "claims"
"""Key in `additional_kwargs` of an answer: what was said of which range, as a list of `Caption.as_dict()`."""


class TooLong(VideoChatError, ContextOverflowError):
    """A question that is too long for the model's window; LangChain's middleware asks again with less."""


class VideoAnswerer(BaseChatModel):
    """A chat model that looks at videos: VideoChat-Embed, or a video-language model of transformers.

    It works wherever LangChain takes a chat model, and streams. Earlier questions and answers are the dialogue; the
    pictures of a range are encoded once. A long range is looked at in windows, whose answers are joined with their
    times. What it says is a claim about the range that it looked at: `additional_kwargs["claims"]` has them as captions
    of the kind `claim`. It calls no tools.

        chat = VideoAnswerer("videochat-7b/", "kitchen.mp4")
        chat.invoke("What is poured?").text
        chat.bind(start_seconds=60, end_seconds=90).invoke("And here?").text

    Args:
        model: folder, hub id or `VideoModel`; also as `"embed:FOLDER"` or `"video:FOLDER"`, with settings behind it, as
            `VideoModel.parse` reads them.
        videos: path, address or `Video`, or a list of them; a `VideoAgent` gives it its own.
        settings: further fields of a LangChain chat model.

    Raises:
        MissingDependency: the weights are not on this machine, or do not fit into memory.
        InvalidArgument: a setting does not fit.
        MediaError: a video cannot be read.
    """

    model: VideoModel
    videos: Any = Field(default=(), exclude=True, repr=False)

    def __init__(self, model: str | VideoModel, videos: Any = (), **settings: Any) -> None:
        if isinstance(model, str) and model.startswith(PREFIXES):
            model = model.partition(":")[2]
        wanted = VideoModel.of(model)
        folder = wanted.check()
        several = videos if isinstance(videos, list | tuple) else [videos]
        settings.setdefault(
            "profile", ModelProfile(max_input_tokens=context_tokens(folder) or 2048, tool_calling=False)
        )
        settings["videos"] = [video if isinstance(video, Video) else Video(video) for video in several]
        super().__init__(**{"model": wanted} | settings)

    @property
    def _llm_type(self) -> str:
        return "video"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model.name, "frames": self.model.frames}

    def bind_tools(
        self, tools: Sequence[dict[str, Any] | type | Callable[..., Any] | Any], **settings: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Refuse tools.

        Raises:
            LLMError: always.
        """
        raise LLMError(
            f"The video model {self.model.name!r} looks and answers, and does not call tools; ask it without, or give "
            "the tools to another chat model and this one as its video_model."
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **options))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        asked = _Asked.read(messages)
        looks = self._looks(asked, start_seconds, end_seconds)
        claims: list[dict[str, Any]] = []
        read = written = 0

        def piece_of(text: str, **more: Any) -> ChatGenerationChunk:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=text, **more))
            if run_manager:
                run_manager.on_llm_new_token(text, chunk=chunk)
            return chunk

        for number, (video, span) in enumerate(looks):
            if len(looks) > 1:
                yield piece_of(f"{chr(10) if number else ''}{video.name}: ")
            pieces = stream_windows(
                CLIP_MODELS, self.model, video, asked.question, span, turns=asked.turns, system=asked.system
            )
            while True:
                try:
                    yield piece_of(next(pieces))
                except StopIteration as end:
                    replies = end.value
                    break
                except NothingSaid:
                    if len(looks) == 1:
                        raise
                    yield piece_of("(nothing)")
                    replies = []
                    break
                except VideoChatError as error:
                    if "tokens, but the LLM reads at most" in str(error):
                        raise TooLong(str(error)) from error
                    raise
            for window, reply in replies:
                read, written = read + reply.input_tokens, written + reply.output_tokens
                if reply.text:
                    claims.append(self._claim(video, window, asked.question, reply.text).as_dict())
        usage = UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)
        yield piece_of("", additional_kwargs={CLAIMS: claims}, usage_metadata=usage, chunk_position="last")

    def _claim(self, video: Video, span: Interval, question: str, text: str) -> Caption:
        frames = 1 if video.is_picture else self.model.frames
        about: dict[str, AttributeValue] = {"question": question, "frames": frames}
        return Caption(video.id, span[0], span[1], "claim", text, self.model.name, attributes=about)

    def _looks(self, asked: _Asked, start_seconds: float, end_seconds: float | None) -> list[tuple[Video, Interval]]:
        """Return which ranges of which videos are looked at."""
        if not self.videos:
            raise InvalidArgument("There is no video to look at; give it one: VideoAnswerer(model, 'kitchen.mp4').")
        if asked.look is None:
            return [(video, video.span(start_seconds, end_seconds)) for video in self.videos]
        by_id = {video.id: video for video in self.videos}
        return [(by_id[id_], by_id[id_].span(start, end)) for id_, start, end in asked.look if id_ in by_id]


@dataclass(frozen=True)
class _Asked:
    """Messages of a chat as a video model gets them."""

    question: str
    turns: tuple[tuple[str, str], ...]
    system: str
    look: list[tuple[str, float, float]] | None

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> _Asked:
        system = "\n\n".join(message.text for message in messages if isinstance(message, SystemMessage))
        look: list[tuple[str, float, float]] | None = None
        turns: list[tuple[str, str]] = []
        question = ""
        for message in messages:
            if isinstance(message, HumanMessage):
                question = "\n\n".join(filter(None, [question, message.text.strip()]))
                look = message.additional_kwargs.get(LOOK, look)
            elif isinstance(message, AIMessage) and question:
                turns.append((question, message.text.strip()))
                question = ""
        if not question:
            raise InvalidArgument("The last message must be a question in words; ask something about the video.")
        return cls(question, tuple(turns), system, look)
