"""Subtitle texts of every format come out word for word."""

from __future__ import annotations

import pytest

from videochat.tools.cues import read_cues


def told(text: str) -> list[tuple[float, float, str]]:
    return [cue[:3] for cue in read_cues(text).cues]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("The year is\n1984", "The year is 1984"),
        ("1984", "1984"),
        ("if a<b and c>d then", "if a<b and c>d then"),
        ("I <3 you, 5 < 6 > 4", "I <3 you, 5 < 6 > 4"),
        ("List<String> and #include <stdio.h>", "List<String> and #include <stdio.h>"),
        ("Good <i>morning</i>,\n<b>everybody</b>.", "Good morning, everybody."),
        ('<font color="#ffff00">Bye</font>', "Bye"),
        ("{\\an8}Up there {set}", "Up there {set}"),
        ("C:\\New folder", "C:\\New folder"),
        ("one<br>two", "one two"),
        ("first\n\nafter a blank line", "first after a blank line"),
    ],
)
@pytest.mark.parametrize("number", ["1", ""], ids=["numbered", "bare"])
def test_subrip_keeps_what_is_said(lines: str, words: str, number: str) -> None:
    second = f"{int(number) + 1}\n" if number else ""
    text = f"{number}\n00:00:01,000 --> 00:00:03,000\n{lines}\n\n{second}00:00:05,000 --> 00:00:07,500\nend\n"
    assert told(text) == [(1.0, 3.0, words), (5.0, 7.5, "end")]


@pytest.mark.parametrize(
    ("timing", "times"),
    [
        ("00:00:01,000 --> 00:00:02,500", (1.0, 2.5)),
        ("00:00:01.000 --> 00:00:02.500", (1.0, 2.5)),
        ("00:01,000 --> 00:02,500", (1.0, 2.5)),
        ("0:0:1,0 -> 0:0:2,5", (1.0, 2.5)),
        ("00:00:01 --> 00:00:02", (1.0, 2.0)),
        ("00:00:01:000 --> 00:00:02:500", (1.0, 2.5)),
        ("100:00:01,000 --> 100:00:02,500 X1:1 X2:2", (360001.0, 360002.5)),
        ("-00:00:01,000 --> 00:00:02,500", (-1.0, 2.5)),
    ],
)
def test_times_are_read_as_they_are_written_in_the_wild(timing: str, times: tuple[float, float]) -> None:
    assert told(f"1\n{timing}\nwords\n") == [(*times, "words")]


def test_a_number_after_a_blank_line_is_that_of_the_next_cue_only_if_it_follows() -> None:
    text = "1\n\n00:00:01,000 --> 00:00:02,000\none\n\n2\n\n00:00:03,000 --> 00:00:04,000\ntwo\n\n1984\n\n"
    assert told(text) == [(1.0, 2.0, "one"), (3.0, 4.0, "two 1984")]


def test_cues_come_in_the_order_of_time() -> None:
    text = "2\n00:00:05,000 --> 00:00:06,000\nlater\n\n1\n00:00:01,000 --> 00:00:02,000\nearlier\n"
    assert told(text) == [(1.0, 2.0, "earlier"), (5.0, 6.0, "later")]


def test_what_cannot_be_shown_is_counted() -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:01,000\nflash\n\n2\n00:00:05,000 --> 00:00:04,000\nback\n\n"
        "3\n00:00:06,000 --> \nhalf\n\n4\n00:00:07,000 --> 00:00:08,000\nwhole\n"
    )
    read = read_cues(text)
    assert [cue.text for cue in read.cues] == ["whole"]
    assert [each.reason for each in read.left_out] == [
        "has no times that can be read",
        "ends where it starts",
        "ends before it starts",
    ]


