"""Questions in languages that are read by an English gloss."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from videochat.memory import gloss
from videochat.memory.gloss import as_asked, gloss_language, glossed
from videochat.memory.query import Asks, Query

WORDS = tomllib.loads(Path(gloss.__file__).with_name("gloss_words.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("question", "asks", "subject"),
    [
        ("Сколько длится это видео?", "length", []),
        ("Есть ли в видео собака?", "presence", ["dog"]),
        ("Сколько людей видно?", "count", ["person"]),
        ("Когда появляется первая машина?", "when", ["car"]),
        ("Há um cão no vídeo?", "presence", ["dog"]),
        ("Quantos carros aparecem?", "count", ["car"]),
        ("C'è un cane nel video?", "presence", ["dog"]),
        ("C’è un cane nel video?", "presence", ["dog"]),
        ("Qual è la durata del video?", "length", []),
        ("Cosa succede nel video?", "summary", []),
        ("कोई इंसान दिखता है?", "presence", ["person"]),
        ("वीडियो कितना लंबा है?", "length", []),
        ("강아지가 있습니까?", "presence", ["dog"]),
        ("이 영상은 얼마나 깁니까?", "length", []),
        ("İlk araba ne zaman görünüyor?", "when", ["car"]),
        ("Videoda köpek var mı?", "presence", ["dog"]),
        ("كم سيارة تظهر في الفيديو؟", "count", ["car"]),
        ("هل هناك كلب في الفيديو؟", "presence", ["dog"]),
        ("Hoeveel auto's zijn er?", "count", ["car"]),
        ("Is er een hond in de video?", "presence", ["dog"]),
        ("Ile sekund trwa ten film?", "length", []),
        ("Ile samochodów widać?", "count", ["car"]),
    ],
)
def test_a_question_is_read_as_the_same_in_english(question: str, asks: Asks, subject: list[str]) -> None:
    query = Query.parse(question, 60.0)
    assert (query.asks, list(query.subject)) == (asks, subject)
    assert query.text == question


def test_order_kind_and_time_are_read_too() -> None:
    last = Query.parse("Qual é a última frase que se ouve?", 60.0)
    assert (last.ordinal and last.ordinal.position, last.ordinal and last.ordinal.kind) == (-1, "speech")
    assert Query.parse("Что говорят в конце?", 60.0).span == (54.0, 60.0)
    assert Query.parse("Что написано на экране?", 60.0).kinds == ("ocr",)


def test_captions_in_the_language_of_the_question_are_sought_as_well() -> None:
    terms = Query.parse("Когда появляется красная машина?", 60.0).terms
    assert {"car", "red", "машина", "красная"} <= set(terms)


@pytest.mark.parametrize(
    "question",
    [
        "When is the milk poured?",
        "¿Quién habla?",
        "Hay un perro?",
        "Combien de voitures ?",
        "牛奶呢?",
        "Da?",
        "",
        "מתי?",
    ],
)
def test_other_languages_stay_as_they_are(question: str) -> None:
    assert gloss_language(question) == ""
    assert glossed(question) == question


@pytest.mark.parametrize(
    ("question", "english", "word"),
    [
        ("C'è un cane nel video?", "dog", "cane"),
        ("В какой момент картинка самая тёмная?", "darkest", "самая тёмная"),
        ("Is there a dog?", "dog", "dog"),
        ("C'è un cane nel video?", "cat", "cat"),
    ],
)
def test_the_word_of_the_question_that_an_english_one_stands_for(question: str, english: str, word: str) -> None:
    assert as_asked(question, english) == word


@pytest.mark.parametrize("code", WORDS)
def test_every_entry_is_read(code: str) -> None:
    for pattern, english in WORDS[code]["words"].items():
        assert re.compile(pattern).groups == 0, pattern
        assert english.isascii(), pattern


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("O que foi roubado?", {"stolen"}),
        ("In quale aula è la lezione?", {"room", "class"}),
        ("Che cosa è stato rubato?", {"stolen"}),
        ("Какая домашняя работа на пятницу?", {"homework", "friday"}),
        ("Qual é a tarefa para sexta-feira?", {"homework", "friday"}),
    ],
)
def test_what_is_said_in_english_is_found_by_common_words(question: str, english: set[str]) -> None:
    assert english <= set(glossed(question).strip("?").split())
    assert "state" not in glossed(question)
