"""What the senses that need no weights see in videos whose contents are known; see also test_contract.py."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysubs2
import pytest

from videochat.errors import MediaError
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import PRESETS, PerceptionTool, Settled, make_tool

from .conftest import SPEECH, SUBTITLES


@pytest.fixture(scope="session")
def senses() -> Iterator[dict[str, PerceptionTool]]:
    """Every sense without a model of its own, once: what is heavy loads once for the whole run."""
    made = {name: make_tool(name) for name in PRESETS["builtin"].tools}
    yield made
    for tool in made.values():
        tool.close()


def seen(tool: PerceptionTool, video: Video, *where: float) -> list[Caption]:
    return [item for item in tool.run(video, *where) if isinstance(item, Caption)]


# Shots


def test_cuts_are_exact_to_the_picture(tmp_path: Path, senses: dict[str, PerceptionTool]) -> None:
    rate = 25
    scenes = [Scene(1.64, "", "white"), Scene(2.36, "", "navy", moving=True), Scene(2.0, "", "gold")]
    video = Video(draw_video(tmp_path / "cuts.mp4", scenes, frame_rate=rate))
    shots = [c for c in seen(senses["shots"], video) if "suddenly" not in c.text]
    assert [c.start_seconds for c in shots] == pytest.approx([0.0, 1.64, 4.0], abs=1e-4)
    assert [c.end_seconds for c in shots] == pytest.approx([1.64, 4.0, 6.0], abs=1e-4)
    assert shots[0].text == "one shot of 1.6 s"


def test_a_change_within_a_shot_is_a_key_moment(tmp_path: Path, senses: dict[str, PerceptionTool]) -> None:
    # Another hue of the same lightness: less than a cut, more than anything before.
    video = Video(draw_video(tmp_path / "hue.mp4", [Scene(3, "", "navy"), Scene(3, "", "green")]))
    sudden = [c for c in seen(senses["shots"], video) if "suddenly" in c.text]
    assert [c.start_seconds for c in sudden] == [3.0]


def test_a_still_picture_is_one_shot(long_take: Video, senses: dict[str, PerceptionTool]) -> None:
    shots = [c for c in seen(senses["shots"], long_take) if "suddenly" not in c.text]
    assert [c.start_seconds for c in shots] == [0.0, 120.0]
    assert shots[0].text == "120.0 s of one shot, which goes on"


# Text on the screen


def test_text_is_read_where_and_while_it_is_shown(clip: Video, senses: dict[str, PerceptionTool]) -> None:
    welcome, water = seen(senses["ocr"], clip)
    assert (welcome.start_seconds, welcome.end_seconds) == (0.0, 3.0)
    assert welcome.text == "WELCOME / TO THE KITCHEN"
    assert (water.start_seconds, water.end_seconds) == (6.0, 9.0)
    assert water.text == "BOIL THE WATER"
    for caption in (welcome, water):
        assert caption.box is not None
        x1, y1, x2, y2 = caption.box
        # Drawn centred, at two fifths of the height.
        assert (x1 + x2) / 2 == pytest.approx(160, abs=8)
        assert (y1 + y2) / 2 == pytest.approx(72, abs=8)
        assert caption.score is not None
        assert caption.score > 0.8


def test_nothing_is_read_where_nothing_is_written(tmp_path: Path, senses: dict[str, PerceptionTool]) -> None:
    scenes = [Scene(2, "", colour, moving=True) for colour in ("white", "navy", "grey")]
    assert seen(senses["ocr"], Video(draw_video(tmp_path / "plain.mp4", scenes))) == []


def test_text_that_stays_is_one_line_told_minute_by_minute(long_take: Video, senses: dict[str, PerceptionTool]) -> None:
    read = seen(senses["ocr"], long_take)
    assert [(c.start_seconds, c.end_seconds) for c in read] == [(30, 60), (60, 120), (120, 135)]
    assert len({c.text for c in read}) == 1


def test_text_that_appears_after_a_silent_minute_is_one_line(tmp_path: Path, senses: dict[str, PerceptionTool]) -> None:
    scenes = [Scene(60, "", "navy"), Scene(6, "AT LAST", "navy")]
    video = Video(draw_video(tmp_path / "late.mp4", scenes, frame_rate=1))
    read = seen(senses["ocr"], video)
    assert [(c.start_seconds, c.end_seconds) for c in read] == [(60, 66)]


# Subtitles


def test_embedded_subtitles_come_out_word_for_word(clip: Video, senses: dict[str, PerceptionTool]) -> None:
    told = seen(senses["subtitles"], clip)
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told] == list(SUBTITLES)
    assert {c.language for c in told} == {"eng"}


SRT = "1\n00:00:00,250 --> 00:00:01,900\nGood <i>morning</i>,\neverybody.\n\n2\n00:00:07,000 --> 00:00:08,125\nBye.\n"
VTT = "WEBVTT\n\n00:00.250 --> 00:01.900 line:80%\nGood <i>morning</i>,\neverybody.\n\n00:07.000 --> 00:08.125\nBye.\n"
WORDS = [(0.25, 1.9, "Good morning, everybody."), (7.0, 8.125, "Bye.")]


@pytest.mark.parametrize("embedded", ["silent", "clip"], ids=["file-alone", "file-and-embedded"])
@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("film.srt", SRT, None),
        ("film.vtt", VTT, None),
        ("film.en.srt", SRT, "en"),
        ("film.pt-BR.vtt", VTT, "pt-BR"),
        ("film.director.srt", SRT, None),
        ("film.srt", "\ufeff" + SRT, None),
        ("film.vtt", "\ufeff" + VTT, None),
        ("film.srt", SRT.replace("\n", "\r\n"), None),
        # Two cues that say the same at the same time are one.
        ("film.srt", SRT + "\n3\n00:00:07,000 --> 00:00:08,125\nBye.\n", None),
        ("film.srt", SRT + "\n3\n00:00:09,000 --> 00:00:09,000\nNo time at all.\n", None),
        ("film.srt", SRT + "\n3\n00:00:09,000 --> 00:00:09,500\n<i> </i>\n", None),
    ],
    ids=[
        "srt",
        "vtt",
        "srt-of-a-language",
        "vtt-of-a-language",
        "srt-with-a-label",
        "srt-with-bom",
        "vtt-with-bom",
        "srt-of-windows",
        "cue-twice",
        "cue-without-time",
        "cue-without-words",
    ],
)
def test_a_subtitle_file_beside_the_video_wins(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    senses: dict[str, PerceptionTool],
    embedded: str,
    name: str,
    text: str,
    language: str | None,
) -> None:
    shutil.copy(request.getfixturevalue(embedded).path, tmp_path / "film.mp4")
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    told = {c.id: c for c in seen(senses["subtitles"], Video(tmp_path / "film.mp4"))}
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told.values()] == WORDS
    assert {c.language for c in told.values()} == {language}


def test_corrected_subtitles_are_another_version(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    reader, video = make_tool("subtitles"), Video(tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text(SRT)
    before = reader.version(video)
    assert reader.version(video) == before
    (tmp_path / "film.srt").write_text(SRT.replace("Bye", "Good night"))
    assert reader.version(video) != before


def test_subtitles_that_are_none_are_refused_in_a_sentence(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text("\0\0 this is no subtitle file")
    with pytest.raises(MediaError, match=r"subtitles of 'film.mp4' cannot be read"):
        seen(make_tool("subtitles"), Video(tmp_path / "film.mp4"))


def test_subtitles_of_a_video_whose_sound_begins_first_are_shifted(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "early.mkv", [Scene(4)], speech=[(1, 2)], start_seconds=2, sound_delay_seconds=-0.5)
    path.with_suffix(".srt").write_text("1\n00:00:01,500 --> 00:00:02,500\nHello.\n")
    # A player starts with the sound, half a second before the first picture, and counts subtitles from there.
    (caption,) = seen(make_tool("subtitles"), Video(path))
    assert (caption.start_seconds, caption.end_seconds) == pytest.approx((1.0, 2.0), abs=0.002)


# Speech


@pytest.mark.parametrize("video", ["voiced", "sound_only"])
def test_speech_is_heard_where_it_is(
    request: pytest.FixtureRequest, senses: dict[str, PerceptionTool], video: str
) -> None:
    told = seen(senses["speech_regions"], request.getfixturevalue(video))
    assert len(told) == len(SPEECH)
    for caption, (start, end) in zip(told, SPEECH, strict=True):
        assert caption.start_seconds == pytest.approx(start, abs=0.2)
        assert caption.end_seconds == pytest.approx(end, abs=0.2)
        assert "what is said is unknown" in caption.text


def test_no_speech_is_heard_in_silence(tmp_path: Path, senses: dict[str, PerceptionTool]) -> None:
    path = draw_video(tmp_path / "quiet.mp4", [Scene(6)], speech=[(0, 0)])
    assert Video(path).has_audio
    assert seen(senses["speech_regions"], Video(path)) == []


def test_a_long_speech_is_told_in_pieces_without_holes(long_take: Video, senses: dict[str, PerceptionTool]) -> None:
    told = seen(senses["speech_regions"], long_take)
    assert told[0].start_seconds == pytest.approx(1, abs=0.2)
    assert told[-1].end_seconds == pytest.approx(130, abs=0.2)
    for caption, following in pairwise(told):
        assert following.start_seconds - caption.end_seconds <= 1.0
    assert all(c.end_seconds - c.start_seconds <= 61 for c in told)


# Plain visual facts


def facts(tool: PerceptionTool, video: Video, pictures: Iterable[np.ndarray]) -> str:
    """Say what the sense measures in five pictures a second."""
    frames = [Frame(round(i * 0.2, 6), picture, 0.2) for i, picture in enumerate(pictures)]
    items = tool.perceive(frames, video, 0.0, frames[-1].end_seconds)
    return " | ".join(item.text for item in items if isinstance(item, Caption))


def texture(height: int, width: int) -> np.ndarray:
    """Blotches of grey, the same every time; uint8 of shape (height, width, 3)."""
    coarse = np.random.default_rng(3).integers(40, 216, (height // 8 + 1, width // 8 + 1))
    gray = np.kron(coarse, np.ones((8, 8)))[:height, :width]
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ("white", r"light: bright .*colours: white (9\d|100)%"),
        ("black", r"light: very dark .*colours: black (9\d|100)%"),
        ("grey", r"light: medium .*colours: grey (9\d|100)%"),
        ("red", r"colours: red (9\d|100)%"),
        ("gold", r"colours: yellow (9\d|100)%"),
        ("orange", r"colours: orange (9\d|100)%"),
        ("saddlebrown", r"colours: brown (9\d|100)%"),
        ("green", r"light: dark .*colours: green (9\d|100)%"),
        ("cyan", r"colours: cyan (9\d|100)%"),
        ("navy", r"light: very dark .*colours: blue (9\d|100)%"),
        ("purple", r"colours: (purple|pink) (9\d|100)%"),
        ("hotpink", r"colours: pink (9\d|100)%"),
    ],
)
def test_light_and_colours_are_named_truly(
    tmp_path: Path, senses: dict[str, PerceptionTool], colour: str, words: str
) -> None:
    video = Video(draw_video(tmp_path / "plain.mp4", [Scene(1, "", colour)], size=(64, 36)))
    (caption,) = seen(senses["visual_facts"], video)
    assert re.search(words, caption.text), caption.text
    assert "camera: still; motion: hardly anything moves" in caption.text


def test_facts_come_every_two_seconds(clip: Video, senses: dict[str, PerceptionTool]) -> None:
    told = seen(senses["visual_facts"], clip)
    assert [(c.start_seconds, c.end_seconds) for c in told] == [(s, s + 2) for s in range(0, 12, 2)]
    assert "light: bright (mean lightness 97%)" in told[0].text


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ((0, 0), "camera: still; motion: hardly anything moves"),
        ((4, 0), "camera: moves right"),
        ((-4, 0), "camera: moves left"),
        ((0, 4), "camera: moves down"),
        ((0, -4), "camera: moves up"),
    ],
    ids=["still", "right", "left", "down", "up"],
)
def test_the_way_of_the_camera(
    clip: Video, senses: dict[str, PerceptionTool], step: tuple[int, int], words: str
) -> None:
    world = texture(400, 500)
    dx, dy = step
    views = [world[120 + i * dy :, 120 + i * dx :][:144, :256] for i in range(20)]
    said = facts(senses["visual_facts"], clip, views)
    assert words in said
    # Four pixels of 256 in a fifth of a second.
    if dx:
        assert abs(int(re.search(r"\((\d+)% of the picture width", said)[1]) - 8) <= 1


@pytest.mark.parametrize(("left", "place"), [(10, "left"), (180, "right")])
def test_something_that_moves_before_a_still_camera(
    clip: Video, senses: dict[str, PerceptionTool], left: int, place: str
) -> None:
    world, thing = texture(144, 256), texture(200, 60)[::-1]
    views = []
    for i in range(20):
        view = world.copy()
        view[40:100, left : left + 60] = thing[i * 4 : i * 4 + 60]
        views.append(view)
    said = facts(senses["visual_facts"], clip, views)
    assert "camera: still" in said
    assert re.search(rf"motion: \d+% of the picture moves, around the {place}", said), said


# Real clips


@pytest.mark.material
@pytest.mark.parametrize(("name", "gold"), [("nasa_13013.mp4", "nasa_13013.gold.srt"), ("friday.mp4", "friday.vtt")])
def test_subtitles_of_real_clips_are_exact(material: Path, name: str, gold: str) -> None:
    expected = pysubs2.load(str(material / "videos" / gold), encoding="utf-8")
    told = seen(make_tool("subtitles"), Video(material / "videos" / name))
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told] == [
        (cue.start / 1000, cue.end / 1000, " ".join(cue.plaintext.split())) for cue in expected
    ]


@pytest.mark.material
def test_slides_are_read(material: Path, senses: dict[str, PerceptionTool]) -> None:
    told = seen(senses["ocr"], Video(material / "videos" / "jfk_slides.mp4"))
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told] == [
        (0, 3, "INAUGURAL ADDRESS / January 20, 1961 Washington, D.C."),
        (3, 6, "Lecture 7: Famous Speeches / - audience and purpose / - rhetorical devices: chiasmus"),
        (6, 11, "Homework due Friday / Room B204, bring your notebook"),
    ]


@pytest.mark.material
def test_no_text_is_invented_where_there_is_none(material: Path, senses: dict[str, PerceptionTool]) -> None:
    assert seen(senses["ocr"], Video(material / "videos" / "yoga.mp4")) == []


@pytest.mark.material
def test_real_speech_is_heard_and_resumes(material: Path, senses: dict[str, PerceptionTool]) -> None:
    video, tool = Video(material / "videos" / "jfk_slides.mp4"), senses["speech_regions"]
    items = list(tool.run(video))
    told = [item for item in items if isinstance(item, Caption)]
    for cue in pysubs2.load(str(material / "videos" / "jfk_slides.gold.srt")):
        middle = (cue.start + cue.end) / 2000
        assert any(c.overlaps(middle, middle + 0.001) for c in told)
    for place, mark in enumerate(items[:-1]):
        if isinstance(mark, Settled):
            assert list(tool.run(video, mark.seconds)) == items[place + 1 :]


def test_old_subtitles_that_are_not_utf_8_are_read(silent: Video, tmp_path: Path) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\nDéjà vu\n\n".encode("cp1252"))
    told = seen(make_tool("subtitles"), Video(tmp_path / "film.mp4"))
    assert [c.text for c in told] == ["Déjà vu"]
