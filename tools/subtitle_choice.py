"""Which subtitles of a video are read: the files beside it, the tracks inside it, and what speaks for each."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from videochat.errors import MediaError, first_line
from videochat.media import SubtitleTrack, Video
from videochat.tools.cues import Cues, read_cues
from videochat.tools.subtitle_labels import (
    SUFFIXES,
    Labels,
    is_near,
    labels_of_file,
    labels_of_track,
    language_code,
    user_language,
)
from videochat.tools.subtitle_text import DecodedText, decode_subtitles

_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Subtitles:
    """Subtitles beside or inside a video."""

    name: str
    """What people call them."""
    labels: Labels
    """Their language, and what part of the words they have."""
    source: Path | SubtitleTrack
    """The file beside the video, or the track inside it."""


@dataclass
class Choice:
    """Which subtitles are read."""

    chosen: Subtitles | None = None
    """None where there are none that can be read."""
    version: str = ""
    """Changes with what is read."""
    reasons: list[str] = field(default_factory=list)
    """What was passed over and why, and what had to be guessed; sentences without a full stop."""


def choose_subtitles(video: Video) -> Choice:
    """Choose what is read of the subtitles beside and inside a video.

    Those that have all that is said come before forced ones and commentaries, what people wrote before what a machine
    heard, files beside the video before tracks inside it, a file that is called like the video before those with
    labels, then the user's language, that which players show by default, and that of the sound. What is empty or
    cannot be read is passed over.
    """
    choice = Choice()
    found = sorted(_candidates(video, choice), key=lambda subtitles: _rank(subtitles, video))
    for subtitles in found:
        try:
            version = _version(video, subtitles, choice)
        except MediaError as error:
            choice.reasons.append(str(error))
            continue
        choice.chosen, choice.version = subtitles, version
        break
    if choice.chosen is not None:
        rest = found[found.index(choice.chosen) + 1 :]
        choice.reasons += [f"{other.name} was not read: {_lost(choice.chosen, other)}" for other in rest]
        if len(found) > 1:
            choice.reasons.insert(0, f"{choice.chosen.name} was read")
    return choice


def has_subtitles(video: Video) -> bool:
    """Return whether subtitles beside or inside a video have what is said in it, so that nobody need listen."""
    chosen = choose_subtitles(video).chosen
    return chosen is not None and not chosen.labels.partial


def read_subtitles(video: Video, subtitles: Subtitles) -> tuple[Cues, int]:
    """Return the cues of subtitles, and how many of their bytes are no text.

    Raises:
        MediaError: they cannot be read.
    """
    if isinstance(subtitles.source, Path):
        stat = _stat(subtitles.source)
        decoded, cues = _parsed(subtitles.source, stat.st_size, stat.st_mtime_ns, subtitles.labels.language)
    else:
        decoded = decode_subtitles(_track_bytes(video, subtitles.source, _MOST_BYTES))
        cues = read_cues(decoded.text)
    return cues, decoded.bad_bytes


def _candidates(video: Video, choice: Choice) -> list[Subtitles]:
    found = []
    try:
        beside = sorted(video.path.absolute().parent.iterdir())
    except OSError:  # a folder whose files may be read, but not listed
        beside = []
    for path in beside:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        if (labels := labels_of_file(path, video.path)) is not None:
            found.append(Subtitles(repr(path.name), labels, path))
        elif is_near(path, video.path):
            label = path.stem[len(video.path.stem) + 1 :]
            choice.reasons.append(
                f"{path.name!r} was not read: {label!r} is neither a language nor a sort of subtitles"
            )
    for number, track in enumerate(video.subtitle_tracks, 1):
        labels = labels_of_track(track.language, track.title, partial=track.partial)
        name = f"text track {number}" + (f" ({track.language})" if track.language else "")
        found.append(Subtitles(name, labels, track))
    return found


_REASONS = (
    "it has only a part of what is said",
    "a machine heard it",
    "it is inside the video",
    "its name has labels",
    "it is in another language",
    "players do not show it by default",
    "it is in another language than the sound",
    "its name comes later",
    "its name comes later",
)


def _rank(subtitles: Subtitles, video: Video | None = None) -> tuple[bool | int | str, ...]:
    labels = subtitles.labels
    file = subtitles.source if isinstance(subtitles.source, Path) else None
    track = subtitles.source if isinstance(subtitles.source, SubtitleTrack) else None
    language = language_code(labels.language)
    spoken = language_code(video.sound_language) if video is not None else None
    return (
        labels.partial,
        labels.automatic,
        track is not None,
        file is not None and labels != Labels(),
        user_language() is not None and language != user_language(),
        track is not None and not track.default,
        spoken is not None and language != spoken,
        0 if file is None else len(file.name),
        str(track.index) if track is not None else str(file),
    )


def _lost(chosen: Subtitles, other: Subtitles) -> str:
    pairs = zip(_rank(chosen), _rank(other), _REASONS, strict=True)
    return next((reason for mine, its, reason in pairs if mine != its), _REASONS[-1])


def _version(video: Video, subtitles: Subtitles, choice: Choice) -> str:
    """Return what changes with the words of subtitles, having seen that there are any.

    Raises:
        MediaError: there are none, or they cannot be read.
    """
    if isinstance(subtitles.source, Path):
        stat = _stat(subtitles.source)
        verdict = _looked_at(subtitles.source, stat.st_size, stat.st_mtime_ns, subtitles.labels.language)
        if verdict.problem:
            raise MediaError(f"{subtitles.name} {verdict.problem}")
        choice.reasons += verdict.remarks
        return f"{verdict.digest} {subtitles.source.suffix.lower()} {subtitles.labels.language or ''}"
    known = _WORDS.setdefault(video, {})
    index = subtitles.source.index
    if index not in known:
        beginning = decode_subtitles(_track_bytes(video, subtitles.source, 0)).text
        known[index] = bool(read_cues(beginning).cues)
    if not known[index]:
        raise MediaError(f"{subtitles.name} holds no words")
    return f"track {index}"


_WORDS: WeakKeyDictionary[Video, dict[int, bool]] = WeakKeyDictionary()
"""Whether the text tracks of a video, by index, have words: an empty one takes reading all of the file to tell."""


class _Verdict(NamedTuple):
    problem: str = ""
    digest: str = ""
    remarks: tuple[str, ...] = ()


def _stat(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise MediaError(f"{file.name!r} cannot be read ({error.strerror})") from error


# A question asks each sense whether it fits its videos; what was found is kept, the cues only of the last file.
@lru_cache(maxsize=1024)
def _looked_at(file: Path, size: int, changed_ns: int, language: str | None) -> _Verdict:
    if size > _MOST_BYTES:
        return _Verdict(f"was not read: it is larger than {_MOST_BYTES // 2**20} MB")
    if size == 0:
        return _Verdict("is empty (0 bytes)")
    try:
        decoded, cues = _parsed(file, size, changed_ns, language)
    except MediaError as error:
        return _Verdict(str(error).removeprefix(f"{file.name!r} "))
    if not cues.cues:
        left_out = f" ({len(cues.left_out)} were left out: they have no time)" if cues.left_out else ""
        return _Verdict(f"holds no cue with words{left_out}")
    remarks = []
    if decoded.guessed:
        remarks.append(f"{file.name!r} does not say its encoding; by its letters it was read as {decoded.encoding}")
    digest = hashlib.blake2b(decoded.text.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return _Verdict("", digest, tuple(remarks))


@lru_cache(maxsize=1)
def _parsed(file: Path, size: int, changed_ns: int, language: str | None) -> tuple[DecodedText, Cues]:
    """Read a file; size and time of change say when it must be read again.

    Raises:
        MediaError: it cannot be read, or nobody knows how.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise MediaError(f"{file.name!r} cannot be read ({reason}); make it readable, or move it away") from error
    try:
        decoded = decode_subtitles(data, language_code(language))
    except MediaError as error:
        raise MediaError(f"{file.name!r} was not read: {error}") from error
    return decoded, read_cues(decoded.text)


def _track_bytes(video: Video, track: SubtitleTrack, most_bytes: int) -> bytes:
    """Return a track, or with `most_bytes` 0 its beginning up to the first words."""
    data = bytearray()
    for piece in video.subtitle_stream(track):
        data += piece
        if len(data) > max(most_bytes, 2**20):
            break
        if most_bytes == 0 and read_cues(data.decode("utf-8", errors="replace")).cues:
            break
    return bytes(data)
