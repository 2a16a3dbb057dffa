"""Speech recognition: what is said, sentence by sentence, by Whisper where somebody speaks."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.batches import chunks
from videochat.devices import Device
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import getter
from videochat.tools.base import Missed, Needs, PerceptionTool, Settled
from videochat.tools.model_tool import UsesModel
from videochat.tools.subtitle_choice import has_subtitles
from videochat.tools.transcription import ENDPOINT, EndpointWhisper, check_endpoint
from videochat.tools.utterances import Utterance, utterances
from videochat.tools.voice_activity import VOICE_BLOCK, load_voice_detector, voice_blocks
from videochat.tools.whisper import (
    SIZES,
    TRIES,
    Backend,
    Segment,
    WhisperModel,
    Word,
    backend_of,
    load_whisper,
    openai_file,
    whisper_weights,
)

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

_BLOCK_SECONDS = VOICE_BLOCK / SAMPLE_RATE
# How sure the voice detector must be that somebody begins to speak, and that he goes on.
_VOICE = 0.5
_VOICE_GOES_ON = 0.35
_MIN_VOICE_SECONDS = 0.25
# What is left around speech: a word begins before it is loud.
_MARGIN_SECONDS = 0.3
# So long before the voice detector notices it a word may begin.
_ATTACK_SECONDS = 0.1
# Whisper looks at 30 seconds whatever it is given, so short pieces are waste; but words come late from long ones.
_FULL_SECONDS = 20.0
_PAUSE_SECONDS = 0.6
_LONG_PAUSE_SECONDS = 2.0
_MAX_SPEECH_SECONDS = 28.0
_SEARCH_SECONDS = 10.0
_MAX_QUIET_SECONDS = 30.0
# Another language is tried where words are less likely than this, and taken where it makes them likelier by so much.
_UNSURE_LOGPROB, _SURER_BY = -0.7, 0.25
_DECIDING_SECONDS = 2.0


class SpeechRecognizer(UsesModel[WhisperModel], PerceptionTool):
    """Whisper over stretches in which somebody speaks: one caption a sentence.

    Only what silero-vad (its model ships in its wheel) takes for a voice is handed to Whisper, which would invent
    text for silence and music. Sound is cut in pauses, so memory does not grow with the length.

    Args:
        model: a name of `SIZES`; the path of an openai-whisper `.pt` file; the folder of a CTranslate2 or
            transformers Whisper; the hub id of one; or `"openai:MODEL"` for a transcription endpoint that speaks the
            OpenAI protocol (`OPENAI_BASE_URL`, `OPENAI_API_KEY`), to which the sound is then sent.
        backend: the package that runs a named model: `openai-whisper`, or `faster-whisper`, which is quicker on a CPU
            and needs `pip install 'videochat[faster-whisper]'`. None takes what fits the files, else openai-whisper.
        language: ISO 639 code of what is spoken; None lets Whisper find out at the first stretch of two seconds, and
            again only where what it then hears is unlikely.
        prefer_subtitles: have nothing to do where subtitles give the words.
        device: device and floats; None for the best there is.

    Raises:
        UnknownName: there is no such backend, or no Whisper of that name.
    """

    name: ClassVar[str] = "speech"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "what is said, sentence by sentence, where there are no subtitles"
    needs: Needs = "sound"
    weights: Weights

    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "base",
        *,
        backend: Backend | None = None,
        language: str | None = None,
        prefer_subtitles: bool = True,
        device: str | Device | None = None,
    ) -> None:
        if backend is not None and backend not in get_args(Backend):
            raise UnknownName("speech backend", backend, get_args(Backend))
        self.model = model.model if isinstance(model, Weights) else os.fspath(model)
        self.endpoint = self.model.removeprefix(ENDPOINT) if self.model.startswith(ENDPOINT) else None
        """Name of the model at a transcription endpoint; None for one that runs here."""
        is_path = self.endpoint is not None or "/" in self.model or "\\" in self.model or Path(self.model).exists()
        if not is_path and self.model not in SIZES:
            raise UnknownName("Whisper model", self.model, SIZES)
        super().__init__(model if isinstance(model, Weights) else whisper_weights(self.model, backend), device=device)
        self.backend, self.language, self.prefer_subtitles = backend, language, prefer_subtitles
        self._voice_detector: Any = None

    def usual_source(self) -> str:
        """Return the model, and the language where it was given."""
        return f"whisper {self.identity}" + (f" in {self.language}" if self.language else "")

    def unfit(self, video: Video) -> str | None:
        """Return why there is no speech to recognise, or None."""
        words_are_there = self.prefer_subtitles and has_subtitles(video)
        return super().unfit(video) or ("subtitles give the words" if words_are_there else None)

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Missed | Settled]:
        """Yield one caption for each sentence, longer ones in parts of at most seven seconds cut at their pauses.

        What Whisper cannot make out, tried in several ways, is a `Missed`.

        Raises:
            MissingDependency: the model is not on this machine, or is none.
        """
        for item in self._recognise(stream, start_seconds, end_seconds):
            if not isinstance(item, Utterance):
                yield item
                continue
            yield Caption(
                video.id,
                item.start_seconds,
                item.end_seconds,
                self.kind,
                item.text,
                self.source,
                score=item.score,
                language=item.language,
            )

    def transcribe(
        self, video: Video, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> Iterator[Utterance]:
        """Yield what is said in a range with the time of every word.

        Args:
            video: what to transcribe.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: there is no sound, or it cannot be decoded.
            MissingDependency: the model is not on this machine, or is none.
        """
        start, end = video.span(start_seconds, end_seconds)
        for item in self._recognise(video.audio(start, end), start, end):
            if isinstance(item, Utterance):
                yield item

    def find(self) -> Path:
        """Return where the weights lie, having seen that the package that runs them is installed.

        Raises:
            InvalidArgument: they are for another backend than was asked for.
            MissingDependency: weights or package are not on this machine.
        """
        path = openai_file(self.model) if self.backend != "faster-whisper" else None
        path = path or super().find()
        fitting = backend_of(path)
        if self.backend not in (None, fitting):
            raise InvalidArgument(
                f"{str(path)!r} holds a model for {fitting}, not for {self.backend}: leave backend= out, or give a "
                f"model for {self.backend} (a folder with model.bin is for faster-whisper)."
            )
        package = "faster_whisper" if fitting == "faster-whisper" else "whisper"
        if find_spec(package) is None:
            wanted = "videochat[faster-whisper]" if package == "faster_whisper" else "openai-whisper"
            raise MissingDependency(
                f"The sense {self.name!r} needs the package {package!r} for {self.model!r}, which is not installed. "
                f"Run `pip install '{wanted}'`."
            )
        return path

    def prepare(self) -> None:
        """Find the weights, without loading them; of an endpoint see that it can be asked.

        Raises:
            MissingDependency: they are not on this machine, or no endpoint is named.
        """
        if self.endpoint is None:
            super().prepare()
        else:
            check_endpoint()

    def loaded(self) -> WhisperModel:
        """Return Whisper, loading it at first use; see `UsesModel.loaded`."""
        if self.endpoint is None:
            return super().loaded()
        if self._model is None:
            self._model = EndpointWhisper(self.endpoint)
        return self._model

    def memory_bytes(self) -> int:
        """Estimate what Whisper takes once loaded, in bytes; 0 for an endpoint."""
        return super().memory_bytes() if self.endpoint is None else 0

    def load_model(self, folder: Path, device: Device) -> WhisperModel:
        """Load Whisper with the package that fits its files."""
        return load_whisper(folder, device)

    def close(self) -> None:
        """Free Whisper and the voice detector."""
        self._voice_detector = None
        super().close()

    def _recognise(
        self, stream: Iterable[AudioBlock], start_seconds: float, end_seconds: float
    ) -> Iterator[Utterance | Missed | Settled]:
        whisper = self.loaded()
        listener = _Listener(whisper, self.language)
        if self._voice_detector is None:
            self._voice_detector = load_voice_detector()
        for several in chunks(stretches(stream, start_seconds, self._voice_detector), whisper.several):
            with self.device.computing():
                heard = listener.hear_all([s.samples for s in several if s.samples is not None])
            yield from self._told(several, heard, end_seconds)
        yield Settled(end_seconds)

    def _told(
        self, several: Sequence[Stretch], heard: Iterator[list[Segment]], end_seconds: float
    ) -> Iterator[Utterance | Missed | Settled]:
        for stretch in several:
            if stretch.samples is not None:
                segments = _with_the_voice(next(heard), stretch)
                yield from _missed(segments, stretch)
                # Whisper always looks at 30 seconds, and sometimes places words in the part that is not there.
                limit = min(stretch.start_seconds + len(stretch.samples) / SAMPLE_RATE, end_seconds)
                for utterance in utterances(segments, stretch.start_seconds):
                    end = round(min(utterance.end_seconds, limit), 3)
                    if utterance.start_seconds < end:
                        yield replace(utterance, end_seconds=end)
            if stretch.settled_seconds < end_seconds:
                yield Settled(stretch.settled_seconds)


class _Listener:
    """A Whisper over the stretches of one file: one language until there is evidence of another, doubts looked into."""

    def __init__(self, whisper: WhisperModel, language: str | None) -> None:
        self._whisper, self._given = whisper, language
        self._decided: str | None = None

    def hear_all(self, sounds: Sequence[np.ndarray]) -> Iterator[list[Segment]]:
        """Return what is said in each; where the language is decided, the model looks at all of them at once first."""
        heard: list[list[Segment]] = []
        while len(heard) < len(sounds):
            language, rest = self._given or self._decided, sounds[len(heard) :]
            if language is None or len(rest) == 1:
                heard.append(self.hear(rest[0]))
                continue
            for samples, first in zip(rest, self._whisper.transcribe_several(rest, language), strict=True):
                heard.append(self.hear(samples, first))
                if (self._given or self._decided) != language:
                    break
        return iter(heard)

    def hear(self, samples: np.ndarray, first: list[Segment] | None = None) -> list[Segment]:
        """Return what is said; segments that stayed broken in every way of looking are among it.

        Args:
            samples: as for a `WhisperModel`.
            first: what the model says of it in the language that is decided, where it has been asked already.
        """
        language = self._given or self._decided
        heard = self._surest(samples, language, first)
        if language is None and heard and (unsure := heard[0].other_language):
            heard = min(heard, self._surest(samples, unsure), key=_worth)
        if self._given is None and language is not None and _logprob(heard) < _UNSURE_LOGPROB:
            other = self._surest(samples, None)
            if other and other[0].language != language and _logprob(other) > _logprob(heard) + _SURER_BY:
                heard = other
        if heard and len(samples) >= _DECIDING_SECONDS * SAMPLE_RATE and not any(map(Segment.is_doubtful, heard)):
            self._decided = heard[0].language
        return heard

    def _surest(self, samples: np.ndarray, language: str | None, first: list[Segment] | None = None) -> list[Segment]:
        heard = self._whisper.transcribe(samples, language) if first is None else first
        attempt = 0
        # A damaged model stays one, however it is asked.
        damaged = any(not math.isfinite(segment.logprob) for segment in heard)
        while not damaged and any(map(Segment.is_doubtful, heard)) and (attempt := attempt + 1) < TRIES:
            again = self._whisper.transcribe(samples, language, attempt)
            heard = min(heard, again, key=_worth) if again else heard
        return heard


def _logprob(segments: Sequence[Segment]) -> float:
    """Return how likely what was heard is, at the mean; 0 for nothing, which needs no second look."""
    return float(np.mean([segment.logprob for segment in segments])) if segments else 0.0


def _doubts(segments: Sequence[Segment]) -> tuple[int, int]:
    return sum(map(Segment.is_broken, segments)), sum(map(Segment.is_doubtful, segments))


def _worth(segments: Sequence[Segment]) -> tuple[bool, tuple[int, int], float]:
    """Return what orders several ways of hearing the same sound, the surest first; nothing comes last."""
    return not segments, _doubts(segments), -_logprob(segments)


def _with_the_voice(segments: Sequence[Segment], stretch: Stretch) -> list[Segment]:
    """Return segments whose words begin when the voice does: Whisper draws a word out over the pause before it."""

    def begun(word: Word) -> Word:
        first = next((at for at in stretch.voiced_seconds if at + _BLOCK_SECONDS > word.start_seconds), math.inf)
        start = max(word.start_seconds, first - _ATTACK_SECONDS)
        return replace(word, start_seconds=start) if start < word.end_seconds - _ATTACK_SECONDS else word

    return [replace(segment, words=tuple(map(begun, segment.words))) for segment in segments]


def _missed(segments: Sequence[Segment], stretch: Stretch) -> Iterator[Missed]:
    """Yield what somebody says that Whisper could not make out."""
    for segment in segments:
        if segment.is_broken():
            start = stretch.start_seconds + segment.start_seconds
            end = stretch.start_seconds + max(segment.end_seconds, segment.start_seconds + 0.1)
            yield Missed(round(start, 3), round(end, 3), "somebody speaks, but the words could not be made out")


@dataclass(frozen=True)
class Stretch:
    """Sound between two cuts."""

    settled_seconds: float
    """Where it ends and the next begins."""
    start_seconds: float = 0.0
    """When the first of `samples` is heard."""
    samples: np.ndarray | None = None
    """The part with a voice, float32 in [-1, 1], shape (n,), at most 30 seconds; None if nobody speaks."""
    voiced_seconds: tuple[float, ...] = ()
    """Where in `samples` the blocks begin that hold a voice."""


def stretches(stream: Iterable[AudioBlock], start_seconds: float, voice: Any) -> Iterator[Stretch]:
    """Cut sound where nobody speaks, or at worst where a voice is faintest.

    After every cut the voice detector starts afresh, and the blocks behind the cut go through it again.

    Args:
        stream: sound, in order.
        start_seconds: when its first sample is heard.
        voice: as `load_voice_detector` returned it.
    """
    origin = start_seconds
    blocks = voice_blocks(stream)
    again: deque[np.ndarray] = deque()
    piece = _Piece(voice)
    for block in chain.from_iterable(_first_again(again, blocks)):
        piece.add(block)
        cut = piece.cut()
        if cut is None:
            continue
        yield piece.stretch(origin, cut)
        again.extendleft(reversed(piece.blocks[cut:]))
        origin = round(origin + cut * _BLOCK_SECONDS, 3)
        piece = _Piece(voice)
    if piece.blocks:
        yield piece.stretch(origin, len(piece.blocks))


def _first_again(again: deque[np.ndarray], blocks: Iterator[np.ndarray]) -> Iterator[Sequence[np.ndarray]]:
    while True:
        if again:
            yield (again.popleft(),)
        elif (block := next(blocks, None)) is not None:
            yield (block,)
        else:
            return


class _Piece:
    """The sound since the last cut, in blocks, and how likely each holds a voice."""

    def __init__(self, voice: Any) -> None:
        voice.reset_states()
        self._voice = voice
        self.blocks: list[np.ndarray] = []
        self._likely: list[float] = []
        self._voiced: list[int] = []

    def add(self, block: np.ndarray) -> None:
        import torch

        likely = float(self._voice(torch.from_numpy(block), SAMPLE_RATE).item())
        number = len(self.blocks)
        goes_on = bool(self._voiced) and self._voiced[-1] == number - 1
        if likely >= (_VOICE_GOES_ON if goes_on else _VOICE):
            self._voiced.append(number)
        self.blocks.append(block)
        self._likely.append(likely)

    def cut(self) -> int | None:
        """Return before which block to cut now, or None to go on."""
        count = len(self.blocks)
        margin = _count(_MARGIN_SECONDS)
        if not self._voiced:
            return count - margin if count >= _count(_MAX_QUIET_SECONDS) else None
        quiet = count - 1 - self._voiced[-1]
        length = count - self._voiced[0]
        if quiet >= _count(_LONG_PAUSE_SECONDS) or (
            quiet >= _count(_PAUSE_SECONDS) and length >= _count(_FULL_SECONDS)
        ):
            return count - margin
        if length < _count(_MAX_SPEECH_SECONDS):
            return None
        searched = count - _count(_SEARCH_SECONDS)
        return searched + int(np.argmin(self._likely[searched:]))

    def stretch(self, origin: float, cut: int) -> Stretch:
        """Return what lies before block `cut`."""
        settled = round(origin + cut * _BLOCK_SECONDS, 3)
        voiced = [number for number in self._voiced if number < cut]
        if len(voiced) < _count(_MIN_VOICE_SECONDS):
            return Stretch(settled)
        margin = _count(_MARGIN_SECONDS)
        first, last = max(voiced[0] - margin, 0), min(voiced[-1] + 1 + margin, cut)
        at = tuple((number - first) * _BLOCK_SECONDS for number in voiced)
        return Stretch(settled, origin + first * _BLOCK_SECONDS, np.concatenate(self.blocks[first:last]), at)


def _count(seconds: float) -> int:
    """Return how many blocks last about `seconds`."""
    return round(seconds / _BLOCK_SECONDS)
