"""Clip captions: what happens in each stretch of a few seconds, in the words of a vision model."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from videochat.chat_models import make_chat_model, model_name, profile_of
from videochat.errors import InvalidArgument, VideoChatError, check_number
from videochat.frames import Frame, Sampling
from videochat.hub import Weights, find_weights, identity, known
from videochat.intervals import Interval, clock_range
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Missed, Needs, PerceptionTool, Settled
from videochat.tools.clip_describers import (
    ChatDescriber,
    Describer,
    Descriptions,
    LocalDescriber,
    Outcome,
    RefusedStretch,
    describe,
)
from videochat.tools.clip_replies import UnfitReply, check_language, instruction, wording
from videochat.tools.shots import CutDetector

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

_LEAST_SECONDS, _MOST_SECONDS = 2.0, 30.0
# A provider's name, as `init_chat_model` takes it; one letter is a drive of Windows.
_PROVIDER = re.compile(r"[a-z][a-z0-9_]+:(?!//)")
# A model that takes no pictures refuses every stretch; after so many it is not asked further.
_MOST_REFUSED = 3
_CALL_SECONDS, _RETRIES = 120.0, 4
# Side of the patches that models with vision count pictures by, and what a description takes, in tokens.
_PATCH_PIXELS, _TOKENS_A_REPLY = 28, 90


class ClipCaptioner(PerceptionTool):
    """A chat model that sees, or a video-language model, on one stretch after another.

    What it writes is checked: in the language that was asked for, no introduction, no times outside the stretch. A
    reply that fails is asked for once more, and then leaves a gap. Stretches are described in the background while the
    other senses watch; a model that cannot be reached leaves the rest as a gap, which the next watch tries again.

    Args:
        model: `"provider:model"` of any chat model of LangChain that sees (for `openai:` also a server of one's own, by
            `OPENAI_BASE_URL`); a chat model; or the hub id or folder of a video-language model of transformers or of
            VideoChat-Embed.
        seconds: the longest stretch, 2 to 30.
        at_shots: end a stretch at a cut too, once it is half as long as `seconds`; else stretches lie on the video's
            own time, `[n x seconds, (n + 1) x seconds)`.
        frames: pictures of a stretch that the model gets, 1 to 32.
        max_side: the longer side of a picture that a chat model gets has at most so many pixels.
        language: ISO 639 code of the language to write in.
        concurrency: how many stretches a chat model is asked about at once.
        price: of a chat model, dollars for a million tokens read and written, for the forecast.

    Raises:
        InvalidArgument: a number is out of its range, or the model is none.
        UnknownName: there is no such language.
    """

    name: ClassVar[str] = "clip_captions"
    kind: ClassVar[Kind] = "clip_caption"
    sees: ClassVar[str] = "what happens in each stretch of a few seconds, as a vision model describes it"
    reads_ahead: ClassVar[bool] = True

    def __init__(
        self,
        model: str | os.PathLike[str] | Weights | Runnable[LanguageModelInput, AIMessage] = (
            "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
        ),
        *,
        seconds: float = 10.0,
        at_shots: bool = True,
        frames: int = 6,
        max_side: int = 512,
        language: str = "en",
        concurrency: int = 4,
        price: tuple[float, float] | None = None,
    ) -> None:
        for name, value, least, most in (
            ("seconds", seconds, _LEAST_SECONDS, _MOST_SECONDS),
            ("frames", frames, 1, 32),
            ("max_side", max_side, 64, 4096),
            ("concurrency", concurrency, 1, 64),
        ):
            check_number(name, value)
            if not least <= value <= most:
                raise InvalidArgument(f"{name} of clip_captions must be {least:g} to {most:g}, got {value!r}")
        self.seconds, self.at_shots, self.frames, self.max_side = float(seconds), at_shots, int(frames), int(max_side)
        self.language, self.concurrency, self.price = check_language(language), int(concurrency), price
        # The same as the sense `shots` wants, so that one decoded stream feeds both.
        self.needs: Needs = Sampling(every_seconds=None, max_side=256)
        self._chat: Runnable[LanguageModelInput, AIMessage] | str | None = None
        self._describer: Describer | None = None
        self._work: Descriptions | None = None
        if isinstance(model, str | os.PathLike | Weights):
            text = model.model if isinstance(model, Weights) else os.fspath(model)
            if _PROVIDER.match(text) and not Path(text).exists():
                self._chat = self.identity = text
            elif isinstance(model, Weights) or "/" in text or "\\" in text or Path(text).exists():
                self.weights = known(model)
                self.identity = identity(self.weights)
            else:
                raise InvalidArgument(
                    f"clip_captions takes 'provider:model' of a chat model that sees (such as openai:{text}), a chat "
                    f"model, or the hub id or folder of a video-language model; got {text!r}."
                )
        elif callable(getattr(model, "invoke", None)):
            self._chat, self.identity = model, model_name(model)
        else:
            raise InvalidArgument(f"The model of clip_captions must be a name, a path or a chat model, got {model!r}.")

    @property
    def service(self) -> str | None:
        """The chat model that it asks, and where it is, if that was said; None for weights on this machine."""
        if self._chat is None:
            return None
        server = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
        at = f" at {server}" if server and self.identity.startswith("openai:") else ""
        return f"{self.identity}{at}"

    def usual_source(self) -> str:
        """Return the name of the tool, and the model whose words its captions are."""
        return f"{self.name}:{self.identity}"

    def version(self, video: Video) -> str:
        """Return the model, the prompt and all settings that decide what is described."""
        how = "at shots" if self.at_shots else "on a grid"
        settings = f"{self.seconds:g} s {how} {self.frames} x {self.max_side} {self.language}"
        return f"{self.source} prompt {wording()['version']} {settings}"

    def prepare(self) -> None:
        """Make the chat model without asking it, or find the weights without loading them.

        Raises:
            InvalidArgument: the chat model is known not to see.
            LLMError: it cannot be made.
            MissingDependency: the weights are not on this machine.
        """
        if self._describer is not None:
            return
        if self._chat is None:
            assert self.weights is not None  # noqa: S101 - the constructor has set one of the two
            folder = find_weights(self.weights, needed_by=f"The sense {self.name!r}")
            self.identity = identity(self.weights, folder)
            self._describer = LocalDescriber(folder, language=self.language, frames=self.frames)
            return
        model: BaseChatModel | Runnable[LanguageModelInput, AIMessage]
        if isinstance(self._chat, str):
            model = make_chat_model(self._chat, timeout=_CALL_SECONDS, max_retries=_RETRIES)
        else:
            model = self._chat
        if profile_of(model).get("image_inputs") is False:
            raise InvalidArgument(f"{self.identity} takes no pictures; name a chat model that sees for clip_captions.")
        self._describer = ChatDescriber(
            model,
            self.identity,
            language=self.language,
            frames=self.frames,
            max_side=self.max_side,
            workers=self.concurrency,
        )

    def forecast(self, video: Video, start_seconds: float, end_seconds: float) -> str | None:
        """Return how often the chat model will be asked and about what that takes; None for one on this machine."""
        if self._chat is None or video.size is None:
            return None
        most = math.ceil((end_seconds - start_seconds) / (self._least_seconds() if self.at_shots else self.seconds))
        least = min(math.ceil((end_seconds - start_seconds) / self.seconds), most)
        scale = min(1.0, self.max_side / max(video.size))
        patches = math.prod(math.ceil(side * scale / _PATCH_PIXELS) for side in video.size)
        # Four letters are about a token; each picture has its time before it.
        read = most * (self.frames * (patches + 10) + len(instruction(self.language)) // 4 + 40)
        written = most * _TOKENS_A_REPLY
        times = f"{most} times" if least == most else f"{least} to {most} times"
        cost = ""
        if self.price is not None:
            dollars = (read * self.price[0] + written * self.price[1]) / 1e6
            cost = f", about ${dollars:.2f}" if dollars >= 0.01 else ", less than $0.01"
        return (
            f"{self.identity} is asked {times}, with {most * self.frames} pictures at most (about {read:,} tokens to "
            f"read and {written:,} to write{cost})"
        )

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Missed | Settled]:
        """Yield one caption for each line that the model writes about a stretch, within the stretch.

        Raises:
            VideoChatError: the model cannot be reached, or takes no pictures.
        """
        self.prepare()
        describer = self._describer
        assert describer is not None  # noqa: S101 - prepare() has set it or raised
        work = Descriptions(lambda stretch: describe(describer, video, stretch, self.language), describer.workers)
        self._work = work
        cutter = _Cutter(self.seconds, self._least_seconds(), start_seconds, end_seconds, at_shots=self.at_shots)
        refusals = _Refusals()
        try:
            for frame in stream:
                for stretch in cutter.add(frame):
                    work.give(stretch)
                yield from self._told(work.outcomes(), video, end_seconds, refusals)
            for stretch in cutter.rest():
                work.give(stretch)
            yield from self._told(work.outcomes(wait=True), video, end_seconds, refusals)
            if work.stopped:
                return
        finally:
            work.stop()
        if refusals.held:
            raise VideoChatError(refusals.sentence())
        yield Settled(end_seconds)

    def _told(
        self, outcomes: Iterable[tuple[Interval, Outcome]], video: Video, end_seconds: float, refusals: _Refusals
    ) -> Iterator[Caption | Missed | Settled]:
        """Turn outcomes into captions and gaps."""
        for stretch, outcome in outcomes:
            if isinstance(outcome, RefusedStretch) and refusals.hold(stretch, outcome):
                continue
            if isinstance(outcome, Exception) and not isinstance(outcome, UnfitReply | RefusedStretch):
                if isinstance(outcome, VideoChatError):
                    raise outcome
                raise VideoChatError(f"{clock_range(*stretch)} was not described: {outcome}") from outcome
            for told, what in [*refusals.release(), (stretch, outcome)]:
                if isinstance(what, UnfitReply):
                    yield Missed(*told, f"what {self.identity} wrote could not be used: {what}")
                elif isinstance(what, Exception):
                    yield Missed(*told, str(what))
                else:
                    for line in what:
                        times = (line.start_seconds, line.end_seconds)
                        yield Caption(video.id, *times, self.kind, line.text, self.source)
                if told[1] < end_seconds:
                    yield Settled(told[1])

    def _least_seconds(self) -> float:
        """Return how long a stretch is at least when a cut ends it."""
        return max(self.seconds / 2, _LEAST_SECONDS)

    def interrupt(self) -> None:
        """Wait no longer for the model; what it has described up to now is kept."""
        if self._work is not None:
            self._work.stop()

    def close(self) -> None:
        """Free a model on this machine."""
        if isinstance(self._describer, LocalDescriber):
            self._describer.close()


class _Refusals:
    """Stretches that the server refused before it took any: it may be that the model takes no pictures at all."""

    def __init__(self) -> None:
        self.held: list[tuple[Interval, Outcome]] = []
        self._takes_pictures = False

    def hold(self, stretch: Interval, error: RefusedStretch) -> bool:
        """Hold a refused stretch back, unless it is known that pictures are taken; return whether it is held.

        Raises:
            VideoChatError: too many in a row were refused.
        """
        if self._takes_pictures:
            return False
        self.held.append((stretch, error))
        if len(self.held) >= _MOST_REFUSED:
            raise VideoChatError(self.sentence()) from error
        return True

    def release(self) -> list[tuple[Interval, Outcome]]:
        """Return what was held: the model takes pictures, only not these."""
        held, self.held, self._takes_pictures = self.held, [], True
        return held

    def sentence(self) -> str:
        """Return why nothing is described."""
        return f"{self.held[0][1]}. Is it a model that takes pictures?"


class _Cutter:
    """Cuts a range into stretches; what comes after a stretch does not depend on what was before it."""

    def __init__(self, most: float, least: float, start: float, end: float, *, at_shots: bool) -> None:
        self._most, self._least, self._end, self._at_shots = most, least, end, at_shots
        self._begin(start)

    def _begin(self, start: float) -> None:
        self._start = start
        self._detector = CutDetector() if self._at_shots else None
        if self._at_shots:
            self._latest = start + self._most
        else:
            self._latest = (math.floor(start / self._most + 1e-6) + 1) * self._most
            if self._latest - start < _LEAST_SECONDS - 1e-6:
                self._latest += self._most
        if self._end - self._latest < _LEAST_SECONDS - 1e-6:
            # What would be left is too short to show anything.
            self._latest = self._end

    def add(self, frame: Frame) -> Iterator[Interval]:
        """Take the next picture; yield the stretches that end before it."""
        while frame.seconds >= self._latest - 1e-6:
            yield self._close(self._latest)
        if self._detector is None or not self._detector.add(frame):
            return
        if self._start + self._least <= frame.seconds + 1e-6 <= self._end - _LEAST_SECONDS:
            yield self._close(frame.seconds)
            self._detector.add(frame)

    def rest(self) -> Iterator[Interval]:
        """Yield the stretches up to the end of the range."""
        while self._start < self._end - 1e-6:
            yield self._close(self._latest)

    def _close(self, seconds: float) -> Interval:
        stretch = (self._start, min(seconds, self._end))
        self._begin(stretch[1])
        return stretch
