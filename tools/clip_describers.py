"""Who describes a stretch of a video: a chat model that sees, or a video-language model on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from videochat.chat_models import jpeg_of, picture_block
from videochat.errors import VideoChatError, first_line
from videochat.intervals import Interval, clock_range
from videochat.media import Video
from videochat.tools.clip_replies import Line, UnfitReply, instruction, read_reply, wording

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

# What a server answers to a request that it will not take, however often it comes.
_REFUSALS = (400, 413, 415, 422)


class RefusedStretch(VideoChatError):
    """The model's server does not take this stretch: no pictures at all, or not these."""


class Describer(Protocol):
    """Asks a model about a stretch of a video."""

    workers: int
    """How many stretches may be asked about at once."""

    def ask(self, video: Video, stretch: Interval, rejected: tuple[str, str] | None = None) -> str:
        """Return the model's words about a stretch.

        Args:
            video: where it is.
            stretch: `(start_seconds, end_seconds)`.
            rejected: an earlier reply and why it cannot be used.
        """
        ...


class ChatDescriber:
    """A chat model that sees; it gets pictures, each with its time.

    Args:
        model: a LangChain chat model. How often a call that fails is tried again is its own affair (`max_retries`).
        name: of the model, for messages.
        language: ISO 639 code of what it shall write.
        frames: pictures of a stretch.
        max_side: the longer side of a picture has at most so many pixels.
        workers: how many stretches are asked about at once.
    """

    def __init__(
        self,
        model: Runnable[LanguageModelInput, AIMessage],
        name: str,
        *,
        language: str,
        frames: int,
        max_side: int,
        workers: int,
    ) -> None:
        self.model, self.name, self.language = model, name, language
        self.frames, self.max_side, self.workers = frames, max_side, workers

    def ask(self, video: Video, stretch: Interval, rejected: tuple[str, str] | None = None) -> str:
        """Return the model's words about a stretch; see `Describer.ask`.

        Raises:
            RefusedStretch: its server does not take the request.
            VideoChatError: it cannot be reached, or does not answer.
        """
        messages = self.messages(video, stretch, rejected)
        try:
            return self.model.invoke(messages).text
        except VideoChatError:
            raise
        except Exception as error:
            why = f"{self.name} did not describe {clock_range(*stretch)}: {first_line(error)[:300]}"
            if getattr(error, "status_code", None) in _REFUSALS:
                raise RefusedStretch(why) from error
            raise VideoChatError(why) from error

    def messages(self, video: Video, stretch: Interval, rejected: tuple[str, str] | None = None) -> list[BaseMessage]:
        """Return what the model is sent: instruction, pictures with their times, and what to do about a bad reply."""
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        words, start, end = wording(), _said(stretch[0]), _said(stretch[1])
        seconds = spread(stretch, 1 if video.is_picture else self.frames)
        blocks: list[Any] = [{"type": "text", "text": words["before"].format(start=start, end=end, count=len(seconds))}]
        for frame in video.frames(at_seconds=seconds, max_side=self.max_side):
            blocks.append({"type": "text", "text": words["picture"].format(seconds=_said(frame.seconds))})
            blocks.append(picture_block(jpeg_of(frame.image)))
        blocks.append({"type": "text", "text": words["after"].format(start=start, end=end)})
        messages: list[BaseMessage] = [SystemMessage(instruction(self.language)), HumanMessage(blocks)]
        if rejected is not None:
            reply, problem = rejected
            # An empty message is refused by some servers.
            messages += [AIMessage(reply or "(nothing)"), HumanMessage(_again(stretch, problem))]
        return messages


