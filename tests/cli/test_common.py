"""What the commands share."""

import argparse

import pytest

from videochat.cli.common import (
    add_command,
    add_group,
    fail_usage,
    finite_option,
    kind_option,
    price_option,
    time_option,
)


def test_times_are_seconds_or_clock_texts() -> None:
    assert time_option("1:05") == 65
    with pytest.raises(argparse.ArgumentTypeError, match="'soon' is no time; write seconds"):
        time_option("soon")


def test_a_number_is_finite_and_a_price_is_not_negative() -> None:
    assert (finite_option("-2.5"), price_option("0.4")) == (-2.5, 0.4)
    for text in ("nan", "inf", "-inf", "abc"):
        with pytest.raises(argparse.ArgumentTypeError, match="finite"):
            finite_option(text)
    for text in ("nan", "-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            price_option(text)


def test_kinds_and_senses_name_kinds() -> None:
    assert kind_option("speech") == "speech"
    assert kind_option("captions") == "clip_caption"
    with pytest.raises(argparse.ArgumentTypeError, match="no kind 'smell'; the known ones are action"):
        kind_option("smell")


def test_debug_is_taken_after_every_command_and_group() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--debug", action="store_true")
    commands = parser.add_subparsers()
    add_command(commands, "fly", lambda _: 0, "fly away")
    add_command(add_group(commands, "group", "things in a group"), "swim", lambda _: 0, "swim away")
    for line in (["fly", "--debug"], ["--debug", "fly"], ["group", "--debug", "swim"], ["group", "swim", "--debug"]):
        assert parser.parse_args(line).debug, line
    assert not parser.parse_args(["group", "swim"]).debug


def test_wrong_usage_is_told_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail_usage("embed train", ValueError("epochs must be above 0")) == 2
    assert capsys.readouterr().err == "videochat embed train: epochs must be above 0\n"
