"""Speech recognition: what is said, by Whisper, to the word and with true seconds."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, Literal, Protocol, get_args

import numpy as np

from videochat.devices import Device, choose_device, config_of, free_memory
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.frames import SAMPLE_RATE, AudioBlock
from videochat.hub import Weights, find_weights, identity, known
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.speech import VOICE_BLOCK, has_subtitles, voice_blocks

Backend = Literal["openai-whisper", "faster-whisper"]
"""Who runs Whisper."""

SIZES = (
    "tiny",
    "tiny.en",
    "base",
    "base.en",
    "small",
    "small.en",
    "medium",
    "medium.en",
    "large-v2",
    "large-v3",
    "large-v3-turbo",
)
"""The models of OpenAI by name; `.en` knows English only."""

_BLOCK_SECONDS = VOICE_BLOCK / SAMPLE_RATE
# How sure the voice detector must be that somebody begins to speak, and that he goes on.
_VOICE = 0.5
_VOICE_GOES_ON = 0.35
_MIN_VOICE_SECONDS = 0.25
# What is left around speech: a word begins before it is loud.
_MARGIN_SECONDS = 0.3
# Whisper looks at 30 seconds whatever it is given, so short pieces are waste; but words come late from long ones.
_FULL_SECONDS = 20.0
_PAUSE_SECONDS = 0.6
_LONG_PAUSE_SECONDS = 2.0
_MAX_SPEECH_SECONDS = 28.0
_SEARCH_SECONDS = 10.0
_MAX_QUIET_SECONDS = 30.0
# Whisper's own limits for text that it made up: what packs this well repeats itself, and what is this unlikely
# while silence is likely was not said.
_MAX_COMPRESSION = 2.4
_NO_SPEECH = 0.6
_MIN_LOGPROB = -1.0
# Words further apart than this, or sentences, are told one by one.
_SENTENCE_PAUSE_SECONDS = 0.8
_MAX_CAPTION_SECONDS = 12.0
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


@dataclass(frozen=True)
class Word:
    """One word and when it is spoken."""

    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment after."""
    text: str
    """As Whisper writes it, with the blank before it and the punctuation after it."""
    score: float
    """How likely it is, in [0, 1]."""


@dataclass(frozen=True)
class Utterance:
    """A sentence, or a part of one between two pauses."""

    start_seconds: float
    """When its first word begins."""
    end_seconds: float
    """When its last word ends."""
    text: str
    """What is said."""
    score: float
    """Mean likelihood of its words, in [0, 1]."""
    language: str | None
    """ISO 639 code; None if the model does not tell."""
    words: tuple[Word, ...]
    """Its words in order."""


