"""Who speaks when: the turns of each voice, overlaps kept, by a transformers model that classifies audio frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.devices import Device, loading
from videochat.hub import Weights
from videochat.intervals import clock
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, Settled
from videochat.tools.model_tool import ModelTool

_MODEL = "nvidia/Nemotron-3-Diarization"
_ACTIVE = 0.5
# A breath ends no turn, and a click begins none.
_SHORTEST_PAUSE_SECONDS, _SHORTEST_TURN_SECONDS = 0.5, 0.25
_MODE = "whole"


@dataclass
class _Loaded:
    model: Any
    processor: Any
    cache: Any
    """The class of what the model remembers of the voices that it heard."""


class SpeakerTurns(ModelTool[_Loaded]):
    """Nemotron 3 Diarization (up to 8 voices, a look each 10 ms): one caption for each turn of each voice.

    Voices are `Speaker 1`, `Speaker 2` ... in the order in which they are first heard; a watch adds the name to the
    words that were heard or read at that time, as `attributes["speaker"]`. Who is who rests on all that was heard
    before, so there is no mark before the end: an interrupted watch begins anew, and voices of a range that begins
    later are named with the time at which it begins.

    Args:
        model: hub id, or the folder of a checkpoint.
        batch_size: has no use here; the sound is one sequence.
        device: device and floats; None for the best there is.
    """

    name: ClassVar[str] = "speakers"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "who speaks when, as Speaker 1, Speaker 2 (not their names)"
    accepts: ClassVar[tuple[str, ...]] = ("nemotron3_diarization",)

    needs: Needs = "sound"

    def __init__(
        self,
        model: Weights | str | Path = _MODEL,
        *,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)

    def load_model(self, folder: Path, device: Device) -> _Loaded:
        """Load the model and what makes its spectrum."""
        with loading(f"The speaker model {str(folder)!r}"):
            from transformers import AutoModelForAudioFrameClassification, AutoProcessor
            from transformers.models.nemotron3_diarization import modeling_nemotron3_diarization as code

            processor = AutoProcessor.from_pretrained(folder)
            model = AutoModelForAudioFrameClassification.from_pretrained(folder, dtype=device.dtype)
            # The chunks into which the model itself would cut a whole recording.
            config = model.config
            chunks = (config.chunk_length, config.chunk_right_context)
            processor.streaming_modes = {**processor.streaming_modes, _MODE: chunks}
            processor.set_streaming_mode(_MODE)
            return _Loaded(model.to(device.name).eval(), processor, code.Nemotron3DiarizationSpeakerCache)

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each turn; its attribute `speaker` is the voice, `words_known` is False.

        Raises:
            MissingDependency: the model is not on this machine, or is none.
        """
        names: dict[int, str] = {}
        for turn in turns(self.activity(stream)):
            start, end = start_seconds + turn.start_seconds, min(start_seconds + turn.end_seconds, end_seconds)
            if end - start < _SHORTEST_TURN_SECONDS:
                continue
            since = f" from {clock(start_seconds)}" if start_seconds > 0 else ""
            name = names.setdefault(turn.voice, f"Speaker {len(names) + 1}{since}")
            yield Caption(
                video.id,
                round(start, 3),
                round(end, 3),
                self.kind,
                f"{name} speaks",
                self.source,
                score=round(turn.score, 3),
                attributes={"words_known": False, "speaker": name},
            )
        yield Settled(end_seconds)

    def activity(self, stream: Iterable[AudioBlock]) -> Iterator[np.ndarray]:
        """Yield how likely each voice speaks, chunk by chunk of about half a minute.

        Args:
            stream: sound, in order.

        Yields:
            float32 in [0, 1], shape (frames, voices), a frame each 10 ms.
        """
        import torch

        loaded = self.loaded()
        processor, model = loaded.processor, loaded.model
        config = model.config
        cache = loaded.cache(
            config.streaming_config,
            fifo_length=config.fifo_length,
            speaker_cache_update_period=config.speaker_cache_update_period,
        )
        hop, step = processor.feature_extractor.hop_length, processor.num_mel_frames_per_step
        for number, (samples, last) in enumerate(_chunks(stream, processor)):
            inputs = processor(
                samples,
                sampling_rate=SAMPLE_RATE,
                is_streaming=True,
                is_first_audio_chunk=number == 0,
                is_last_audio_chunk=last,
                return_tensors="pt",
            )
            features = inputs["input_features"].to(model.device, model.dtype)
            ahead = None if last else int(inputs["num_lookahead_frames"])
            with self.device.computing(), torch.inference_mode():
                found = model(features, speaker_cache=cache, num_lookahead_frames=ahead)
            likely = found.logits[0].float().sigmoid().cpu().numpy()
            # The last frame of the sound may reach beyond its end.
            yield likely[: len(samples) // hop + 1] if last else likely[:step]


def _chunks(stream: Iterable[AudioBlock], processor: Any) -> Iterator[tuple[np.ndarray, bool]]:
    """Cut sound into the pieces that the processor wants, which overlap; with each, whether it is the last."""
    rest, skipped, number = np.zeros(0, np.float32), 0, 0
    for sound in stream:
        rest = np.concatenate([rest, sound.samples])
        while len(rest) > (wanted := processor.num_samples_per_audio_chunk if number else _first(processor)):
            yield rest[:wanted], False
            number += 1
            begins = processor.audio_chunk_start(number * processor.num_mel_frames_per_step)
            rest, skipped = rest[begins - skipped :], begins
    if len(rest):
        yield rest, True


def _first(processor: Any) -> int:
    return int(processor.num_samples_first_audio_chunk)


@dataclass(frozen=True)
class Turn:
    """A stretch in which one voice speaks."""

    voice: int
    """Number of the voice in the model, from 0."""
    start_seconds: float
    """From the first sample."""
    end_seconds: float
    """First moment after."""
    score: float
    """How likely it speaks, at the mean, in [0, 1]."""


def turns(activity: Iterable[np.ndarray], frame_seconds: float = 0.01) -> Iterator[Turn]:
    """Yield the turns of each voice in the order of their ends; turns of several voices may overlap.

    Args:
        activity: how likely each voice speaks, in pieces of shape (frames, voices), in [0, 1].
        frame_seconds: seconds of a frame.
    """
    pause = round(_SHORTEST_PAUSE_SECONDS / frame_seconds)
    opened: dict[int, tuple[int, int, list[float]]] = {}  # first and last frame, and how likely
    at = 0

    def closed(voice: int) -> Turn:
        first, last, values = opened.pop(voice)
        return Turn(voice, first * frame_seconds, (last + 1) * frame_seconds, float(np.mean(values)))

    for piece in activity:
        for row in piece:
            for active in np.flatnonzero(row > _ACTIVE).tolist():
                first, _, values = opened.get(active, (at, at, []))
                values.append(float(row[active]))
                opened[active] = (first, at, values)
            for voice in [v for v, (_, last, _) in opened.items() if at - last >= pause]:
                yield closed(voice)
            at += 1
    for voice in sorted(opened, key=lambda v: opened[v][0]):
        yield closed(voice)
