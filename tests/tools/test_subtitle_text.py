"""Subtitle files in old encodings are read as what they are."""

from __future__ import annotations

import pytest

from videochat.errors import MediaError
from videochat.tools.subtitle_text import decode_subtitles

WORDS = {
    "cp1251": ["Привет, мир", "Я не знаю, что тебе сказать."],
    "koi8-r": ["Привет, мир", "вторая строка"],
    "gb18030": ["你好，世界", "第二行字幕"],
    "big5": ["你好，世界", "我不知道該怎麼辦。"],
    "cp932": ["こんにちは、世界", "どうすればいいのかわからない。", "二行目の字幕"],
    "euc-jp": ["こんにちは、世界", "どうすればいいのかわからない。"],
    "cp949": ["안녕하세요, 세계", "두 번째 줄"],
    "cp1252": ["Déjà vu", "Größe", "niño", "It’s “fine” …", "naïve"],
    "cp1250": ["Příliš žluťoučký kůň úpěl ďábelské ódy"],
    "cp1253": ["Γειά σου κόσμε, δεν ξέρω τι να κάνω."],
    "cp1255": ["שלום עולם"],
    "cp1256": ["مرحبا بالعالم"],
    "cp874": ["ฉันไม่รู้จะทำอย่างไร"],
}


def srt(*words: str) -> str:
    return "".join(f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{text}\n\n" for n, text in enumerate(words, 1))


@pytest.mark.parametrize(("encoding", "words"), [(e, w) for e, several in WORDS.items() for w in several])
def test_a_line_in_an_old_encoding_is_read(encoding: str, words: str) -> None:
    read = decode_subtitles(srt("Hello", words).encode(encoding))
    assert (read.text, read.guessed, read.bad_bytes) == (srt("Hello", words), True, 0)


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-32", "utf-8-sig", "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("words", ["Café über", "你好", "plain"])
def test_unicode_is_read_with_and_without_its_mark(encoding: str, words: str) -> None:
    assert decode_subtitles(srt(words).encode(encoding)).text == srt(words)


def test_marks_of_both_byte_orders_are_known() -> None:
    for mark, encoding in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"), (b"\0\0\xfe\xff", "utf-32-be")):
        read = decode_subtitles(mark + srt("é").encode(encoding))
        assert (read.text, read.encoding, read.guessed) == (srt("é"), encoding, False)


def test_one_bad_byte_in_utf_8_spoils_nothing_else() -> None:
    read = decode_subtitles(
        srt("Café über", "na\N{REPLACEMENT CHARACTER}ve").encode().replace("\ufffd".encode(), b"\xef")
    )
    assert (read.encoding, read.bad_bytes) == ("utf-8", 1)
    assert "Café über" in read.text
    assert "na\ufffdve" in read.text


def test_all_ends_of_lines_are_one() -> None:
    assert decode_subtitles(b"a\r\nb\rc\nd").text == "a\nb\nc\nd"


def test_the_language_of_the_name_decides_between_those_that_are_alike() -> None:
    assert decode_subtitles(srt("İyi akşamlar").encode("cp1254"), "tr").text == srt("İyi akşamlar")
    # A name that is wrong does not make nonsense of another script.
    assert decode_subtitles(srt("Привет, мир").encode("cp1251"), "fr").text == srt("Привет, мир")


def test_what_nobody_can_tell_is_refused_in_a_sentence() -> None:
    with pytest.raises(MediaError, match="encoding is not known"):
        decode_subtitles(b"1\n00:00:01,000 --> 00:00:02,000\n\xff\xfd\xfe\xf0\xff\n")
