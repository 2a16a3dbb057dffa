"""Clock texts and half-open intervals."""

import math

import pytest

from videochat.errors import InvalidArgument
from videochat.intervals import (
    check_interval,
    clock,
    clock_range,
    fit_interval,
    merge_intervals,
    missing_intervals,
    parse_clock,
    parse_range,
)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "00:00"),
        (65, "01:05"),
        (65.9, "01:05"),
        (0.1 + 0.7 + 64.2, "01:05"),
        (59.9999, "01:00"),
        (59.999, "00:59"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3725.4, "1:02:05"),
        (36_000, "10:00:00"),
    ],
)
def test_clock(seconds: float, written: str) -> None:
    assert clock(seconds) == written


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf])
def test_clock_refuses_what_is_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="needs seconds >= 0"):
        clock(seconds)


@pytest.mark.parametrize(("start", "end", "written"), [(42, 47, "00:42-00:47"), (4.2, 8.1, "00:04-00:09")])
def test_clock_range_covers_the_moment(start: float, end: float, written: str) -> None:
    assert clock_range(start, end) == written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("65", 65), ("1:05", 65), ("01:05.5", 65.5), ("1:02:05", 3725), (" 0:07 ", 7), ("90.25", 90.25)],
)
def test_clock_texts_are_read(text: str, seconds: float) -> None:
    assert parse_clock(text) == seconds


@pytest.mark.parametrize("seconds", [0, 7, 65, 3599, 3600, 3725, 100_000])
def test_parsing_is_the_inverse_of_writing(seconds: int) -> None:
    assert parse_clock(clock(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1:2:3:4", "-5", "1:", "5s", "٣:١٥"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="is no time; write seconds"):
        parse_clock(text)


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (-1, 1), (math.nan, 1), (0, math.inf), (0, math.nan)])
def test_what_is_no_interval_is_refused(start: float, end: float) -> None:
    with pytest.raises(InvalidArgument, match="0 <= start_seconds < end_seconds"):
        check_interval(start, end)


def test_an_interval_may_have_an_open_end() -> None:
    check_interval(3, math.inf, open_end=True)
    with pytest.raises(InvalidArgument):
        check_interval(3, 3, open_end=True)


def test_an_interval_is_fitted_into_a_duration() -> None:
    assert fit_interval(2, None, 10) == (2, 10)
    assert fit_interval(2, 99, 10) == (2, 10)
    with pytest.raises(InvalidArgument, match=r"'x' lasts 10.00 s \(00:10\)\.$"):
        fit_interval(10, None, 10, "'x'")
    with pytest.raises(InvalidArgument, match="needs 0 <= start < end"):
        fit_interval(5, 3, 10)


def test_touching_intervals_merge() -> None:
    assert merge_intervals([(4, 6), (0, 2), (2, 3), (5, 5.5), (7, 7)]) == [(0, 3), (4, 6)]
    assert merge_intervals([]) == []


def test_what_is_missing() -> None:
    assert missing_intervals([(1, 2), (4, 5)], 0, 6) == [(0, 1), (2, 4), (5, 6)]
    assert missing_intervals([(0, 9)], 2, 6) == []
    assert missing_intervals([(3, 9), (0, 2.9999999)], 2, 6) == []
    assert missing_intervals([(7, 9)], 2, 6) == [(2, 6)]
    assert missing_intervals([], 2, 6) == [(2, 6)]


def test_what_no_video_lasts_is_short_all_the_same() -> None:
    assert clock(1e308) == "1e+308 s"
    assert clock(999_999_999) == "277777:46:39"


def test_ranges_are_read_as_answers_write_them() -> None:
    assert parse_range("[00:42-00:47]") == (42, 47)
    assert parse_range("1:02:05.5") == (3725.5, None)
    assert parse_range("3 – 5") == (3, 5)
    for wrong in ("0:47-0:42", "5-5", "-5", "5-", "a-b", ""):
        with pytest.raises(InvalidArgument):
            parse_range(wrong)
