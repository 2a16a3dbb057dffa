"""Whisper, run by openai-whisper or by faster-whisper: recognised speech with the seconds of every word."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from videochat.batches import Batcher
from videochat.devices import Device, config_of, loading
from videochat.errors import MissingDependency
from videochat.hub import Weights, known

Backend = Literal["openai-whisper", "faster-whisper"]
"""The package that runs Whisper."""

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

# Whisper's own limits for text that it made up.
MAX_COMPRESSION = 2.4
"""Text that compresses better than this repeats itself, as Whisper does where nothing is said."""
NO_SPEECH = 0.6
"""Text was not said if silence is likelier than this, and the text less likely than `MIN_LOGPROB`."""
MIN_LOGPROB = -1.0
"""See `NO_SPEECH`; mean log probability of the tokens."""

# At temperature 0 there is no sampling: the same sound gives the same text.
_SETTINGS: dict[str, Any] = {"temperature": 0.0, "word_timestamps": True, "condition_on_previous_text": False}
# What is tried where a model repeats itself or is in doubt, one after another; the last draws, always the same.
_TRIES_FASTER: tuple[dict[str, Any], ...] = (
    {},
    {"no_repeat_ngram_size": 3},
    {"beam_size": 1},
    {"temperature": 0.4, "beam_size": 1},
)
_TRIES_OPENAI: tuple[dict[str, Any], ...] = ({}, {"beam_size": 5}, {"temperature": 0.4})
TRIES = len(_TRIES_FASTER)
"""How often a stretch of sound is tried at most."""
_SEED = 0
# Pieces of speech that a GPU decodes at once: those of large-v3 take about 2 GB.
_GPU_BATCH = 8
# Up to the size of Whisper small. In 8 bits words that are nearly as likely as others are lost: "ask what you can do"
# becomes "as what" where the sound is a sample longer. The 32-bit floats take 1.4 times as long.
_SMALL_BYTES = 600_000_000
# Where a language is less likely than the first of these, another that is likelier than the second is tried too.
_SURE_OF_LANGUAGE, _MAY_BE_LANGUAGE = 0.6, 0.1


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
class Segment:
    """A piece of recognised speech; its seconds count from the first sample that Whisper was given."""

    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment after."""
    text: str
    """What is said."""
    logprob: float
    """Mean log probability of its tokens."""
    no_speech: float
    """How likely nobody speaks, in [0, 1]."""
    compression: float
    """How well the text compresses: its length over its length when packed."""
    language: str | None
    """ISO 639 code; None if the model does not say."""
    words: tuple[Word, ...]
    """Its words in order; empty if the model does not time them."""
    other_language: str | None = None
    """The language that it is else, where the model is unsure of `language`."""

    def is_silence(self) -> bool:
        """Return whether nobody speaks, by Whisper's own limits; what it wrote is made up."""
        return self.no_speech > NO_SPEECH and self.logprob < MIN_LOGPROB

    def is_broken(self) -> bool:
        """Return whether the text is none: it repeats itself, or a damaged model wrote it without any likelihood."""
        return not self.is_silence() and (self.compression > MAX_COMPRESSION or not math.isfinite(self.logprob))

    def is_doubtful(self) -> bool:
        """Return whether another way of looking may give a better text, by Whisper's own limits."""
        return self.is_broken() or (not self.is_silence() and self.logprob < MIN_LOGPROB)


class WhisperModel(Protocol):
    """A loaded Whisper, whichever package runs it."""

    several: int = 1
    """How many pieces of speech it gains to be given at once."""

    def transcribe(self, samples: np.ndarray, language: str | None, attempt: int = 0) -> list[Segment]:
        """Recognise speech.

        Args:
            samples: float32 in [-1, 1], shape (n,), `SAMPLE_RATE` per second, at most 30 seconds.
            language: ISO 639 code; None lets Whisper find out.
            attempt: 0, and up to `TRIES` - 1 where what came out before was doubtful; each looks in another way.
        """
        ...

    def transcribe_several(self, sounds: Sequence[np.ndarray], language: str) -> list[list[Segment]]:
        """Recognise several pieces of speech; what comes is what `transcribe` says of each.

        Args:
            sounds: as for `transcribe`.
            language: ISO 639 code.
        """
        return [self.transcribe(samples, language) for samples in sounds]


