"""The words of a text, in any language: what two texts must share to be alike by words."""

from __future__ import annotations

import re
import threading
import tomllib
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from videochat.memory.thing_names import named_things

# Scripts that put no spaces between words: Han, Kana, Hangul, Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\u0e00-\u0eff"
    "\u1000-\u109f\u1780-\u17ff"
)
# A number with a colon, point or comma inside is one word: 3:16, 10:30, 2.50.
_WORD = re.compile(rf"\d+(?:[:.,]\d+)+|[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_FOLDED = ("LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW")
_SCRIPTS = {"ARABIC": "arabic", "CYRILLIC": "russian", "GREEK": "greek", "ARMENIAN": "armenian"}


@cache
def language_data() -> dict[str, Any]:
    """Return the words by which questions are read, as `query_words.toml` has them."""
    return tomllib.loads(Path(__file__).with_name("query_words.toml").read_text(encoding="utf-8"))


@cache
def empty_words() -> frozenset[str]:
    """Return the words that match everything and so nothing, of all languages that are known."""
    return frozenset(fold(word) for words in language_data()["empty"].values() for word in words.split())


@lru_cache(65536)
def fold(word: str) -> str:
    """Return a word in lower case and without accents, where its script has those."""
    word = unicodedata.normalize("NFKC", word).casefold()
    if word.isascii():
        return word
    plain = [unicodedata.normalize("NFD", sign) for sign in word]
    return "".join(
        signs[0] if unicodedata.name(signs[0], "").startswith(_FOLDED) else sign
        for sign, signs in zip(word, plain, strict=True)
        if not unicodedata.combining(sign) or not unicodedata.name(sign, "").startswith(("COMBINING", "ARABIC"))
    )


def all_words(text: str) -> list[str]:
    """Return the words of a text as they are compared, in order; where there are no spaces, pairs of signs."""
    found: list[str] = []
    for run in _WORD.findall(unicodedata.normalize("NFKC", text)):
        if re.match(rf"[{_UNSPACED}]", run) and len(run) > 1:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        else:
            found.append(fold(run))
    return found


def content_words(text: str) -> list[str]:
    """Return the words that carry the meaning, each once, in order."""
    # Where there are no spaces, empty words are cut out before pairs are made.
    text = _unspaced_empty().sub(" ", unicodedata.normalize("NFKC", text))
    words = all_words(text)
    empty = empty_words() - _not_empty() if guess_language(words) == "en" else empty_words()
    return list(dict.fromkeys(word for word in words if word not in empty))


@cache
def _not_empty() -> frozenset[str]:
    return frozenset(language_data()["not_empty"]["en"].split())


@cache
def _unspaced_empty() -> re.Pattern[str]:
    words = sorted((w for w in empty_words() if re.match(rf"[{_UNSPACED}]", w)), key=len, reverse=True)
    return re.compile("|".join(words) or "(?!)")


def tokens(words: list[str], *, language: str | None = None) -> list[str]:
    """Return what an index of words holds for words: each, its stems, and the single signs of unspaced scripts.

    Args:
        words: of `all_words` or `content_words`.
        language: ISO 639 code, as far as known; else what the words look like.
    """
    stemmers = _stemmers(language or guess_language(words))
    found: list[str] = []
    for word in words:
        stems = {word, *(stem(word) for stem in stemmers)}
        if re.match(rf"[{_UNSPACED}]{{2}}$", word):
            stems |= set(word)
        if word[0].isdigit() and not word.isdigit():
            stems |= set(re.findall(r"\d+", word))
        found += sorted(stems)
    return found


def guess_language(words: list[str]) -> str:
    """Return the language that most of the small words belong to; English where none tells."""
    counts = {code: sum(word in small for word in words) for code, small in _small_words().items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] > counts["en"] else "en"


@cache
def _small_words() -> dict[str, frozenset[str]]:
    return {code: frozenset(map(fold, words.split())) for code, words in language_data()["empty"].items()}


@cache
def _stemmers(language: str) -> list[Any]:
    import snowballstemmer

    latin = snowballstemmer.stemmer(language_data()["stemmers"].get(language.split("-")[0].casefold(), "english"))
    others = {script: snowballstemmer.stemmer(name) for script, name in _SCRIPTS.items()}
    # A stemmer keeps the word that it works on in itself: two threads would take letters from each other.
    turn = threading.Lock()

    @lru_cache(65536)
    def stem(word: str) -> str:
        script = unicodedata.name(word[0], "").split(" ")[0]
        with turn:
            return str((others.get(script) or latin).stemWord(word))

    return [stem]


def english_names(text: str) -> list[str]:
    """Return what English captions call the things that a text in another language names, each once."""
    words = all_words(text)
    spaced, unspaced = _names()
    found: list[str] = []
    # The same letters may be an English word of another meaning.
    if guess_language(words) != "en" or not _small_words()["en"].intersection(words):
        stems = {stem for word in words for code in ("de", "es", "fr") for stem in tokens([word], language=code)}
        found += [name for stem, name in spaced.items() if stem in stems]
    # A single sign is a part of other words too.
    alone = content_words(text)
    found += [name for signs, name in unspaced.items() if (signs in text if len(signs) > 1 else signs in alone)]
    return list(dict.fromkeys(found))


@cache
def _names() -> tuple[dict[str, str], dict[str, str]]:
    spaced: dict[str, str] = {}
    unspaced: dict[str, str] = {}
    for name, languages in language_data()["english"].items():
        *latin, chinese = languages.split(" | ")
        for code, words in zip(("de", "es", "fr"), latin, strict=True):
            spaced |= {stem: name for word in words.split() for stem in tokens([fold(word)], language=code)}
        unspaced |= dict.fromkeys(chinese.split(), name)
    for code in ("de", "es", "fr"):
        for name, forms in named_things(code).items():
            words = [word for word in forms if " " not in word]
            spaced |= {stem: name for word in words for stem in tokens([fold(word)], language=code)}
    for code in ("zh", "ja"):
        unspaced |= {signs: name for name, (signs, _) in named_things(code).items()}
    return spaced, unspaced
