"""Sentences in the language of a question, and what its words ask for."""

import re
import tomllib
from pathlib import Path

import pytest

from videochat.agent import phrases
from videochat.agent.phrases import LANGUAGES, Phrases, follow_up_words, is_refusal, language_of, plural

WORDS = tomllib.loads(Path(phrases.__file__).with_name("answer_words.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("When is the milk poured?", "en"),
        ("Wann ist es am dunkelsten?", "de"),
        ("¿Cuándo se vierte la leche?", "es"),
        ("Quand est-ce que le lait est versé ?", "fr"),
        ("牛奶什么时候倒", "zh"),
        ("ミルクはいつ", "ja"),
        ("Когда?", "ru"),
        ("Quantas pessoas aparecem?", "pt"),
        ("Quante persone si vedono?", "it"),
        ("कोई इंसान दिखता है?", "hi"),
        ("사람이 몇 명 보입니까?", "ko"),
        ("متى؟", "ar"),
        ("Kaç araba var?", "tr"),
        ("Hoeveel auto's zijn er?", "nl"),
        ("Ile samochodów widać?", "pl"),
        ("O filme é a cores?", "pt"),
        ("מתי?", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_that_of_the_question_or_english(question: str, language: str) -> None:
    assert language_of(question) == language
    assert Phrases(question).language == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_is_filled_with_the_same_values_in_every_language(language: str) -> None:
    for key, text in WORDS[language].items():
        english = set(re.findall(r"\{(\w+)\}", WORDS["en"][key]))
        assert set(re.findall(r"\{(\w+)\}", text)) == english, key


def test_what_a_language_lacks_is_said_in_english() -> None:
    assert not Phrases("ミルクはいつ").knows("sound")
    assert Phrases("ミルクはいつ")("sound") == "The video has sound."
    assert Phrases("牛奶什么时候倒")("sound") == "视频有声音。"


def test_a_sentence_begins_with_a_capital_and_ends_with_one_stop() -> None:
    say = Phrases("What?")
    assert say("noted", what="a man walks") == say("noted", what="a man walks.") == "A man walks."
    assert say("noted", what="who is it?") == "Who is it?"
    assert say("said", what="Is it hot?") == "Somebody says: “Is it hot?”"


def test_a_word_within_a_sentence_has_no_capital() -> None:
    say = Phrases("How big is it?")
    said = say("size", width=640, height=360, shape=say("landscape"), rate="25")
    assert said == "The picture is 640 x 360 pixels (landscape), 25 frames a second."


@pytest.mark.parametrize(
    ("question", "topic", "direction"),
    [
        ("When is it darkest?", "lightness", -1),
        ("When is it brightest?", "lightness", 1),
        ("Wann ist es am dunkelsten?", "lightness", -1),
        ("When does the camera move most?", "camera_speed", 1),
        ("Where is the calmest part?", "moving_share", -1),
        ("What colours are there?", "colours", 0),
        ("Which is the longest shot?", "length", 1),
        ("最短的镜头是哪个？", "length", -1),
        ("When is the milk poured?", "", 0),
    ],
)
def test_what_is_measured_and_which_end_of_it(question: str, topic: str, direction: int) -> None:
    say = Phrases(question)
    assert (say.topic, say.direction) == (topic, direction)


@pytest.mark.parametrize(
    ("question", "number"),
    [("When are three people in sight?", 3), ("when are 12 cups there", 12), ("Who won in 1961?", 0), ("Who?", 0)],
)
def test_the_number_that_a_question_names(question: str, number: int) -> None:
    assert Phrases(question).number == number


@pytest.mark.parametrize(
    ("question", "groups"),
    [
        ("How many cuts are there?", {"cut", "thing"}),
        ("Which shot has a sign?", {"shot", "ocr"}),
        ("Is anyone talking?", {"speech", "person"}),
        ("Is there sound?", {"sound", "thing"}),
        ("What resolution is it?", {"size"}),
        ("Wird gesprochen?", {"speech"}),
        ("有几个镜头？", {"shot"}),
        ("Why?", {"why"}),
        ("Hm?", set()),
    ],
)
def test_the_groups_of_words_that_a_question_has(question: str, groups: set[str]) -> None:
    assert {name for name in WORDS["means"] if Phrases(question).means(name)} >= groups
    assert bool(groups) or not any(Phrases(question).means(name) for name in WORDS["means"])


def test_of_several_groups_the_one_named_first() -> None:
    assert Phrases("how many cuts and shots").first("cut", "shot") == "cut"
    assert Phrases("how many shots and cuts").first("cut", "shot") == "shot"
    assert Phrases("how many cups").first("cut", "shot") == ""


def test_a_word_is_of_a_group_only_as_a_whole_and_with_or_without_accents() -> None:
    say = Phrases("x")
    assert say.is_word("ocr", "slides")
    assert say.is_word("ocr", "écran")
    assert say.is_word("ocr", "ecran")
    assert not say.is_word("ocr", "slideshow")


def test_things_are_named_as_in_a_sentence() -> None:
    say, german = Phrases("How many?"), Phrases("Wie viele sind das?")
    assert [say.listed("abc"), say.listed("ab"), say.listed("a"), say.listed("")] == ["a, b and c", "a and b", "a", ""]
    assert german.listed("ab") == "a und b"
    assert (say.one("apple"), say.one("cup"), german.one("cup")) == ("an apple", "a cup", "Tasse")
    assert (say.many(1, "cup"), say.many(2, "person"), german.many(2, "cup")) == ("1 cup", "2 people", "2 Tassen")
    assert (say.place("upper", "left"), say.place("", "centre")) == ("upper left", "centre")
    assert german.place("upper", "left") == "oben links"


@pytest.mark.parametrize(
    ("label", "several"),
    [
        ("cup", "cups"),
        ("bus", "buses"),
        ("wine glass", "wine glasses"),
        ("cherry", "cherries"),
        ("toy", "toys"),
        ("kitchen knife", "kitchen knives"),
        ("sheep", "sheep"),
    ],
)
def test_an_english_noun_for_several(label: str, several: str) -> None:
    assert plural(label) == several


@pytest.mark.parametrize(
    ("question", "spans"),
    [
        ("Is it brighter at the start or at the end?", [(0, 20), (80, 100)]),
        ("Compare the first and the second half.", [(0, 50), (50, 100)]),
        ("Is it darker at 0:10 or at 0:50?", [(9.5, 11), (49.5, 51)]),
        ("¿Es más oscuro al principio o al final?", [(0, 20), (80, 100)]),
        ("Is it darker at the end?", []),
        ("What is different?", []),
    ],
)
def test_the_two_places_that_a_comparison_names(question: str, spans: list[tuple[float, float]]) -> None:
    say = Phrases(question)
    assert say.two_moments(say.text, 100.0) == spans


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("Nothing noted in the video answers this.", True),
        (" nothing NOTED in the video answers this (watched for: cuts).", True),
        ("(B) Nothing noted in the video answers this", True),
        ("The video does not show this.", True),
        ("Nichts, was im Video bemerkt wurde, beantwortet das.", True),
        ("视频中记录的内容没有回答这个问题。", True),
        ("Milk [1]. Nothing noted in the video answers this.", False),
        ("Nothing else happens [1].", False),
        ("", False),
    ],
)
def test_a_refusal_is_known_at_the_beginning_in_every_language(text: str, refuses: bool) -> None:
    assert is_refusal(text) is refuses


@pytest.mark.parametrize(
    ("group", "question"),
    [
        ("then", "what happens then?"),
        ("then", "und dann?"),
        ("before", "and before that?"),
        ("refers", "who is he?"),
        ("goes_on", "and the milk?"),
        ("goes_on", "what about the milk?"),
        ("alone", "is it a long video?"),
    ],
)
def test_the_words_by_which_a_question_goes_on(group: str, question: str) -> None:
    assert re.search(follow_up_words()[group], question)
    assert not re.search(follow_up_words()[group], "when is the milk poured?")
