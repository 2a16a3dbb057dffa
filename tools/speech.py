"""Speech: the words from subtitles, or, where there is only sound, when somebody speaks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from videochat.errors import MediaError
from videochat.frames import SAMPLE_RATE, AudioBlock
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

NO_WORDS = "somebody speaks (what is said is unknown: the words need subtitles or a speech recogniser)"
"""The text of a caption that knows of speech but not of words."""

VOICE_BLOCK = 512  # samples; what silero-vad takes at 16 kHz
_MIN_SILENCE_MS = 600
_MIN_SPEECH_SECONDS = 0.25
_MAX_SPEECH_SECONDS = 60.0


def has_subtitles(video: Video) -> bool:
    """Whether words come with the video, beside it or inside it."""
    return bool(video.subtitle_files() or video.subtitle_tracks)


class SubtitleReader(PerceptionTool):
    """Reads subtitle files beside the video (.srt, .vtt, .ass), else the text track inside it.

    One track is read: the file with the shortest name, else the track that players show by default.
    """

    name: ClassVar[str] = "subtitles"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "what is said, word for word, where subtitles lie beside or inside the video"

    def __init__(self) -> None:
        self.needs: Needs = "subtitles"
        self.source = "subtitles"

    def unfit(self, video: Video) -> str | None:
        """Return why there is nothing to read, or None."""
        return None if has_subtitles(video) else "there are no subtitles beside or inside the video"

    def version(self, video: Video) -> str:
        """Return a digest of the file that is read: who corrects subtitles wants the correction."""
        files = video.subtitle_files()
        return (
            f"{self.source}-{hashlib.blake2b(files[0].read_bytes(), digest_size=8).hexdigest()}"
            if files
            else self.source
        )

    def perceive(
        self, stream: Iterable[Any], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption a cue; two cues that say the same at the same time are one.

        Raises:
            MediaError: the subtitles cannot be read.
        """
        import pysubs2

        language = None
        try:
            if files := video.subtitle_files():
                cues = pysubs2.SSAFile.from_string(_decoded(files[0].read_bytes()))
                language = files[0].stem.removeprefix(video.path.stem).strip(".") or None
            else:
                track = next((t for t in video.subtitle_tracks if t.default), video.subtitle_tracks[0])
                cues = pysubs2.SSAFile.from_string(video.subtitle_text(track), format_="srt")
                language = track.language
        except (pysubs2.exceptions.Pysubs2Error, OSError) as error:
            raise MediaError(f"The subtitles of {video.name!r} cannot be read ({error}).") from error
        shift = video.subtitle_shift_seconds
        for cue in sorted(cues, key=lambda cue: (cue.start, cue.end)):
            text = " ".join(cue.plaintext.split())
            start, end = max(cue.start / 1000 + shift, 0.0), cue.end / 1000 + shift
            # Words may come after the last picture and sound; they belong to the end.
            inside = start_seconds <= start and (start < end_seconds or end_seconds >= video.duration_seconds)
            if text and not cue.is_comment and start < end and inside:
                yield Caption(video.id, start, end, self.kind, text, self.source, language=_code(language))
        yield Settled(end_seconds)


class SpeechRegions(PerceptionTool):
    """silero-vad (its model ships in its wheel): when somebody speaks, not what is said."""

    name: ClassVar[str] = "speech_regions"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "when somebody speaks, where there are no subtitles (not what is said)"

    def __init__(self) -> None:
        self.needs: Needs = "sound"
        self.source = "silero-vad"
        self._model: Any = None

    def unfit(self, video: Video) -> str | None:
        """Return why there is nothing to listen for, or None."""
        return super().unfit(video) or ("subtitles give the words" if has_subtitles(video) else None)

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each stretch of speech."""
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
                    yield self._tell(video, speech_start, ended, end_seconds)
                speech_start = None
            elif speech_start is not None or now - settled < _MAX_SPEECH_SECONDS:
                continue
            detector.reset_states()
            origin = settled = round(now, 3)
            yield Settled(settled)
        if speech_start is not None and now - speech_start >= _MIN_SPEECH_SECONDS:
            yield self._tell(video, speech_start, now, end_seconds)
        yield Settled(end_seconds)

    def _tell(self, video: Video, start: float, end: float, limit: float) -> Caption:
        start, end = round(start, 3), round(min(end, limit), 3)
        return Caption(video.id, start, max(end, start + 0.001), self.kind, NO_WORDS, self.source)

    def _load(self) -> Any:
        if self._model is None:
            from silero_vad import VADIterator, load_silero_vad

            model = load_silero_vad(onnx=True)
            self._model = VADIterator(model, min_silence_duration_ms=_MIN_SILENCE_MS)
        return self._model

    def close(self) -> None:
        """Free the model."""
        self._model = None


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


def _decoded(data: bytes) -> str:
    """Return subtitles as text; old files that are not UTF-8 are mostly of Windows' western code page."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _code(language: str | None) -> str | None:
    """Return a language code, or None for a label that is none (as in `film.director.srt`)."""
    return language if language and 2 <= len(language.split("-")[0]) <= 3 else None
