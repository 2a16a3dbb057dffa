"""Whisper at a transcription endpoint that speaks the OpenAI protocol: sound is sent there, words with times return."""

from __future__ import annotations

import io
import math
import os
import wave
from typing import Any

import numpy as np

from videochat.audio import SAMPLE_RATE
from videochat.errors import MissingDependency, VideoChatError, first_line
from videochat.tools.whisper import TRIES, Segment, WhisperModel, Word

ENDPOINT = "openai:"
"""What the name of a model at an endpoint begins with."""

_SECONDS, _RETRIES = 120.0, 3


def check_endpoint() -> None:
    """See that there is an endpoint to ask.

    Raises:
        MissingDependency: neither `OPENAI_API_KEY` nor `OPENAI_BASE_URL` is set.
    """
    if not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")):
        raise MissingDependency(
            "The sense 'speech' needs a transcription endpoint: set OPENAI_API_KEY, or OPENAI_BASE_URL to the address "
            "of a server that speaks the OpenAI protocol."
        )


class EndpointWhisper(WhisperModel):
    """A model at a transcription endpoint.

    Args:
        model: its name there, such as `whisper-1`.
    """

    def __init__(self, model: str) -> None:
        import openai

        self.model = model
        # Servers of one's own often want no key.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.OpenAI(api_key=key, timeout=_SECONDS, max_retries=_RETRIES)

    def transcribe(self, samples: np.ndarray, language: str | None, attempt: int = 0) -> list[Segment]:
        """Recognise speech; see `WhisperModel`.

        Raises:
            VideoChatError: the endpoint refused, did not answer in time, or answered something else.
        """
        settings: dict[str, Any] = {"temperature": 0.0 if attempt == 0 else 0.4 * attempt / (TRIES - 1)}
        if language is not None:
            settings["language"] = language
        try:
            reply = self._client.audio.transcriptions.create(
                model=self.model,
                file=("sound.wav", _wav(samples)),
                response_format="verbose_json",
                timestamp_granularities=["word", "segment"],
                **settings,
            )
        except Exception as error:
            raise VideoChatError(f"The transcription endpoint did not answer: {first_line(error)[:200]}") from error
        try:
            return _segments(reply.model_dump(), len(samples) / SAMPLE_RATE, language)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise VideoChatError(
                f"The transcription endpoint answered no transcription ({first_line(error)})"
            ) from error


def _wav(samples: np.ndarray) -> bytes:
    """Return sound as a 16-bit WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(SAMPLE_RATE)
        written.writeframes((np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _code(said: str) -> str | None:
    """Return the code of a language, which endpoints say by name; None where it is none."""
    from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

    name = said.casefold().split("-")[0]
    return name if name in LANGUAGES else TO_LANGUAGE_CODE.get(name)


def _segments(reply: dict[str, Any], length_seconds: float, language: str | None) -> list[Segment]:
    """Read a reply; one without segments is a segment as long as the sound."""
    code = _code(str(reply.get("language") or language or ""))
    words = [
        Word(float(word["start"]), float(word["end"]), f" {str(word['word']).strip()}", 1.0)
        for word in reply.get("words") or ()
    ]
    segments = reply.get("segments") or [{"start": 0.0, "end": length_seconds, "text": str(reply["text"])}]
    found = []
    for segment in segments:
        start, end = float(segment["start"]), float(segment["end"])
        if not (0 <= start <= end < math.inf):
            raise ValueError(f"a segment from {start} to {end} seconds")
        middle = {word: (word.start_seconds + word.end_seconds) / 2 for word in words}
        within = tuple(word for word in words if start - 0.05 <= middle[word] <= end + 0.05)
        found.append(
            Segment(
                start,
                max(end, start + 0.02),
                str(segment["text"]),
                float(segment.get("avg_logprob") or -0.3),
                float(segment.get("no_speech_prob") or 0.0),
                float(segment.get("compression_ratio") or 1.0),
                code,
                within,
            )
        )
    return [segment for segment in found if segment.text.strip()]