class SpeechRecognizer(PerceptionTool):
    """Whisper over stretches in which somebody speaks: one caption a sentence.

    Only what silero-vad (its model ships in its wheel) takes for a voice is handed to Whisper, which would invent
    text for silence and music. Sound is cut in pauses, so memory does not grow with the length.

    Args:
        model: a name of `SIZES`; the path of an openai-whisper `.pt` file; the folder of a CTranslate2 or
            transformers Whisper; or the hub id of one.
        backend: who runs a named model: `openai-whisper`, or `faster-whisper`, which is quicker on a CPU and needs
            `pip install 'videochat[faster-whisper]'`. None takes what fits the files, else openai-whisper.
        language: ISO 639 code of what is spoken; None lets Whisper listen for it in every stretch.
        prefer_subtitles: have nothing to do where subtitles give the words.
        device: where to run; None for the best there is.
    """

    name: ClassVar[str] = "speech"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "what is said, sentence by sentence, where there are no subtitles"
    weights: Weights

    def __init__(
        self,
        model: str | os.PathLike[str] = "base",
        *,
        backend: Backend | None = None,
        language: str | None = None,
        prefer_subtitles: bool = True,
        device: str | Device | None = None,
    ) -> None:
        if backend is not None and backend not in get_args(Backend):
            raise UnknownName("speech backend", backend, get_args(Backend))
        name = os.fspath(model)
        if "/" not in name and "\\" not in name and name not in SIZES and not Path(name).exists():
            raise UnknownName("Whisper model", name, SIZES)
        self.model, self.backend = name, backend
        self.language, self.prefer_subtitles, self.device = language, prefer_subtitles, device
        self.needs: Needs = "sound"
        self.weights = _weights(name, backend)
        self.source = self._named(None)
        self._whisper: _Whisper | None = None
        self._voice: Any = None

    def unfit(self, video: Video) -> str | None:
        """Return why there is nothing to listen for, or None."""
        words_are_there = self.prefer_subtitles and has_subtitles(video)
        return super().unfit(video) or ("subtitles give the words" if words_are_there else None)

    def prepare(self) -> None:
        """Find the weights and the library that runs them.

        Raises:
            MissingDependency: one of them is not on this machine.
        """
        path = self._find()
        self.source = self._named(path)

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each sentence.

        Raises:
            MissingDependency: the model is not on this machine, or is none.
        """
        for item in self._hear(stream, start_seconds, end_seconds):
            if isinstance(item, Settled):
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

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: there is no sound, or it cannot be decoded.
            MissingDependency: the model is not on this machine, or is none.
        """
        start, end = video.span(start_seconds, end_seconds)
        for item in self._hear(video.audio(start, end), start, end):
            if isinstance(item, Utterance):
                yield item

    def close(self) -> None:
        """Free the models."""
        self._whisper = self._voice = None
        free_memory()

    def _hear(
        self, stream: Iterable[AudioBlock], start_seconds: float, end_seconds: float
    ) -> Iterator[Utterance | Settled]:
        whisper = self._load()
        for stretch in _stretches(stream, start_seconds, self._voice):
            if stretch.samples is not None:
                with choose_device(self.device).computing():
                    segments = whisper.hear(stretch.samples, self.language)
                # Whisper always looks at 30 seconds, and sometimes places words in the part that is not there.
                limit = min(stretch.start_seconds + len(stretch.samples) / SAMPLE_RATE, end_seconds)
                for utterance in _utterances(segments, stretch.start_seconds):
                    end = round(min(utterance.end_seconds, limit), 3)
                    if utterance.start_seconds < end:
                        yield replace(utterance, end_seconds=end)
            if stretch.settled_seconds < end_seconds:
                yield Settled(stretch.settled_seconds)
        yield Settled(end_seconds)

    def _named(self, path: Path | None) -> str:
        return "whisper " + identity(self.weights, path) + (f" in {self.language}" if self.language else "")

    def _find(self) -> Path:
        path = _of_openai(self.model) if self.backend != "faster-whisper" else None
        path = path or find_weights(self.weights, needed_by=f"The sense {self.name!r}")
        package = "faster_whisper" if self._runs_on(path) == "faster-whisper" else "whisper"
        if find_spec(package) is None:
            wanted = "videochat[faster-whisper]" if package == "faster_whisper" else "openai-whisper"
            raise MissingDependency(
                f"The sense {self.name!r} needs the package {package!r} for {self.model!r}, which is not installed. "
                f"Run `pip install '{wanted}'`."
            )
        return path

    def _runs_on(self, path: Path) -> Backend:
        """Return who can run the files at `path`.

        Raises:
            InvalidArgument: another backend was asked for.
        """
        fitting: Backend = "faster-whisper" if (path / "model.bin").is_file() else "openai-whisper"
        if self.backend not in (None, fitting):
            raise InvalidArgument(
                f"{str(path)!r} holds a model for {fitting}, not for {self.backend}: leave backend= out, or give a "
                f"model for {self.backend} (a folder with model.bin is for faster-whisper)."
            )
        return fitting

    def _load(self) -> _Whisper:
        if self._whisper is None:
            from silero_vad import load_silero_vad

            path = self._find()
            device = choose_device(self.device)
            runs_on = _FasterWhisper if self._runs_on(path) == "faster-whisper" else _OpenAIWhisper
            self._whisper = runs_on(path, device)
            self._voice = load_silero_vad(onnx=True)
        return self._whisper


@dataclass(frozen=True)
class _Segment:
    """What a backend returns; seconds count from the first sample it was given."""

    start_seconds: float
    end_seconds: float
    text: str
    logprob: float
    no_speech: float
    compression: float
    language: str | None
    words: tuple[Word, ...]

    def is_invented(self) -> bool:
        silence = self.no_speech > _NO_SPEECH and self.logprob < _MIN_LOGPROB
        # A damaged model writes with no likelihood at all (nan).
        return silence or self.compression > _MAX_COMPRESSION or not math.isfinite(self.logprob)


class _Whisper(Protocol):
    def __init__(self, path: Path, device: Device) -> None: ...

    def hear(self, samples: np.ndarray, language: str | None) -> list[_Segment]: ...


# One try at temperature 0, no sampling: what is heard twice is written the same twice.
_SETTINGS = {"temperature": 0.0, "word_timestamps": True, "condition_on_previous_text": False}


