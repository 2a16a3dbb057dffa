"""The words of texts in many languages, and those that carry the meaning of a question."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from videochat.memory.words import (
    all_words,
    content_words,
    english_names,
    fold,
    guess_language,
    tokens,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("When is the MILK poured into the milk?", ["milk", "poured"]),
        ("Find the footage in which the chef's knife appears", ["chef", "knife"]),
        ("What happens at the end of the video?", []),
        ("牛奶 在哪里", ["牛奶"]),
        ("牛奶什么时候倒", ["牛奶", "倒"]),
        ("Wann wird die Milch gegossen?", ["milch", "gegossen"]),
        ("¿Cuándo se vierte la leche?", ["vierte", "leche"]),
        ("Quand verse-t-on le lait ?", ["verse", "lait"]),
        ("What is said about John 3:16?", ["said", "john", "3:16"]),
        ("", []),
    ],
)
def test_words_that_carry_the_meaning(text: str, words: list[str]) -> None:
    assert content_words(text) == words


def test_all_words_in_order() -> None:
    assert all_words("The chef's knife, THE knife.") == ["the", "chef", "s", "knife", "the", "knife"]
    assert all_words("我们倒牛奶") == ["我们", "们倒", "倒牛", "牛奶"]


@pytest.mark.parametrize(
    ("word", "folded"), [("Été", "ete"), ("Ёлка", "елка"), ("が", "が"), ("ที่", "ที่"), ("ﬁne", "fine")]
)
def test_accents_are_folded_where_they_are_accents(word: str, folded: str) -> None:
    assert fold(word) == folded


@pytest.mark.parametrize(
    ("question", "caption", "language"),
    [
        ("dogs barking", "a dog barks", None),
        ("牛奶", "我们先倒牛奶", None),
        ("奶", "我们先倒牛奶", None),
        ("ぎゅうにゅう", "ぎゅうにゅうをそそぐ", None),
        ("우유", "우유를 붓다", None),
        ("นม", "เทนมลงในชาม", None),
        ("الكتاب", "كتاب على الطاولة", None),
        ("die Häuser", "das Haus ist in der Stadt", "de"),
        ("собаки", "собака бежит", None),
        ("the 10:30 train", "the train at 10:30", None),
    ],
)
def test_what_is_said_is_found_in_its_language(question: str, caption: str, language: str | None) -> None:
    asked = tokens(content_words(question), language=language)
    assert set(asked) & set(tokens(all_words(caption), language=language))


def test_the_language_is_told_by_its_small_words() -> None:
    assert guess_language(["wann", "wird", "die", "milch", "in", "die", "tasse", "gegossen"]) == "de"
    assert guess_language(["donde", "esta", "el", "perro"]) == "es"
    assert guess_language(["milk"]) == "en"


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Wann fährt das rote Auto vorbei?", {"red", "car"}),
        ("¿Dónde están los perros blancos?", {"dog", "white"}),
        ("quand voit-on les oiseaux", {"bird"}),
        ("牛奶什么时候倒", {"milk"}),
        ("rotes Auto", {"red", "car"}),
        ("Does he feel pain in the leg?", set()),
        ("the bus", set()),
    ],
)
def test_things_are_named_as_english_captions_name_them(question: str, names: set[str]) -> None:
    assert names <= set(english_names(question))
    assert bool(names) is bool(english_names(question))


def test_threads_do_not_take_letters_from_each_other() -> None:
    # Each word once, so that none is remembered; the endings are those that stemmers work on most.
    words = [
        f"{start}{number}{end}" for number in range(600) for start, end in (("tele", "izations"), ("o", "fulness"))
    ]
    words = [word.translate(str.maketrans("0123456789", "abcdefghij")) for word in words]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [tokens([word], language="en") for word in words], range(4)))
    assert all(each == found[0] for each in found)
    assert tokens(["teleaizations"], language="en") == ["teleaiz", "teleaizations"]


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("Was wurde gestohlen?", ["stolen"]),
        ("Qu'est-ce qu'on aurait volé ?", ["stolen"]),
        ("¿En qué aula es la clase?", ["room", "class"]),
        ("宝石はいつ話題になりますか", ["jewels"]),
        ("Combien de temps dure la vidéo ?", []),
        ("Il a été vu où ?", []),
        ("Was ist hier zu sehen?", []),
    ],
)
def test_what_captions_in_english_call_it(question: str, english: list[str]) -> None:
    assert english_names(question) == english


def test_a_small_word_of_one_language_may_carry_the_meaning_in_another() -> None:
    assert content_words("Does the man wear a hat?") == ["man", "wear", "hat"]
    assert content_words("Was hat man in der Hand?") == ["hand"]
