"""Which option an answer chooses, as models word it."""

from __future__ import annotations

import pytest

from videochat.evaluation.extraction import chosen_option, first_letter, upstream_mvbench_holds

OPTIONS = ("a red cup", "a blue cup", "a green hat", "nothing")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("b", ""),
        ("B.", "B"),
        ("**B**", "B"),
        ("B) a blue cup", "B"),
        ("(B) a blue cup [00:14-00:18]", "B"),
        ("The answer is B.", "B"),
        ("The best answer is: (B).", "B"),
        ("Answer: B", "B"),
        ("Option C is correct.", "C"),
        ("I choose D", "D"),
        ("At first A seems right. But the answer is C.", "C"),
        ("The answer is A. No: the correct answer is C.", "C"),
        ("<think>The answer is A, surely.</think>\nD", "D"),
        ("<think>The answer is A and it never ends", ""),
        ("Let me see ... \\boxed{C}", "C"),
        ("Let me see ... \\boxed{\\text{C}}", "C"),
        ("<answer>D</answer>", "D"),
        ('```json\n{"result": "B"}\n```', "B"),
        ("A. a red cup\nB. a blue cup\nThe answer is B", "B"),
        ("It must be the green hat, so (C).", "C"),
        ("I see a green hat.", "C"),
        ("It is a BLUE cup!", "B"),
        ("I would go with B", "B"),
        ("A dog runs past.", ""),
        ("I think it's either A or B.", ""),
        ("The answer is A or B.", ""),
        ("The answer is either (A) or (C).", ""),
        ("A, B", ""),
        ("(A) or (B)", ""),
        ("a red cup and a blue cup", ""),
        ("E", ""),
        ("", ""),
        ("...", ""),
        ("I cannot tell from the video.", ""),
        ("None of these.", ""),
    ],
)
def test_choice(text: str, letter: str) -> None:
    found = chosen_option(text, OPTIONS)
    assert ("" if found is None else "ABCD"[found]) == letter


def test_letters_go_as_far_as_the_options() -> None:
    many = tuple(f"thing {n}" for n in range(14))
    assert chosen_option("N", many) == 13
    assert chosen_option("N", many[:5]) is None


def test_of_two_options_one_of_which_holds_the_other_the_longer_is_meant() -> None:
    assert chosen_option("It is the red cup.", ("the cup", "the red cup")) == 1


def test_publishers_rules_stay_as_odd_as_they_are() -> None:
    assert first_letter("The best answer is B") == "B"
    assert first_letter("Because of C") == "B"
    assert first_letter("no idea") == ""
    assert first_letter("E") == ""
    assert all(upstream_mvbench_holds(text, "B") for text in ("", "(", ")", ".", "(B) it", "b"))
    assert not upstream_mvbench_holds("(A) it", "B")