class _OpenAIWhisper:
    """The openai-whisper package."""

    def __init__(self, path: Path, device: Device) -> None:
        import whisper

        self._half = device.is_cuda
        # On a CPU it computes in 32-bit floats only; Apple's GPUs lack the 64-bit ones its word times need.
        name = device.name if device.is_cuda else "cpu"
        try:
            self._model = whisper.load_model(str(path), name) if path.is_file() else _from_transformers(path, name)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, UnpicklingError) as error:
            raise _not_whisper(path, error) from error
        # Which heads follow the words is known for OpenAI's own files; a file of that name may be another's.
        if path.is_file() and (heads := whisper._ALIGNMENT_HEADS.get(path.stem)):
            with contextlib.suppress(RuntimeError):
                self._model.set_alignment_heads(heads)

    def hear(self, samples: np.ndarray, language: str | None) -> list[_Segment]:
        result = self._model.transcribe(samples, language=language, fp16=self._half, verbose=None, **_SETTINGS)
        return [
            _Segment(
                float(segment["start"]),
                float(segment["end"]),
                segment["text"],
                float(segment["avg_logprob"]),
                float(segment["no_speech_prob"]),
                float(segment["compression_ratio"]),
                result["language"],
                tuple(
                    Word(float(word["start"]), float(word["end"]), word["word"], float(word["probability"]))
                    for word in segment.get("words", ())
                ),
            )
            for segment in result["segments"]
        ]


