"""Errors are one tree, and a wrong name is answered with the right ones."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from videochat import errors

OURS = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_every_error_is_in_the_tree_and_in_its_drawing(error: type[Exception]) -> None:
    assert issubclass(error, errors.VideoChatError)
    assert error.__name__ in (errors.__doc__ or "")


def test_unknown_name_is_also_a_value_error() -> None:
    error = errors.UnknownName("preset", "bultin", ["full", "builtin"])
    assert isinstance(error, ValueError)
    assert str(error) == ("There is no preset 'bultin'; the known ones are builtin, full. Did you mean 'builtin'?")


def test_a_name_of_a_megabyte_is_shortened() -> None:
    assert len(str(errors.UnknownName("video", "x" * 1_000_000, ["a.mp4"]))) < 400


def test_unknown_name_guesses_nothing_far_off() -> None:
    assert "Did you mean" not in str(errors.UnknownName("kind", "zzz", ["speech", "ocr"]))


@pytest.mark.parametrize(("value", "above"), [("a", None), (True, None), (None, None), (0, 0), (float("nan"), 0)])
def test_what_is_no_number_or_too_small_is_refused(value: object, above: float | None) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"^rate must be a number( above 0)?, got"):
        errors.check_number("rate", value, above=above)


def test_numbers_pass() -> None:
    errors.check_number("rate", 1)
    errors.check_number("rate", 0.5, above=0)
    errors.check_number("rate", np.float32(0.5), above=0)


def test_the_first_line_of_an_error() -> None:
    assert errors.first_line(ValueError("one\ntwo")) == "one"
    assert errors.first_line(KeyError()) == "KeyError"