def whisper_weights(model: str, backend: Backend | None) -> Weights:
    """Return the weights of a name of `SIZES`, as the backend needs them, or of a path or hub id.

    Args:
        model: name, path or hub id.
        backend: the package that will run it; None for openai-whisper.
    """
    if model not in SIZES or Path(model).exists():
        return known(model)
    if backend != "faster-whisper":
        return known(f"openai/whisper-{model}")
    owner = "mobiuslabsgmbh" if model == "large-v3-turbo" else "Systran"
    return known(f"{owner}/faster-whisper-{model}")


def openai_file(model: str) -> Path | None:
    """Return the file of a name of `SIZES` that openai-whisper itself fetched earlier, or None."""
    if model not in SIZES:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = cache / "whisper" / f"{model}.pt"
    return path if path.is_file() else None


def backend_of(path: Path) -> Backend:
    """Return the package that can run the weights at `path`."""
    return "faster-whisper" if (path / "model.bin").is_file() else "openai-whisper"


def load_whisper(path: Path, device: Device) -> WhisperModel:
    """Load a Whisper with the package that fits its files.

    Args:
        path: an openai-whisper `.pt` file, or the folder of a CTranslate2 or transformers checkpoint.
        device: device and floats.

    Raises:
        MissingDependency: it is no Whisper, or damaged, or its package is missing.
    """
    return FasterWhisper(path, device) if backend_of(path) == "faster-whisper" else OpenAIWhisper(path, device)


class OpenAIWhisper(WhisperModel):
    """The openai-whisper package."""

    def __init__(self, path: Path, device: Device) -> None:
        self._half = device.is_cuda
        self.several = device.usual_batch(_GPU_BATCH)
        self._batcher = Batcher(_GPU_BATCH, device)
        # On a CPU it computes in 32-bit floats only; Apple's GPUs lack the 64-bit ones its word times need.
        name = device.name if device.is_cuda else "cpu"
        with loading(f"The Whisper model {str(path)!r}"):
            import whisper

            self._model = whisper.load_model(str(path), name) if path.is_file() else from_transformers(path, name)
            # Which heads follow the words is known for OpenAI's own files; a file of that name may be another's.
            if path.is_file() and (heads := whisper._ALIGNMENT_HEADS.get(path.stem)):
                with contextlib.suppress(RuntimeError):
                    self._model.set_alignment_heads(heads)

    def transcribe(self, samples: np.ndarray, language: str | None, attempt: int = 0) -> list[Segment]:
        """Recognise speech; see `WhisperModel`."""
        other = None
        if language is None and self._model.is_multilingual:
            import whisper

            sound = whisper.log_mel_spectrogram(whisper.pad_or_trim(samples), self._model.dims.n_mels)
            _, likely = self._model.detect_language(sound.to(self._model.device))
            language, other = _languages(likely.items())
        return self._segments(samples, language, _TRIES_OPENAI[min(attempt, len(_TRIES_OPENAI) - 1)], other)

    def transcribe_several(self, sounds: Sequence[np.ndarray], language: str) -> list[list[Segment]]:
        """Recognise several pieces of speech, whose first 30 seconds are decoded as batches; see `WhisperModel`."""
        import whisper

        options = whisper.DecodingOptions(language=language, temperature=0.0, fp16=self._half)

        def decode(batch: Sequence[np.ndarray]) -> list[Any]:
            import torch

            windows = torch.stack([self._first_window(samples) for samples in batch]).to(self._model.device)
            return list(self._model.decode(windows, options))

        first = self._batcher(decode, sounds)
        return [self._segments(sounds[i], language, {}, None, first[i]) for i in range(len(sounds))]

    def _first_window(self, samples: np.ndarray) -> Any:
        """Return what `whisper.transcribe` decodes first: log-mel of 30 seconds, shape (mels, 3000)."""
        import whisper
        from whisper.audio import N_FRAMES, N_SAMPLES

        mel = whisper.log_mel_spectrogram(samples, self._model.dims.n_mels, padding=N_SAMPLES)
        return whisper.pad_or_trim(mel[:, : mel.shape[-1] - N_FRAMES], N_FRAMES)

    def _segments(
        self, samples: np.ndarray, language: str | None, tried: dict[str, Any], other: str | None, first: Any = None
    ) -> list[Segment]:
        import torch
        import whisper

        model: Any = _Encoded(self._model, first)
        settings = _SETTINGS | tried
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            result = whisper.transcribe(model, samples, language=language, fp16=self._half, verbose=None, **settings)
        return [
            Segment(
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
                other,
            )
            for segment in result["segments"]
        ]


