"""What names of subtitle files say."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from videochat.tools.subtitle_labels import (
    Labels,
    is_near,
    labels_of_file,
    labels_of_track,
    language_code,
    user_language,
)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("film.srt", Labels()),
        ("FILM.SRT", Labels()),
        ("film.en.srt", Labels("en")),
        ("film.pt-BR.vtt", Labels("pt-BR")),
        ("film.en_US.vtt", Labels("en-US")),
        ("film.english.srt", Labels("en")),
        ("film.Deutsch.srt", Labels("de")),
        ("film.English (SDH).srt", Labels("en")),
        ("film.eng.hi.srt", Labels("eng")),
        ("film.2_English.srt", Labels("en")),
        ("film.zh-Hans.srt", Labels("zh-Hans")),
        ("film.forced.srt", Labels(partial=True)),
        ("film.en.forced.srt", Labels("en", partial=True)),
        ("film.director.srt", Labels(partial=True)),
        ("film.en-auto.vtt", Labels("en-auto")),
        ("film.auto.en.vtt", Labels("en", automatic=True)),
        ("film.part2.srt", None),
        ("film.2.srt", None),
        ("film.cd1.srt", None),
        ("film.2019.srt", None),
        ("film2.srt", None),
        ("my film.srt", None),
        ("film.trailer.srt", None),
    ],
)
def test_a_name_tells_language_and_sort(name: str, labels: Labels | None) -> None:
    assert labels_of_file(Path(name), Path("film.mp4")) == labels


def test_a_name_is_the_same_however_its_accents_are_written() -> None:
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, "café.é.srt")
        assert labels_of_file(Path(unicodedata.normalize(form, "café.srt")), Path("café.mp4")) == Labels()
        assert labels_of_file(Path(name), Path("café.é.mp4")) == Labels()


def test_a_name_that_begins_like_the_video_is_near_unless_it_is_anothers(tmp_path: Path) -> None:
    (tmp_path / "talk.part2.srt").touch()
    assert is_near(tmp_path / "talk.part2.srt", tmp_path / "talk.mp4")
    assert not is_near(tmp_path / "talkative.srt", tmp_path / "talk.mp4")
    (tmp_path / "talk.part2.mp4").touch()
    assert not is_near(tmp_path / "talk.part2.srt", tmp_path / "talk.mp4")


def test_a_track_is_partial_by_its_mark_or_its_title() -> None:
    assert labels_of_track("eng", "", partial=False) == Labels("eng")
    assert labels_of_track("eng", "", partial=True).partial
    assert labels_of_track(None, "Signs & Songs", partial=False) == Labels(partial=True)
    assert labels_of_track(None, "French (Forced)", partial=False) == Labels("fr", partial=True)
    assert labels_of_track(None, "SubtitleHandler", partial=False) == Labels()


def test_codes_of_all_lengths_are_one_language() -> None:
    assert {language_code(code) for code in ("de", "deu", "ger", "German", "de-AT")} == {"de"}
    assert language_code("part") is None
    assert language_code(None) is None


def test_the_language_of_the_user_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert user_language() is None
    monkeypatch.setenv("LANG", "C.UTF-8")
    assert user_language() is None
    monkeypatch.setenv("LANG", "fr_CA.UTF-8")
    assert user_language() == "fr"
    monkeypatch.setenv("LANGUAGE", "de:en")
    assert user_language() == "de"