def test_webvtt_has_notes_styles_regions_ids_settings_entities_and_voices() -> None:
    text = (
        "WEBVTT - a title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\nintro-a\n"
        "00:01.000 --> 00:02.000 align:start position:0%\nThe year was\n1984\n\n"
        "NOTE this is a comment\nof two lines\n\nNOTE\n\n8a2f3b4c-11d2/17-0\n"
        "00:00:03.000 --> 00:00:04.000\n<c.yellow.bg_blue>Fish &amp; chips</c> &lt;b&gt; a<b\n\n"
        "00:05.000 --> 00:06.000\n<v.loud Esme O&#39;Brien>I found <i>it</i></v>\n<v Bob>So did I\n\n"
        "bad --> worse\nlost\n\n1:00:00.000 --> 1:00:01.000\n<lang en-GB>far</lang>\n"
    )
    read = read_cues(text)
    assert [tuple(cue) for cue in read.cues] == [
        (1.0, 2.0, "The year was 1984", ""),
        (3.0, 4.0, "Fish & chips <b> a<b", ""),
        (5.0, 6.0, "Esme O'Brien: I found it Bob: So did I", "Esme O'Brien, Bob"),
        (3600.0, 3601.0, "far", ""),
    ]
    assert [each.reason for each in read.left_out] == ["has no times that can be read"]


def test_automatic_captions_that_roll_come_once_each_with_their_time() -> None:
    text = "WEBVTT\n\n" + "".join(
        f"00:0{n}.000 --> 00:0{n}.990 align:start\n{before or ' '}\n{now.replace(' ', f'<00:0{n}.500><c> ', 1)}</c>\n\n"
        f"00:0{n}.990 --> 00:0{n + 1}.000\n{now}\n \n\n"
        for n, (before, now) in enumerate([("", "good day"), ("good day", "dear all"), ("dear all", "we begin")], 1)
    )
    assert told(text) == [(1.0, 1.99, "good day"), (2.0, 2.99, "dear all"), (3.0, 3.99, "we begin")]


def test_rolling_lines_of_other_formats_are_known_by_themselves() -> None:
    lines = ["a one", "b two", "c three", "d four"]
    text = "".join(
        f"{n + 1}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n" + "\n".join(lines[max(n - 1, 0) : n + 1]) + "\n\n"
        for n in range(4)
    )
    assert told(text) == [(n, n + 1, lines[n]) for n in range(4)]
    words = ["one", "two", "three", "four", "five"]
    grown = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n + 1},000\n{' '.join(words[:n])}\n\n" for n in range(1, 6))
    assert told(grown) == [(1.0, 6.0, "one two three four five")]


def test_what_is_really_said_twice_is_told_twice() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nNo!\n\n2\n00:00:02,000 --> 00:00:03,000\nNo!\n\n"
    assert told(text) == [(1.0, 2.0, "No!"), (2.0, 3.0, "No!")]


ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,a comment\n"
    "Dialogue: 0,0:00:01.00,0:00:03.00,Default,Alice,0,0,0,,{\\k20}Hel{\\k30}lo\\Nthere, <you>\n"
    "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100\n"
    "Dialogue: 0,0:00:04.00,0:00:05.00,Default,,0,0,0,,{\\pos(1,2)\\p1}m 0 0{\\p0}shown\n"
)


def test_ass_has_speakers_and_its_drawings_are_no_words() -> None:
    assert [tuple(cue) for cue in read_cues(ASS).cues] == [
        (1.0, 3.0, "Hello there, <you>", "Alice"),
        (4.0, 5.0, "shown", ""),
    ]
    damaged = read_cues(ASS + "Dialogue: 0,x,y,Default,,0,0,0,,lost\n")
    assert len(damaged.cues) == 2
    assert len(damaged.left_out) == 1


@pytest.mark.parametrize(
    "text", ["", "\n\n", "words only", "\0\0 no subtitles", "WEBVTT", "[Script Info]", "-->", "1\n2\n3"]
)
def test_what_is_none_has_no_cues(text: str) -> None:
    assert read_cues(text).cues == []


@pytest.mark.parametrize("form", ["1\n00:00:01,000 --> 00:00:02,000\n{}\n", "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n"])
@pytest.mark.parametrize("words", ["<<a" * 300_000, "a word\n" * 100_000])
def test_a_cue_of_the_size_of_a_book_is_cut_and_told(form: str, words: str) -> None:
    found = read_cues(form.format(words))
    assert [len(cue.text) for cue in found.cues] == [10_000]
    assert [each.reason for each in found.left_out] == ["was cut after 10,000 letters"]
