"""What is first, last or third, and what is there in a range, without a model."""

from __future__ import annotations

import pytest

from tests.fakes.harbour import FISH, WELCOME, Asker, Told, assert_found, told


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("What is the first text on screen?", "The screen shows: “HARBOUR STREET”", ["ocr 1-4"]),
        ("What is the second text on screen?", "The screen shows: “FRESH FISH”", ["ocr 10-13"]),
        ("What is the last text on screen?", "The screen shows: “THE END”", ["ocr 18-20"]),
        ("What is said first?", f"Somebody says: “{WELCOME}”", ["speech 2-5", "speech 5-7"]),
        ("What is the second thing that is said?", f"Somebody says: “{FISH}”", ["speech 9-12"]),
        ("What is said last?", "Somebody says: “Goodbye, my friends.”", ["speech 15-17"]),
        ("¿En qué segundo aparece el primer coche?", "Coche: aparece por primera vez en 00:00.", ["car 0-6"]),
        ("When does the first car appear?", "A car is first seen at 00:00.", ["car 0-6"]),
        ("When does the second car appear?", "A car is first seen at 00:03.", ["car 3-9"]),
        ("When is the last person seen?", "A person is last seen at 00:20.", ["person 10-20"]),
        ("When does the dog appear for the first time?", "A dog is first seen at 00:16.", ["dog 16-19"]),
    ],
)
def test_what_comes_first_and_last(ask: Asker, question: str, sentence: str, cited: list[str]) -> None:
    assert_found(ask(question), [(sentence, cited)])


def test_a_shot_by_its_number_is_told_with_what_is_in_it(ask: Asker) -> None:
    assert told(ask("What is the second shot?").findings)[0] == ("A shot of 6.0 seconds, 00:08–00:14.", ["shot 8-14"])


def test_shots_of_one_length_that_follow_each_other_are_two(ask: Asker) -> None:
    sentences = [text for text, _ in told(ask("What is the third shot?").findings)]
    assert sentences[0] == "A shot of 6.0 seconds, 00:14–00:20."
    assert "A shot of 12.0 seconds, 00:08–00:20." not in sentences


@pytest.mark.parametrize("question", ["What is the fifth text?", "What is the tenth shot?"])
def test_a_place_in_an_order_that_there_is_not_is_not_found(ask: Asker, question: str) -> None:
    assert not ask(question).found


def test_what_happens_in_a_shot_is_what_was_noted_within_it(ask: Asker) -> None:
    sentences = [text for text, _ in told(ask("What happens in the second shot?").findings)]
    assert f"Somebody says: “{FISH}”" in sentences
    assert "The screen shows: “THE END”" not in sentences


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("What is said at 16 seconds?", [("Somebody says: “Goodbye, my friends.”", ["speech 15-17"])]),
        (
            "What happens at 11 seconds?",
            [
                (f"Somebody says: “{FISH}”", ["speech 9-12"]),
                ("The screen shows: “FRESH FISH”", ["ocr 10-13"]),
                ("In sight: 1 person.", ["person 10-20"]),
            ],
        ),
        ("What can be seen in the first three seconds?", [("In sight: 1 car.", ["car 0-6"])]),
    ],
)
def test_what_is_at_a_moment(ask: Asker, question: str, sentences: Told) -> None:
    assert_found(ask(question), sentences)


def test_what_follows_a_moment_is_told_first(ask: Asker) -> None:
    found = ask("What is said after the fish is sold?")
    assert told(found.findings)[0] == ("Somebody says: “Goodbye, my friends.”", ["speech 15-17"])
