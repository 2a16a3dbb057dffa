"""Utterances: recognised speech cut into sentences, at pauses and commas, on the time of the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from videochat.tools.whisper import Segment, Word

# Sentences, and words further apart than this, get captions of their own.
_SENTENCE_PAUSE_SECONDS = 0.8
_MAX_CAPTION_SECONDS = 7.0
# A cut within a sentence: a comma counts as much as a pause of this length.
_COMMA_SECONDS = 0.4
_CLAUSE_ENDS = (",", ";", ":", "，", "、", "；")
_SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")


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
    """ISO 639 code; None if the model does not say."""
    words: tuple[Word, ...]
    """Its words in order."""


def utterances(segments: Iterable[Segment], offset_seconds: float) -> Iterator[Utterance]:
    """Split what was recognised at the ends of sentences and at pauses; put it on the time of the video."""
    for segment in segments:
        text = segment.text.strip()
        if segment.is_silence() or segment.is_broken() or not any(sign.isalnum() for sign in text):
            continue
        # Without word times the segment is one word.
        score = float(np.exp(min(segment.logprob, 0.0)))
        words = segment.words or (Word(segment.start_seconds, segment.end_seconds, text, score),)
        sentence: list[Word] = []
        for word in words:
            if sentence and (
                sentence[-1].text.rstrip().endswith(_SENTENCE_ENDS)
                or word.start_seconds - sentence[-1].end_seconds > _SENTENCE_PAUSE_SECONDS
            ):
                yield from _utterance(sentence, segment.language, offset_seconds)
                sentence = []
            while sentence and word.end_seconds - sentence[0].start_seconds > _MAX_CAPTION_SECONDS:
                cut = _best_cut([*sentence, word])
                yield from _utterance(sentence[:cut], segment.language, offset_seconds)
                sentence = sentence[cut:]
            sentence.append(word)
        yield from _utterance(sentence, segment.language, offset_seconds)


def _best_cut(words: Sequence[Word]) -> int:
    """Return before which word a sentence that is too long is cut: after a comma or pause, best in its later half."""

    def worth(at: int) -> float:
        comma = words[at - 1].text.rstrip().endswith(_CLAUSE_ENDS)
        pause = words[at].start_seconds - words[at - 1].end_seconds
        place = (words[at].start_seconds - words[0].start_seconds) / _MAX_CAPTION_SECONDS
        return pause + _COMMA_SECONDS * comma + 0.1 * min(place, 1.0)

    return max(range(1, len(words)), key=worth)


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
