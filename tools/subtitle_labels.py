"""What the name of a subtitle file, or the title of a track, says: its language, and what part of the words it has."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")

_PARTIAL = re.compile("forced|foreign|signs|songs|sign|song|karaoke|lyrics|commentary|comments|comment|director")
_WHOLE = re.compile("default|full|dialogue|dialog|sub|subs|subtitle|subtitles|caption|captions|cc|sdh|hi|hoh")
_AUTOMATIC = re.compile("auto|asr|automatic|generated|orig|original|machine|translated")


@dataclass(frozen=True)
class Labels:
    """What subtitles are said to be."""

    language: str | None = None
    """As the label has it (`en`, `pt-BR`); a name of a language is its code."""
    partial: bool = False
    """Whether they are not all that is said: forced ones, signs, songs, commentaries."""
    automatic: bool = False
    """Whether a machine heard them."""


def read_labels(texts: list[str]) -> Labels | None:
    """Return what labels say, or None if one of them is neither a language nor a sort of subtitles.

    Args:
        texts: such as `["en", "forced"]` of `film.en.forced.srt`.
    """
    language, partial, automatic = None, False, False
    for text in texts:
        tag = re.fullmatch(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]{2,8})*", text)
        if tag and (code := language_code(tag[1])) and not (code == "hi" and language):
            language = text.replace("_", "-")
            continue
        for word in filter(None, re.split(r"[\W_]+", text.casefold())):
            if _PARTIAL.fullmatch(word):
                partial = True
            elif _AUTOMATIC.fullmatch(word):
                automatic = True
            elif not _WHOLE.fullmatch(word):
                code = language_code(word)
                if code is None and not (word.isdigit() and len(text) > len(word)):
                    return None
                language = language or code
    return Labels(language, partial, automatic)


def labels_of_track(language: str | None, title: str, *, partial: bool) -> Labels:
    """Return what is said of a track inside a file.

    Args:
        language: its code, where the file has one.
        title: what the file calls it.
        partial: whether it is marked as not all that is said.
    """
    words = re.split(r"[\W_]+", title.casefold())
    named = language or next(filter(None, (language_code(word) for word in words if len(word) > 3)), None)
    return Labels(named, partial or any(map(_PARTIAL.fullmatch, words)), any(map(_AUTOMATIC.fullmatch, words)))


def labels_of_file(file: Path, video: Path) -> Labels | None:
    """Return what the name of a subtitle file says, or None if it is not that of a video's subtitles."""
    stem, own = _same(file.stem), _same(video.stem)
    if stem == own:
        return Labels()
    if not stem.startswith(own + "."):
        return None
    return read_labels(unicodedata.normalize("NFC", file.stem)[len(own) + 1 :].split("."))


def is_near(file: Path, video: Path) -> bool:
    """Return whether the name of a file begins as that of a video, and no other video is called so."""
    stem = _same(file.stem)
    if not stem.startswith(_same(video.stem) + "."):
        return False
    others = (path for path in file.parent.iterdir() if path.suffix.lower() not in SUFFIXES)
    return not any(_same(path.stem) == stem for path in others)


def _same(name: str) -> str:
    """Return a name so that it is the same in any case, and on systems that take letters apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def language_code(label: str | None) -> str | None:
    """Return the ISO 639-1 code (where there is none, the longer one) of a code, tag or English name, or None."""
    return _codes().get(re.split(r"[-_]", label.casefold())[0]) if label else None


def user_language() -> str | None:
    """Return the code of the user's language as the system has it, or None."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return language_code(re.split(r"[:._@-]", value)[0])
    return None


@cache
def _codes() -> dict[str, str]:
    lines = Path(__file__).with_name("languages.txt").read_text(encoding="utf-8").splitlines()
    return {name: words[0] for words in map(str.split, lines) for name in words}