class _Encoded:
    """An openai-whisper model that goes over a window once: its words are placed by what it was decoded from.

    Args:
        model: the model.
        first: what was decoded of the first window already, or None.
    """

    def __init__(self, model: Any, first: Any) -> None:
        self._model, self._first = model, first
        self._features: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def decode(self, window: Any, options: Any) -> Any:
        result, self._first = self._first or self._model.decode(window, options), None
        self._features = result.audio_features
        return result

    def __call__(self, window: Any, tokens: Any) -> Any:
        # `whisper.transcribe` places the words of the window that it decoded last.
        return self._model.decoder(tokens, self._features[None])


class FasterWhisper(WhisperModel):
    """The faster-whisper package, which runs CTranslate2."""

    def __init__(self, path: Path, device: Device) -> None:
        if not (path / "tokenizer.json").is_file():
            # It would fetch one from the hub.
            raise MissingDependency(
                f"{str(path)!r} lacks tokenizer.json; copy it from the model it was converted from."
            )
        name, _, number = device.name.partition(":") if device.is_cuda else ("cpu", "", "")
        with loading(f"The Whisper model {str(path)!r}"):
            import faster_whisper

            self._model = faster_whisper.WhisperModel(
                str(path),
                device=name,
                device_index=int(number or 0),
                compute_type=_floats(path, device),
                local_files_only=True,
            )

    def transcribe(self, samples: np.ndarray, language: str | None, attempt: int = 0) -> list[Segment]:
        """Recognise speech; see `WhisperModel`."""
        import ctranslate2

        ctranslate2.set_random_seed(_SEED)
        settings = _SETTINGS | _TRIES_FASTER[min(attempt, len(_TRIES_FASTER) - 1)]
        # Its own limits would drop a text that repeats itself without a word.
        limits = {"compression_ratio_threshold": None, "log_prob_threshold": None, "no_speech_threshold": None}
        segments, about = self._model.transcribe(samples, language=language, **limits, **settings)
        other = None if language else _languages(about.all_language_probs or ())[1]
        return [
            Segment(
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
                other,
            )
            for segment in segments
        ]


def _floats(folder: Path, device: Device) -> str:
    """Return what CTranslate2 computes with: on a CPU 8 bits only where a model is so large that they tip nothing."""
    if device.is_cuda:
        return "float16"
    return "float32" if (folder / "model.bin").stat().st_size <= _SMALL_BYTES else "int8"


def _languages(likely: Iterable[tuple[str, float]]) -> tuple[str | None, str | None]:
    """Return the likeliest language, and the next one where the first is not sure."""
    ranked = sorted(likely, key=lambda pair: -pair[1])[:2]
    if not ranked:
        return None, None
    unsure = len(ranked) > 1 and ranked[0][1] < _SURE_OF_LANGUAGE and ranked[1][1] >= _MAY_BE_LANGUAGE
    return ranked[0][0], ranked[1][0] if unsure else None


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


def from_transformers(folder: Path, device: str) -> Any:
    """Make an openai-whisper model of a transformers checkpoint, whose weights are no pickle and can be pinned.

    Args:
        folder: the checkpoint, with safetensors.
        device: name of a torch device.

    Raises:
        ValueError: its config.json is of another model.
        KeyError: its config.json lacks a size.
        RuntimeError: it lacks weights, or has others.
        OSError: a file is not there.
    """
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
