"""Subtitle files as text: old ones do not say in which encoding they are."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from videochat.errors import MediaError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What every subtitle file has some of, whatever its format.
_TELLING = re.compile(r"-->|\[Events\]|\[Script Info\]")
_LATIN = ("cp1252", "cp1250", "cp1254", "cp1257")
_OTHER = ("cp1251", "koi8-r", "gb18030", "big5", "cp932", "euc-jp", "cp949", "cp1253", "cp1255", "cp1256", "cp874")
_OF_LANGUAGE = {
    "cs hu pl sk sl hr bs ro sq": ("cp1250",),
    "tr az": ("cp1254",),
    "lt lv et": ("cp1257",),
    "ru uk be bg mk sr": ("cp1251", "koi8-r", "cp866"),
    "zh": ("gb18030", "big5"),
    "ja": ("cp932", "euc-jp"),
    "ko": ("cp949",),
    "el": ("cp1253",),
    "he": ("cp1255",),
    "ar fa ur": ("cp1256",),
    "th": ("cp874",),
    "en fr de es pt it nl sv da no fi is ca": ("cp1252",),
}
# A word of another script has hardly a letter of ASCII; one of a Latin script has mostly such.
_WORD = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_KANA = re.compile(r"[\u3041-\u30fa]")
_LATIN_SHARE = 0.55
_LEAST_CONFIDENCE = 0.05
# How much likelier than western Europe's another Latin code page must be to be taken.
_LIKELIER = 1.5
_DETECTED_BYTES = 200_000


@dataclass(frozen=True)
class DecodedText:
    """A subtitle file as text."""

    text: str
    """With line feeds for all ends of lines."""
    encoding: str
    """What it was read as."""
    guessed: bool
    """Whether nothing but its letters says so."""
    bad_bytes: int
    """How many bytes are none of the encoding; each stands as U+FFFD."""


def decode_subtitles(data: bytes, language: str | None = None) -> DecodedText:
    """Return a subtitle file as text.

    A mark at the beginning, or zero bytes, tell Unicode; what is UTF-8 but for a few bytes is UTF-8; else the letters
    tell (chardet), within the encodings of the language where the file's name has one.

    Args:
        data: the file.
        language: ISO 639-1 code that its name gives.

    Raises:
        MediaError: nothing fits.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decoded(data.removeprefix(mark), encoding, guessed=False)
    if b"\0" in data:
        for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
            if _TELLING.search(data.decode(encoding, errors="replace")):
                return _decoded(data, encoding, guessed=True)
    text = data.decode("utf-8", errors="replace")
    bad = text.count("\ufffd") - data.count("\ufffd".encode())
    # Letters of another encoding hardly ever make letters of UTF-8.
    if bad <= sum(character > "\x7f" and character != "\ufffd" for character in text):
        return _decoded(data, "utf-8", guessed=False)
    return _decoded(data, _detected(data, language), guessed=True)


def _decoded(data: bytes, encoding: str, *, guessed: bool) -> DecodedText:
    text = data.decode(encoding, errors="replace")
    bad = text.count("\ufffd") - ("\ufffd".encode(encoding) in data if encoding.startswith("utf") else 0)
    return DecodedText(text.replace("\r\n", "\n").replace("\r", "\n"), encoding, guessed, max(bad, 0))


def _detected(data: bytes, language: str | None) -> str:
    import chardet

    # Times and English lines would only dilute what tells.
    telling = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_DETECTED_BYTES]
    words = b"".join(_WORD.findall(telling))
    latin = sum(byte > 0x7F for byte in words) < _LATIN_SHARE * len(words)
    for encoding in ("cp932", "euc-jp"):
        # chardet does not know lines of hiragana alone.
        if _fits(telling, encoding) and len(_KANA.findall(telling.decode(encoding))) * 2 * 2 > len(words):
            return encoding
    named = [encodings for languages, encodings in _OF_LANGUAGE.items() if language in languages.split()]
    if named and latin == (named[0][0] in _LATIN) and _fits(telling, named[0][0]) and len(named[0]) == 1:
        return named[0][0]
    include = named[0] if named and latin == (named[0][0] in _LATIN) else _LATIN if latin else _OTHER
    found = {
        str(each["encoding"]): float(each["confidence"] or 0)
        for each in chardet.detect_all(
            telling,
            ignore_threshold=True,
            compat_names=False,
            include_encodings=include,
            no_match_encoding=include[0],
        )
        if each["encoding"] and _fits(telling, str(each["encoding"]))
    }
    best = max(found, key=lambda encoding: found[encoding], default="")
    if latin:
        usual = found.get("cp1252", 0.0)
        return best if best and (found[best] > _LIKELIER * usual) else "cp1252"
    if not best or found[best] < _LEAST_CONFIDENCE:
        raise MediaError("its encoding is not known: it is not UTF-8, and too short to tell; save it as UTF-8")
    return best


def _fits(data: bytes, encoding: str) -> bool:
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return not re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]", text)
