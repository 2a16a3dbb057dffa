"""What the things that detectors know are called in the languages of questions; the names are data."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

# Nouns are declined: of a longer name the stem is looked for, with any ending.
_DECLINED = {"ru": re.compile(r"[аеёиоуыэюяьй]$"), "pl": re.compile(r"[aąeęioóuy]$")}
_LEAST_STEM = 4  # letters
_ENDINGS = {"tr": "(?:l[ae]r)?", "ko": "(?:이|가|은|는|을|를|도|의|와|과)?"}
_ARTICLE = {"ar": "(?:ال)?"}


def detected_things() -> tuple[str, ...]:
    """Return the labels of the detectors that are usual: COCO's things."""
    return tuple(_names()["en"])


@cache
def named_things(language: str) -> dict[str, tuple[str, str]]:
    """Return what the things are called for one and for several, by label; nothing in a language that is not known.

    Args:
        language: ISO 639 code.
    """
    return dict(zip(detected_things(), map(_forms, _names().get(language, [])), strict=False))


def thing_patterns(language: str) -> dict[str, str]:
    """Return regular expressions for the names of things as questions have them, in lower case, with their labels.

    Args:
        language: ISO 639 code.
    """
    found: dict[str, str] = {}
    for label, forms in named_things(language).items():
        # A single sign of Korean is a part of many words.
        words = [word for word in dict.fromkeys(forms) if not (language == "ko" and len(word) == 1)]
        pattern = "|".join(_in_sentence(language, word.casefold()) for word in words)
        if pattern:
            found[pattern] = label
    # Names of several words first: a baseball bat is no bat.
    return dict(sorted(found.items(), key=lambda item: -item[0].count(" ")))


def label_in(language: str, label: str, count: int) -> str:
    """Return what a label of a detector is called in another language; the label itself where that is not known.

    Args:
        language: ISO 639 code.
        label: such as `person`.
        count: of how many.
    """
    one, several = named_things(language).get(label, (label, label))
    return several if count != 1 else one


@cache
def _names() -> dict[str, list[str]]:
    text = Path(__file__).with_name("thing_names.toml").read_text(encoding="utf-8")
    return {code: [" ".join(n.split()) for n in names.split(",")] for code, names in tomllib.loads(text).items()}


def _forms(names: str) -> tuple[str, str]:
    one, _, several = names.partition("/")
    return one, several or one


def _in_sentence(language: str, word: str) -> str:
    ending = _DECLINED.get(language)
    root = ending.sub("", word) if ending and " " not in word else word
    if ending and " " not in word and len(root) >= _LEAST_STEM:
        return rf"{re.escape(root)}\w{{0,3}}"
    return f"{_ARTICLE.get(language, '')}{re.escape(word)}{_ENDINGS.get(language, '')}"
