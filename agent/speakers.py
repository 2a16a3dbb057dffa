"""Who says what: turns of voices joined to the words of their time, and what names the words give to voices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from videochat.memory import VideoCaptions
from videochat.records import Caption

SPEAKER = "speaker"
"""Attribute of speech: who says it; several names, with commas between, where voices overlap."""
_JOINED_FROM = "speaker_from"
"""Attribute of speech: the source of the turns by which `SPEAKER` was found; none where the subtitles name it."""

# Of words that two voices share, each must have this part, or this long, to be named.
_LEAST_SHARE, _LEAST_SECONDS = 0.25, 1.0

_NAME = r"(?P<name>[A-ZÀ-Þ][\w'’-]+(?: (?:[A-ZÀ-Þ][\w'’-]+|von|van|de|der|la)){0,3})"
_INTRODUCTIONS = re.compile(
    r"\b(?:(?:I am|I['’]m|[Mm]y name is|[Tt]his is|[Ii]ch bin|[Mm]ein Name ist|[Ii]ch heiße|[Mm]e llamo|"
    rf"[Mm]i nombre es|[Jj]e m['’]appelle|[Jj]e suis) {_NAME})(?=[ ,.;!?…]|$)"
)
# What follows "I am" with a capital and is no name.
_NO_NAMES = frozenset(
    ["I", "American", "British", "English", "German", "French", "Spanish", "Chinese", "God", "Okay", "OK"]
)


@dataclass(frozen=True)
class NameClaim:
    """A name that a voice may have, with what speaks for it; nobody checked that it is true."""

    speaker: str
    """The voice: `Speaker 1`."""
    name: str
    """As it is said or written."""
    evidence: Caption
    """Where it is said by that voice, or written on the screen while it speaks longest."""


def is_turn(caption: Caption) -> bool:
    """Whether a caption only says that a certain voice speaks."""
    return caption.kind == "speech" and SPEAKER in caption.attributes and caption.attributes.get("words_known") is False


def join_speakers(stored: VideoCaptions) -> int:
    """Write who speaks into the words of a video, by the turns that are stored; names of subtitles stay.

    Doing it again changes nothing; turns that came or went since are followed.

    Args:
        stored: the captions of a video.

    Returns:
        How many captions were changed.
    """
    speech = stored.between(kinds=["speech"])
    spoken = [turn for turn in speech if is_turn(turn)]
    gone: list[str] = []
    joined: list[Caption] = []
    for caption in speech:
        named = SPEAKER in caption.attributes and _JOINED_FROM not in caption.attributes
        if named or caption.attributes.get("words_known") is False:
            continue
        plain = {k: v for k, v in caption.attributes.items() if k not in (SPEAKER, _JOINED_FROM)}
        who = speakers_in(caption, spoken)
        attributes = plain | ({SPEAKER: ", ".join(who), _JOINED_FROM: spoken[0].source} if who else {})
        if attributes != dict(caption.attributes):
            gone.append(caption.id)
            joined.append(replace(caption, attributes=attributes))
    stored.replace(gone, joined, {})
    return len(joined)


def speakers_in(caption: Caption, spoken: Iterable[Caption]) -> list[str]:
    """Return who speaks during a caption: whoever has a good part of it, in the order of how much.

    Args:
        caption: some words.
        spoken: turns of voices.
    """
    seconds: dict[str, float] = {}
    for turn in spoken:
        both = min(turn.end_seconds, caption.end_seconds) - max(turn.start_seconds, caption.start_seconds)
        if both > 0:
            name = str(turn.attributes[SPEAKER])
            seconds[name] = seconds.get(name, 0.0) + both
    if not seconds:
        return []
    length = caption.end_seconds - caption.start_seconds
    most = max(seconds.values())
    enough = min(_LEAST_SHARE * length, _LEAST_SECONDS, most)
    return sorted((name for name, value in seconds.items() if value >= enough), key=lambda name: -seconds[name])


def name_claims(captions: Sequence[Caption]) -> list[NameClaim]:
    """Return what names voices may have: said by themselves ("I am ..."), else read on the screen at the longest turn.

    Only what a single voice says counts, and only the first evidence of each.

    Args:
        captions: of one video, in temporal order.
    """
    claims: dict[str, NameClaim] = {}
    turns: dict[str, list[Caption]] = {}
    for caption in captions:
        who = caption.attributes.get(SPEAKER) if caption.kind == "speech" else None
        if not isinstance(who, str) or not re.fullmatch(r"Speaker \d+(?: from [\d:]+)?", who):
            continue
        turns.setdefault(who, []).append(caption)
        said = _INTRODUCTIONS.search(caption.text)
        if said and said["name"].split()[0] not in _NO_NAMES:
            claims.setdefault(who, NameClaim(who, said["name"], caption))
    written = [caption for caption in captions if caption.kind == "ocr"]
    for who, spoken in turns.items():
        if who in claims:
            continue
        longest = max(spoken, key=lambda c: c.end_seconds - c.start_seconds)
        plates = [c for c in written if c.overlaps(longest.start_seconds, longest.end_seconds) and _is_plate(c)]
        if len(plates) == 1:
            claims[who] = NameClaim(who, " ".join(plates[0].text.split()), plates[0])
    return list(claims.values())


def _is_plate(caption: Caption) -> bool:
    """Whether a text on the screen may be a name: two to four words that begin with capitals, and nothing else."""
    words = caption.text.split()
    return 2 <= len(words) <= 4 and all(re.fullmatch(r"[A-ZÀ-Þ][\w.'’-]+", word) for word in words)
