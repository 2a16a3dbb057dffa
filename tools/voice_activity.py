"""Voice activity: when somebody speaks, by silero-vad, whose model ships in its wheel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.devices import loading
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.subtitle_choice import has_subtitles

NO_WORDS = "somebody speaks (what is said is unknown: the words need subtitles or a speech recogniser)"
"""The text of a caption of speech without words; programs read its attribute `words_known` instead."""

VOICE_BLOCK = 512
"""Samples that the voice detector takes at once, at 16 kHz."""
_MIN_SILENCE_MS = 600
_MIN_SPEECH_SECONDS = 0.25
_MAX_SPEECH_SECONDS = 60.0


def load_voice_detector() -> Any:
    """Load silero-vad: a function of a block of sound (a tensor of `VOICE_BLOCK` samples) and the sample rate.

    It returns how likely somebody speaks, in [0, 1], and remembers what it heard before until `reset_states()`.

    Raises:
        MissingDependency: the package is not installed, or damaged.
    """
    with loading("The voice detector silero-vad"):
        from silero_vad import load_silero_vad

        return load_silero_vad(onnx=True)


def voice_blocks(stream: Iterable[AudioBlock]) -> Iterator[np.ndarray]:
    """Cut sound into blocks of `VOICE_BLOCK` samples; the last is filled with silence."""
    rest = np.zeros(0, np.float32)
    for sound in stream:
        samples = np.concatenate([rest, sound.samples])
        whole = len(samples) // VOICE_BLOCK * VOICE_BLOCK
        yield from samples[:whole].reshape(-1, VOICE_BLOCK)
        rest = samples[whole:]
    if len(rest):
        yield np.pad(rest, (0, VOICE_BLOCK - len(rest)))


class SpeechRegions(PerceptionTool):
    """silero-vad (its model ships in its wheel): when somebody speaks, not what is said."""

    name: ClassVar[str] = "speech_regions"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "when somebody speaks, where there are no subtitles (not what is said)"

    needs: Needs = "sound"

    def __init__(self) -> None:
        self._model: Any = None

    def usual_source(self) -> str:
        """Return the name of the voice detector."""
        return "silero-vad"

    def unfit(self, video: Video) -> str | None:
        """Return why there is no sound to search, or None."""
        return super().unfit(video) or ("subtitles give the words" if has_subtitles(video) else None)

    def version(self, video: Video) -> str:
        """Return the voice detector, and that its captions have `words_known`."""
        return f"{self.source} with attributes"

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each stretch of speech; its attribute `words_known` is False.

        Raises:
            MissingDependency: the voice detector cannot be loaded.
        """
        detector = self._load()
        detector.reset_states()
        origin, settled = start_seconds, start_seconds  # the detector counts from where it was reset
        speech_start: float | None = None
        now = start_seconds
        for block in voice_blocks(stream):
            event = detector(block) or {}
            now += VOICE_BLOCK / SAMPLE_RATE
            if "start" in event:
                speech_start = origin + event["start"] / SAMPLE_RATE
            ended = origin + event["end"] / SAMPLE_RATE if "end" in event else None
            if ended is None and speech_start is not None and now - speech_start >= _MAX_SPEECH_SECONDS:
                ended = now
            if speech_start is not None and ended is not None:
                if ended - speech_start >= _MIN_SPEECH_SECONDS:
                    yield self._caption(video, speech_start, ended, end_seconds)
                speech_start = None
            elif speech_start is not None or now - settled < _MAX_SPEECH_SECONDS:
                continue
            detector.reset_states()
            origin = settled = round(now, 3)
            yield Settled(settled)
        if speech_start is not None and now - speech_start >= _MIN_SPEECH_SECONDS:
            yield self._caption(video, speech_start, now, end_seconds)
        yield Settled(end_seconds)

    def _caption(self, video: Video, start: float, end: float, limit: float) -> Caption:
        start, end = round(start, 3), round(min(end, limit), 3)
        return Caption(
            video.id,
            start,
            max(end, start + 0.001),
            self.kind,
            NO_WORDS,
            self.source,
            attributes={"words_known": False},
        )

    def _load(self) -> Any:
        if self._model is None:
            from silero_vad import VADIterator

            self._model = VADIterator(load_voice_detector(), min_silence_duration_ms=_MIN_SILENCE_MS)
        return self._model

    def close(self) -> None:
        """Free the model."""
        self._model = None
