"""Errors are one tree, and a wrong name is answered with the right ones."""

from __future__ import annotations

import inspect

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


def test_unknown_name_guesses_nothing_far_off() -> None:
    assert "Did you mean" not in str(errors.UnknownName("kind", "zzz", ["speech", "ocr"]))
