"""Captions as files: valid, escaped, exact to the millisecond, and read again as they were written."""

import csv
import io
import json
import random
import re
from itertools import pairwise

import pysubs2
import pytest

from videochat.errors import UnknownName
from videochat.memory.chapters import Chapter
from videochat.memory.exports import EXPORT_FORMATS, export_text
from videochat.records import Caption
from videochat.tools.cues import read_cues


def said(start: float, end: float, text: str, speaker: str = "") -> Caption:
    return Caption("v", start, end, "speech", text, "test", attributes={"speaker": speaker} if speaker else {})


def written(captions: list[Caption], format_: str) -> str:
    return export_text(captions, format_, name="a film.mp4", duration_seconds=7200.0)


def cues(text: str) -> list[tuple[int, int, str]]:
    return [(cue.start, cue.end, cue.plaintext) for cue in pysubs2.SSAFile.from_string(text)]


@pytest.mark.parametrize("format_", ["srt", "vtt"])
def test_subtitles_are_exact_to_the_millisecond(format_: str) -> None:
    rng = random.Random(format_)
    captions, now = [], 0.0
    for number in range(50):
        start = now + rng.choice([0.0, rng.uniform(0.001, 90)])
        now = start + rng.uniform(0.2, 8)
        captions.append(said(start, now, f"Sentence {number}."))
    rng.shuffle(captions)
    expected = sorted((round(c.start_seconds * 1000), round(c.end_seconds * 1000), c.text) for c in captions)
    assert cues(written(captions, format_)) == expected


@pytest.mark.parametrize("format_", ["srt", "vtt"])
def test_no_two_subtitles_are_shown_at_once(format_: str) -> None:
    rng = random.Random(f"over {format_}")
    captions = [said(start := rng.uniform(0, 60), start + rng.uniform(0.3, 6), f"line {n}") for n in range(40)]
    found = cues(written(captions, format_))
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(found))
    assert all(end > start for start, end, _ in found)
    for _ in range(200):
        moment = rng.uniform(0, 66)
        shown = {line for start, end, text in found if start <= moment * 1000 < end for line in text.split("\n")}
        inside = {c.text for c in captions if c.start_seconds + 0.1 < moment < c.end_seconds - 0.11}
        assert inside <= shown
        assert shown <= {c.text for c in captions if c.start_seconds - 0.001 <= moment < c.end_seconds + 0.001}


def test_lines_that_touch_do_not_flicker() -> None:
    assert cues(written([said(0, 5.02, "one"), said(5.0, 8, "two")], "srt")) == [(0, 5000, "one"), (5000, 8000, "two")]


def test_text_that_looks_like_markup_stays_text() -> None:
    hostile = "a < b & c <i>d</i> --> e\n\n2\n00:00:01,000 --> 00:00:02,000\nfalse"
    vtt = written([said(1, 2, hostile)], "vtt")
    assert vtt.count("-->") == 1
    assert "&lt;i&gt;d&lt;/i&gt; --&gt; e" in vtt
    srt = written([said(1, 2, hostile)], "srt")
    assert srt.count("-->") == 1
    ((start, end, text),) = cues(srt)
    assert (start, end) == (1000, 2000)
    assert text.replace("\u2060", "") == " ".join(hostile.split())


@pytest.mark.parametrize("format_", ["srt", "vtt"])
def test_any_text_is_read_again_as_it_was(format_: str) -> None:
    chance = random.Random(f"again {format_}")
    pieces = [
        "<",
        "<b>",
        "</i >",
        "<!--",
        "{",
        "{\\an8}",
        "}",
        "-->",
        "->",
        "0:00:01,5",
        "12",
        "&lt;",
        "&",
        "\u2060",
        " ",
    ]
    texts = [f"{n} " + "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 9))) for n in range(300)]
    texts += ["<00:00:01.000> timed", "1984", "- so? --- so!", "NOTE this", "WEBVTT"]
    captions = [said(2 * n, 2 * n + 1.5, text) for n, text in enumerate(texts)]
    found = read_cues(written(captions, format_))
    assert [cue.text for cue in found.cues] == [" ".join(text.split()) for text in texts]
    assert not found.left_out


def test_speakers_are_voices() -> None:
    talk = [said(0, 2, "Hello.", "Ann <x>"), said(1, 3, "Bob: Hi!", "Bob")]
    vtt = written(talk, "vtt")
    assert "<v Ann &lt;x&gt;>Hello.</v>\n<v Bob>Hi!</v>" in vtt
    assert "\nBob: Hi!" in written(talk, "srt")


def test_a_table_is_no_formula() -> None:
    texts = ['=HYPERLINK("x")', "plain, with a comma", '"quoted"\nlines', "-2+3"]
    captions = [said(n, n + 0.5, text) for n, text in enumerate(texts)]
    rows = list(csv.DictReader(io.StringIO(written(captions, "csv"), newline="")))
    assert [row["text"] for row in rows] == ["'" + texts[0], texts[1], texts[2], "'" + texts[3]]
    assert [float(row["start_seconds"]) for row in rows] == [0, 1, 2, 3]


def test_notes_have_links_that_play() -> None:
    chapters = [Chapter(0, 30, "Be*ginning"), Chapter(30, 60, "End")]
    notes = export_text(
        [said(2.5, 4, "[not] a `link`"), said(31, 33, "Bye")],
        "md",
        name="my film.mp4",
        duration_seconds=60,
        chapters=chapters,
    )
    assert r"- [00:02-00:04](my%20film.mp4#t=2.500,4.000) speech: \[not\] a \`link\`" in notes
    assert re.findall(r"^## .*", notes, re.MULTILINE) == [r"## 00:00 Be\*ginning", "## 00:30 End"]
    assert export_text([], "chapters", name="x", duration_seconds=60, chapters=chapters) == (
        "00:00 Be*ginning\n00:30 End\n"
    )


def test_json_holds_everything() -> None:
    caption = Caption("v", 1.23456, 2, "objects", "a cup", "m", 0.5, (1, 2, 3, 4), 7, "en", {"colour": "red"})
    data = json.loads(written([caption], "json"))
    assert Caption.from_dict(data["captions"][0]) == caption
    assert data["video"]["name"] == "a film.mp4"


def test_a_format_that_is_none_is_told() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'srt'"):
        written([], "srtt")
    assert [written([], format_) for format_ in EXPORT_FORMATS]