class _FasterWhisper:
    """The faster-whisper package, which runs CTranslate2."""

    def __init__(self, path: Path, device: Device) -> None:
        from faster_whisper import WhisperModel

        if not (path / "tokenizer.json").is_file():
            # It would fetch one from the hub.
            raise MissingDependency(
                f"{str(path)!r} lacks tokenizer.json; copy it from the model it was converted from."
            )
        name, _, number = device.name.partition(":") if device.is_cuda else ("cpu", "", "")
        try:
            self._model = WhisperModel(
                str(path),
                device=name,
                device_index=int(number or 0),
                compute_type="float16" if device.is_cuda else "int8",
                local_files_only=True,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise _not_whisper(path, error) from error

    def hear(self, samples: np.ndarray, language: str | None) -> list[_Segment]:
        segments, about = self._model.transcribe(samples, language=language, **_SETTINGS)
        return [
            _Segment(
                float(segment.start),
                float(segment.end),
                segment.text,
                float(segment.avg_logprob),
                float(segment.no_speech_prob),
                float(segment.compression_ratio),
                about.language,
                tuple(
                    Word(float(word.start), float(word.end), word.word, float(word.probability))
                    for word in segment.words or ()
                ),
            )
            for segment in segments
        ]


@dataclass(frozen=True)
class _Stretch:
    """Sound between two cuts."""

    settled_seconds: float
    """Where it ends and the next begins."""
    start_seconds: float = 0.0
    """When the first of `samples` is heard."""
    samples: np.ndarray | None = None
    """The part with a voice, float32 in [-1, 1], shape (n,), at most 30 seconds; None if nobody speaks."""


def _stretches(stream: Iterable[AudioBlock], start_seconds: float, voice: Any) -> Iterator[_Stretch]:
    """Cut sound where nobody speaks, or at worst where a voice is faintest.

    After every cut the voice detector starts afresh, and what lies behind the cut is heard again.
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

    def stretch(self, origin: float, cut: int) -> _Stretch:
        """Return what lies before block `cut`."""
        settled = round(origin + cut * _BLOCK_SECONDS, 3)
        voiced = [number for number in self._voiced if number < cut]
        if len(voiced) < _count(_MIN_VOICE_SECONDS):
            return _Stretch(settled)
        margin = _count(_MARGIN_SECONDS)
        first, last = max(voiced[0] - margin, 0), min(voiced[-1] + 1 + margin, cut)
        return _Stretch(settled, origin + first * _BLOCK_SECONDS, np.concatenate(self.blocks[first:last]))


def _count(seconds: float) -> int:
    """Return how many blocks last about `seconds`."""
    return round(seconds / _BLOCK_SECONDS)


def _utterances(segments: Iterable[_Segment], offset_seconds: float) -> Iterator[Utterance]:
    """Split what was recognised at the ends of sentences and at pauses; put it on the time of the video."""
    for segment in segments:
        text = segment.text.strip()
        if segment.is_invented() or not any(sign.isalnum() for sign in text):
            continue
        # Without word times the segment is one word.
        score = float(np.exp(min(segment.logprob, 0.0)))
        words = segment.words or (Word(segment.start_seconds, segment.end_seconds, text, score),)
        sentence: list[Word] = []
        for word in words:
            if sentence and (
                sentence[-1].text.rstrip().endswith(_SENTENCE_ENDS)
                or word.start_seconds - sentence[-1].end_seconds > _SENTENCE_PAUSE_SECONDS
                or word.end_seconds - sentence[0].start_seconds > _MAX_CAPTION_SECONDS
            ):
                yield from _utterance(sentence, segment.language, offset_seconds)
                sentence = []
            sentence.append(word)
        yield from _utterance(sentence, segment.language, offset_seconds)


def _utterance(words: list[Word], language: str | None, offset_seconds: float) -> Iterator[Utterance]:
    text = "".join(word.text for word in words).strip()
    if not text:
        return
    placed = tuple(
        replace(
            word,
            start_seconds=round(word.start_seconds + offset_seconds, 3),
            # Whisper gives some words no length.
            end_seconds=round(max(word.end_seconds, word.start_seconds + 0.02) + offset_seconds, 3),
        )
        for word in words
    )
    score = round(min(float(np.mean([word.score for word in words])), 1.0), 3)
    yield Utterance(placed[0].start_seconds, placed[-1].end_seconds, text, score, language, placed)


def _weights(model: str, backend: str | None) -> Weights:
    if model not in SIZES or Path(model).exists():
        return known(model)
    if backend != "faster-whisper":
        return known(f"openai/whisper-{model}")
    owner = "mobiuslabsgmbh" if model == "large-v3-turbo" else "Systran"
    return Weights(f"{owner}/faster-whisper-{model}", None, "MIT", files=("*.json", "*.txt", "model.bin"))


def _of_openai(model: str) -> Path | None:
    """Return the file that openai-whisper itself fetched earlier, if it did."""
    if model not in SIZES:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "whisper" / f"{model}.pt"
    return path if path.is_file() else None


def _not_whisper(path: Path, error: Exception) -> MissingDependency:
    said = " ".join(str(error).split())[:200]
    return MissingDependency(f"{str(path)!r} cannot be loaded as a Whisper model ({type(error).__name__}: {said}).")


# transformers' names of Whisper's parts, and OpenAI's.
_PARTS = (
    ("embed_positions.weight", "positional_embedding"),
    ("embed_tokens", "token_embedding"),
    ("layers.", "blocks."),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("self_attn_layer_norm", "attn_ln"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder_attn", "cross_attn"),
    ("self_attn", "attn"),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("encoder.layer_norm", "encoder.ln_post"),
    ("decoder.layer_norm", "decoder.ln"),
)


def _from_transformers(folder: Path, device: str) -> Any:
    """Make an openai-whisper model of a transformers checkpoint, whose weights are no pickle and can be pinned."""
    import torch
    from safetensors.torch import load_file
    from whisper.model import ModelDimensions, Whisper

    config = config_of(folder)
    if config.get("model_type") != "whisper":
        raise ValueError(f"its config.json says {config.get('model_type')!r}")
    index = folder / "model.safetensors.index.json"
    shards = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.is_file() else []
    state: dict[str, Any] = {}
    for shard in shards or ["model.safetensors"]:
        state |= load_file(folder / shard)
    state = {_renamed(name): tensor.float() for name, tensor in state.items() if name != "proj_out.weight"}
    model = Whisper(
        ModelDimensions(
            n_mels=config["num_mel_bins"],
            n_audio_ctx=config["max_source_positions"],
            n_audio_state=config["d_model"],
            n_audio_head=config["encoder_attention_heads"],
            n_audio_layer=config["encoder_layers"],
            n_vocab=config["vocab_size"],
            n_text_ctx=config["max_target_positions"],
            n_text_state=config["d_model"],
            n_text_head=config["decoder_attention_heads"],
            n_text_layer=config["decoder_layers"],
        )
    )
    model.load_state_dict(state)
    settings = folder / "generation_config.json"
    if settings.is_file() and (heads := json.loads(settings.read_text()).get("alignment_heads")):
        mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
        for layer, head in heads:
            mask[layer, head] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model.to(device).eval()


def _renamed(name: str) -> str:
    name = name.removeprefix("model.")
    for theirs, openais in _PARTS:
        name = name.replace(theirs, openais)
    return name
