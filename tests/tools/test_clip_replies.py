"""What a vision model writes about a stretch, good and bad."""

import pytest

from videochat.errors import UnknownName
from videochat.tools.clip_replies import Line, UnfitReply, check_language, instruction, read_reply, wording

STRETCH = (70.0, 80.0)
MILK = "A woman pours milk into a white bowl."


def read(reply: str, language: str = "en") -> list[tuple[float, float, str]]:
    return [(line.start_seconds, line.end_seconds, line.text) for line in read_reply(reply, STRETCH, language)]


@pytest.mark.parametrize(
    "head",
    [
        "72.0-75.5: ", "72-75.5: ", "72 - 75.5 s: ", "72.0s–75.5s: ", "[01:12-01:15.5] ", "(72.0-75.5) ",
        "1:12 to 1:15.5: ", "- 72.0-75.5: ", "1. 72.0-75.5: ", "**72.0-75.5:** ",
        "* 72.0–75.5 seconds: ", "72.0 bis 75.5: ",
    ],
)  # fmt: skip
def test_times_are_read_however_they_are_written(head: str) -> None:
    assert read(head + MILK) == [(72.0, 75.5, MILK)]


@pytest.mark.parametrize(
    "before",
    [
        "", "Sure, here is the description:\n", "Certainly! Here's what the stretch shows:\n\n",
        "Here are the lines.\n", "The following describes the stretch:\n",
        "<think>It is milk at 5.0-6.0: or so.</think>\n", "```\n",
    ],
)  # fmt: skip
def test_introductions_are_left_away(before: str) -> None:
    assert read(before + f"70.0-74.0: {MILK}\n74.0-80.0: She stirs.") == [(70, 74, MILK), (74, 80, "She stirs.")]
    assert read(before + MILK) == [(70, 80, MILK)]


def test_a_reply_without_times_is_about_all_of_it() -> None:
    assert read(f"{MILK}\nShe stirs it with a spoon.") == [(70, 80, f"{MILK} She stirs it with a spoon.")]
    assert read("Here is a man with 3 cats. He sits.") == [(70, 80, "Here is a man with 3 cats. He sits.")]
    assert read("2 people walk along a road with 3 dogs.") == [(70, 80, "2 people walk along a road with 3 dogs.")]


def test_a_line_that_goes_on_and_one_about_all() -> None:
    assert read(f"A kitchen in the morning.\n71-74: {MILK}\nThe bowl is full.") == [
        (70, 80, "A kitchen in the morning."),
        (71, 74, f"{MILK} The bowl is full."),
    ]


def test_times_a_moment_outside_are_brought_back_and_one_alone_lasts_to_the_end() -> None:
    assert read(f"69.6-80.5: {MILK}") == [(70, 80, MILK)]
    assert read(f"76.5 s: {MILK}") == [(76.5, 80, MILK)]
    (line,) = read_reply(f"80.4: {MILK}", STRETCH)
    assert line == Line(79.999, 80, MILK)


def test_what_is_read_in_the_pictures_is_no_time() -> None:
    for text in ('A clock on the wall shows "12:30".', "A board says “Leaving at 300 seconds”."):
        assert read(text) == [(70, 80, text)]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", "says nothing"),
        (" \n . ", "says nothing"),
        ("Sure, here it is:", "says nothing"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I cannot see any pictures.", "refusal"),
        ("Sure! I’m unable to view images.", "refusal"),
        (f"0.0-4.0: {MILK}", "names 0 s"),
        (f"70-74: {MILK}\n74-95: She leaves.", "names 95 s"),
        ("A man jumps at 02:30 and lands.", "names 02:30"),
        ("A man jumps at 12.5 seconds and lands.", "names 12.5 s"),
        (f"75-72: {MILK}", "back to 72 s"),
        ("Eine Frau gießt die Milch in das Glas und der Hund sitzt auf dem Boden.", "in German, not in English"),
        ("女人把牛奶倒进碗里，然后搅拌。", "not in English"),
        ("A man walks. " * 60, "too long|repeats itself"),
        ("\n".join(f"7{second % 10}.0: A man walks to the door {second}." for second in range(12)), "too long"),
        ("a man walks " * 30, "repeats itself"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_says_why(reply: str, problem: str) -> None:
    with pytest.raises(UnfitReply, match=problem) as caught:
        read(reply)
    assert "\n" not in str(caught.value)


def test_every_language_can_be_asked_for_and_is_told_apart() -> None:
    said = {
        "en": "The man is in the kitchen with a dog.",
        "de": "Der Mann ist in der Küche und eine Frau sitzt auf dem Stuhl.",
        "es": "El hombre está en la cocina con una mujer y el perro.",
        "fr": "Un homme est dans la cuisine avec une femme et le chien.",
        "it": "Il cane è nella cucina e la donna con un uomo si siede.",
        "pt": "O homem está na cozinha com uma mulher e o cão.",
        "nl": "De man zit in de keuken en een hond met een bal.",
        "ru": "Мужчина наливает молоко в чашку.",
        "ar": "الرجل في المطبخ مع كلب.",
        "zh": "男人在厨房里。",
        "ja": "男の人が台所にいます。",
        "ko": "남자가 부엌에 있다.",
    }
    assert set(said) == set(wording()["languages"])
    for code, text in said.items():
        assert [line.text for line in read_reply(text, STRETCH, code)] == [text]
        assert wording()["languages"][code]["name"] in instruction(check_language(code))
    for code, other in (("en", "ru"), ("de", "en"), ("ko", "zh"), ("fr", "de")):
        with pytest.raises(UnfitReply, match="not in"):
            read_reply(said[other] if other != "en" else "The cat is on the mat with a ball.", STRETCH, code)
    with pytest.raises(UnknownName, match="de, en"):
        check_language("xx")
