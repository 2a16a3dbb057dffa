"""Subtitles come out word for word, from files beside the video and from tracks inside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pysubs2
import pytest

from tests.fakes.clips import SUBTITLES
from tests.fakes.senses import seen
from videochat import VideoAgent
from videochat.errors import MediaError
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool
from videochat.tools.base import Missed, Settled


def test_embedded_subtitles_come_out_word_for_word(clip: Video) -> None:
    told = seen(make_tool("subtitles"), clip)
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
        ("film.sdh.srt", SRT, None),
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
    embedded: str,
    name: str,
    text: str,
    language: str | None,
) -> None:
    shutil.copy(request.getfixturevalue(embedded).path, tmp_path / "film.mp4")
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    told = {c.id: c for c in seen(make_tool("subtitles"), Video(tmp_path / "film.mp4"))}
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


def test_subtitles_count_from_the_sound_where_it_begins_first(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "early.mkv", [Scene(4)], speech=[(1, 2)], start_seconds=2, sound_delay_seconds=-0.5)
    path.with_suffix(".srt").write_text("1\n00:00:01,500 --> 00:00:02,500\nHello.\n")
    # A player starts with the sound, half a second before the first picture, and counts all seconds from there.
    (caption,) = seen(make_tool("subtitles"), Video(path))
    assert (caption.start_seconds, caption.end_seconds) == pytest.approx((1.5, 2.5), abs=0.002)


def test_old_subtitles_that_are_not_utf_8_are_read(silent: Video, tmp_path: Path) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_bytes("1\n00:00:01,000 --> 00:00:02,000\nDéjà vu\n\n".encode("cp1252"))
    told = seen(make_tool("subtitles"), Video(tmp_path / "film.mp4"))
    assert [c.text for c in told] == ["Déjà vu"]


@pytest.mark.material
@pytest.mark.parametrize(("name", "gold"), [("nasa_13013.mp4", "nasa_13013.gold.srt"), ("friday.mp4", "friday.vtt")])
def test_subtitles_of_real_clips_are_exact(material: Path, name: str, gold: str) -> None:
    expected = pysubs2.load(str(material / "videos" / gold), encoding="utf-8")
    video = Video(material / "videos" / name)
    told = seen(make_tool("subtitles"), video)
    # The last cue of nasa_13013 outlasts the clip.
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told] == [
        (cue.start / 1000, min(cue.end / 1000, video.duration_seconds), " ".join(cue.plaintext.split()))
        for cue in expected
    ]


def test_a_subtitle_file_that_may_not_be_read_is_said_in_a_sentence(
    tmp_path: Path, silent: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text(SRT)
    reader, video = make_tool("subtitles"), Video(tmp_path / "film.mp4")

    def refuse(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    # Who runs the tests as root may read everything.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    for use in (lambda: reader.version(video), lambda: seen(reader, video)):
        with pytest.raises(
            MediaError, match=r"'film.mp4' cannot be read: 'film.srt' cannot be read \(Permission denied"
        ):
            use()


CUES = "".join(
    f"{n}\n00:00:{n // 100:02},{n % 100:02}0 --> 00:00:{n // 100:02},{n % 100:02}9\nword {n}\n\n" for n in range(1200)
)


def test_captions_of_a_long_file_settle_as_they_come_and_go_on_from_there(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text(CUES)
    reader, video = make_tool("subtitles"), Video(tmp_path / "film.mp4")
    items = list(reader.perceive((), video, 0.0, 12.0))
    marks = [item.seconds for item in items if isinstance(item, Settled)]
    assert marks == [5.0, 10.0, 12.0]
    later = list(reader.perceive((), video, marks[0], 12.0))
    assert later == items[items.index(Settled(5.0)) + 1 :]


def test_who_speaks_is_an_attribute(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Alice Smith>I found it</v>\n")
    (caption,) = seen(make_tool("subtitles"), Video(tmp_path / "film.mp4"))
    assert (caption.text, caption.attributes) == ("Alice Smith: I found it", {"speaker": "Alice Smith"})


def test_what_is_left_out_or_cannot_be_decoded_is_said_in_the_report(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    words = "\n\n".join(["1\n00:00:01,000 --> 00:00:01,000\nflash", "2\n00:00:02,000 --> 00:00:03,000\nCafé n\ufffd"])
    (tmp_path / "film.srt").write_bytes(words.encode().replace("\ufffd".encode(), b"\xef"))
    items = list(make_tool("subtitles").perceive((), Video(tmp_path / "film.mp4"), 0.0, 12.0))
    assert [item.text for item in items if isinstance(item, Caption)] == ["Café n\ufffd"]
    assert [item.reason for item in items if isinstance(item, Missed)] == [
        "1 cue was left out of the subtitles (1 ends where it starts; the first at 00:01)",
        "1 letter of the subtitles cannot be decoded and stands as \ufffd",
    ]


def test_times_that_no_video_has_are_left_out(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text("1\n9999999:00:00,000 --> 9999999:00:01,000\nfar\n\n" + SRT)
    video = Video(tmp_path / "film.mp4")
    items = list(make_tool("subtitles").perceive((), video, 0.0, video.duration_seconds))
    assert len([item for item in items if isinstance(item, Caption)]) == 2
    assert any(isinstance(item, Missed) and "no video is" in item.reason for item in items)


def test_a_cue_after_the_end_keeps_its_time_and_the_watch_ends(silent: Video, tmp_path: Path) -> None:
    film = shutil.copy(silent.path, tmp_path / "film.mp4")
    (tmp_path / "film.srt").write_text(f"{SRT}\n3\n00:01:40,000 --> 00:01:50,000\nLate.\n", encoding="utf-8")
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        agent = VideoAgent(film, memory=memory, preset=["subtitles"], llm="extractive")
        assert agent.watch().gaps == []
        assert [(c.start_seconds, c.text) for c in agent.captions("speech")][-1] == (100.0, "Late.")