class LocalDescriber:
    """VideoChat-Embed, or a video-language model of transformers; `watch_clip` uses the same loaded model.

    Args:
        folder: of the weights.
        language: ISO 639 code of what it shall write.
        frames: pictures of a stretch.
    """

    workers = 1

    def __init__(self, folder: Path, *, language: str, frames: int) -> None:
        self.folder, self.language, self.frames = folder, language, frames

    def ask(self, video: Video, stretch: Interval, rejected: tuple[str, str] | None = None) -> str:
        """Return the model's words about a stretch; see `Describer.ask`.

        Raises:
            MissingDependency: the model does not fit into memory, or is none.
        """
        from videochat.tools.clip_models import CLIP_MODELS, VideoModel

        start, end = map(_said, stretch)
        parts = [instruction(self.language), wording()["after"].format(start=start, end=end)]
        if rejected is not None:
            parts.append(_again(stretch, rejected[1]))
        model = VideoModel(str(self.folder), frames=self.frames)
        return CLIP_MODELS.ask(model, video, "\n\n".join(parts), stretch).text

    def close(self) -> None:
        """Free the model."""
        from videochat.tools.clip_models import CLIP_MODELS

        CLIP_MODELS.free(str(self.folder))


def spread(stretch: Interval, frames: int) -> list[float]:
    """Return the seconds of pictures: the middles of equal parts of a stretch, to the hundredth."""
    start, end = stretch
    return [round(start + (end - start) * (number + 0.5) / frames, 2) for number in range(frames)]


def describe(describer: Describer, video: Video, stretch: Interval, language: str) -> list[Line]:
    """Ask about a stretch, once more where the reply is unfit, and return what it says.

    Raises:
        UnfitReply: neither reply can be kept.
        VideoChatError: the model does not answer.
    """
    reply = describer.ask(video, stretch)
    try:
        return read_reply(reply, stretch, language)
    except UnfitReply as problem:
        return read_reply(describer.ask(video, stretch, (reply, str(problem))), stretch, language)


Outcome = list[Line] | Exception


class Descriptions:
    """Stretches that are described in the background, several at once, while the video is read on.

    The threads are daemons: a call that waits for a slow server holds up neither Ctrl-C nor the end of the process,
    which `Runnable.batch` would.

    Args:
        describe: describes one stretch; what it raises is its outcome.
        workers: how many at once.
    """

    def __init__(self, describe: Callable[[Interval], list[Line]], workers: int) -> None:
        self._describe, self._workers = describe, workers
        self._waiting: queue.SimpleQueue[tuple[int, Interval] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Outcome]] = queue.SimpleQueue()
        self._given: list[Interval] = []
        self._outcomes: dict[int, Outcome] = {}
        self._told = 0
        self._stopped = threading.Event()

    def give(self, stretch: Interval) -> None:
        """Have a stretch described."""
        if len(self._given) < self._workers:
            threading.Thread(target=self._work, daemon=True).start()
        self._waiting.put((len(self._given), stretch))
        self._given.append(stretch)

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None and not self._stopped.is_set():
            number, stretch = work
            try:
                outcome: Outcome = self._describe(stretch)
            except Exception as error:
                outcome = error
            self._done.put((number, outcome))

    def outcomes(self, *, wait: bool = False) -> Iterator[tuple[Interval, Outcome]]:
        """Yield what has become of the stretches, in the order in which they were given.

        Args:
            wait: until all are described; else what is ready now.
        """
        while self._told < len(self._given) and not self.stopped:
            if self._told in self._outcomes:
                self._told += 1
                yield self._given[self._told - 1], self._outcomes.pop(self._told - 1)
                continue
            try:
                number, outcome = self._done.get(block=wait)
            except queue.Empty:
                return
            self._outcomes[number] = outcome

    @property
    def stopped(self) -> bool:
        """Whether it was stopped, so that not all is described."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Describe no further, and wake who waits; calls that are under way are left to end by themselves."""
        self._stopped.set()
        self._done.put((-1, []))
        for _ in range(self._workers):
            self._waiting.put(None)


def _said(seconds: float) -> str:
    return f"{seconds:.2f}".rstrip("0").rstrip(".")


def _again(stretch: Interval, problem: str) -> str:
    text: str = wording()["again"].format(problem=problem, start=_said(stretch[0]), end=_said(stretch[1]))
    return text
