"""Times that a question or an answer names, in whatever wording."""

import pytest

from videochat.intervals import Interval
from videochat.memory.times import moments_in, named_time, number_words, without_times, word_patterns


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("At 0:45 the milk is poured.", (44.5, 46)),
        ("(0:45)", (44.5, 46)),
        ("At ０:４５ the milk is poured.", (44.5, 46)),
        ("At ٠:٤٥ the milk is poured.", (44.5, 46)),
        ("At 0:\u200b45 the milk is poured.", (44.5, 46)),
        ("At second 45", (44.5, 46)),
        ("At second forty-five", (44.5, 46)),
        ("Forty-five seconds in, it is poured.", (44.5, 46)),
        ("Twenty-five seconds in, it is poured.", (24.5, 26)),
        ("at the 45 second mark", (44.5, 46)),
        ("at t=45s", (44.5, 46)),
        ("half a minute in", (29.5, 31)),
        ("at 1 minute and 5 seconds", (64.5, 66)),
        ("Bei Sekunde 45 wird gegossen.", (44.5, 46)),
        ("Nach 45 Sekunden wird gegossen.", (44.5, 46)),
        ("en el segundo 45", (44.5, 46)),
        ("au bout de 45 secondes", (44.5, 46)),
        ("第45秒倒牛奶", (44.5, 46)),
        ("一分五秒", (64.5, 66)),
        ("between 10 and 20 seconds", (10, 20)),
        ("from 0:10 to 0:20", (10, 20)),
        ("in the last ten seconds", (110, 120)),
        ("within the first 10 seconds", (0, 10)),
        ("20 seconds before the end", (99.5, 101)),
        ("after 0:50", (50, 120)),
        ("just before 0:50", (0, 50)),
        ("in the second minute", (60, 120)),
        ("It boils for 3 minutes at 0:45.", (44.5, 46)),
    ],
)
def test_the_moment_that_a_statement_names(text: str, moment: Interval) -> None:
    assert moments_in(text, 120.0) == [pytest.approx(moment)]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("At 99:59 it ends.", (5999, 6000)),
        ("at 1:02:03", (3723, 3724)),
        ("90 minutes in", (5400, 5401)),
        ("an hour and five minutes in", (3900, 3901)),
    ],
)
def test_a_moment_after_the_end_is_one_too(text: str, moment: Interval) -> None:
    assert moments_in(text, 120.0) == [pytest.approx(moment)]


@pytest.mark.parametrize("text", ["minute seven", "in Minute sieben", "minute 7"])
def test_a_minute_is_the_two_minutes_around_it(text: str) -> None:
    assert moments_in(text, 600.0) == [pytest.approx((360, 480), abs=1.0)]


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("First at 0:50 and again at 0:10.", [49.5, 9.5]),
        ("At 0:10, at second 45 and in the last ten seconds.", [9.5, 44.5, 110]),
        ("At 0:50 and 0:10.", [49.5, 9.5]),
    ],
)
def test_every_moment_of_a_statement_is_found(text: str, starts: list[float]) -> None:
    assert sorted(start for start, _ in moments_in(text, 120.0)) == sorted(starts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The milk is poured last.",
        "It boils for 20 seconds.",
        "It lasts 3 minutes.",
        "It costs 3.50.",
        "She says “meet me at 0:45”.",
        "At the beginning, and at the end.",
        "Three cups and 12 spoons.",
    ],
)
def test_what_names_no_moment_has_none(text: str) -> None:
    assert moments_in(text, 120.0) == []


@pytest.mark.parametrize(
    ("text", "means", "span"),
    [
        ("at 0:45?", "moment", (44.5, 46)),
        ("in the last 10 seconds", "last", (110, 120)),
        ("in the first 10 seconds", "first", (0, 10)),
        ("between 10 and 20 seconds", "between", (10, 20)),
        ("at the end of the video", "end", (108, 120)),
        ("how does the video begin", "start", (0, 12)),
        ("in the middle of the video", "middle", (48, 72)),
        ("in the first half", "share", (0, 60)),
        ("after 1:30", "after", (90, 120)),
        ("at 5:00", "moment", (300, 301)),
        ("for 20 seconds?", "", None),
        ("does the battery last 20 hours", "", None),
        ("who won 2:1?", "", None),
        ("", "", None),
    ],
)
def test_the_time_that_a_question_names_as_it_stands(text: str, means: str, span: Interval | None) -> None:
    found = named_time(text, 120.0)
    assert found[:2] == (means, span if span is None else pytest.approx(span))
    assert bool(found[2]) is bool(means)


def test_it_says_which_words_name_the_time() -> None:
    assert named_time("what is said at the end of the video?", 120.0)[2] == "at the end"
    assert named_time("what is in the middle of the clip", 120.0)[2] == "in the middle"


@pytest.mark.parametrize("text", ["when is 0:45 said", "at 0:45, when is that said", "when does the song begin"])
def test_a_question_for_a_time_names_none(text: str) -> None:
    assert named_time(text, 120.0, asks_when=True) == ("", None, "")


def test_a_video_that_is_longer_moves_what_is_counted_from_its_end() -> None:
    assert named_time("in the last 10 seconds", 600.0)[1] == (590, 600)
    assert moments_in("in the last 10 seconds", 600.0) == [(590, 600)]


def test_a_text_is_left_without_its_times() -> None:
    assert without_times("the milk at 0:45 for 3 minutes").split() == ["the", "milk", "at", "for"]
    assert without_times("it is 10:30").split() == ["it", "is"]
    assert without_times("second 5", marked=True) == "⟨@5.000⟩"
    assert without_times("it is 10:30", every_clock=True, marked=True) == "it is ⟨@630.000⟩"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("seven", 7),
        ("sieben", 7),
        ("siete", 7),
        ("sept", 7),
        ("twenty", 20),
        ("twenty-five", 25),
        ("thirty-five", 35),
        ("forty five", 45),
        ("treinta y dos", 32),
    ],
)
def test_words_of_numbers_are_known(word: str, value: float) -> None:
    assert number_words()[word] == value


def test_of_two_words_of_which_one_begins_with_the_other_the_longer_is_tried_first() -> None:
    words = list(number_words())
    assert words.index("thirty-five") < words.index("thirty")
    assert words.index("seventeen") < words.index("seven")


def test_patterns_of_a_group_have_their_names() -> None:
    found = {name for name, pattern in word_patterns("relations") if pattern.search("what is said after the title")}
    assert found == {"after"}
