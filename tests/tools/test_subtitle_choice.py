"""Of several subtitles the fullest that are meant for the user are read, and why is said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import ffmpeg
import pytest

from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.subtitle_choice import choose_subtitles, has_subtitles, read_subtitles

Folder = Callable[..., Video]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("plain") / "plain.mp4", [Scene(3)])


@pytest.fixture
def folder(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Put files beside `film.mp4` and open it; nobody's language is set."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)

    def put(*names: str, **texts: str) -> Video:
        shutil.copy(plain, tmp_path / "film.mp4")
        for name in names:
            (tmp_path / name).write_text(texts.get(name.replace(".", "_"), srt(name)))
        return Video(tmp_path / "film.mp4")

    return put


def srt(words: str) -> str:
    return f"1\n00:00:01,000 --> 00:00:02,000\nwords of {words}\n"


def words_of(video: Video) -> list[str]:
    chosen = choose_subtitles(video).chosen
    return [cue.text for cue in read_subtitles(video, chosen)[0].cues] if chosen else []


@pytest.mark.parametrize(
    ("names", "language", "read"),
    [
        (("film.en.srt", "film.srt"), None, "film.srt"),
        (("film.en.srt", "film.srt"), "de", "film.srt"),
        (("film.forced.srt", "film.english.srt"), None, "film.english.srt"),
        (("film.srt", "film.forced.srt"), None, "film.srt"),
        (("film.de.srt", "film.fr.srt"), "fr", "film.fr.srt"),
        (("film.de.srt", "film.fra.srt", "film.fr.forced.srt"), "fr", "film.fra.srt"),
        (("film.en.auto.vtt", "film.pt.srt"), "en", "film.pt.srt"),
        (("film.director.srt", "film.de.srt"), None, "film.de.srt"),
    ],
)
def test_the_fullest_in_the_users_language_is_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], language: str | None, read: str
) -> None:
    video = folder(*names)
    if language:
        monkeypatch.setenv("LANG", f"{language}.UTF-8")
    assert words_of(video) == [f"words of {read}"]
    choice = choose_subtitles(video)
    assert choice.reasons[0] == f"{read!r} was read"
    assert len(choice.reasons) == len(names)


def test_why_others_were_not_read_is_said(folder: Folder) -> None:
    reasons = choose_subtitles(folder("film.forced.srt", "film.english.srt", "film.part2.srt")).reasons
    assert "'film.forced.srt' was not read: it has only a part of what is said" in reasons
    assert "'film.part2.srt' was not read: 'part2' is neither a language nor a sort of subtitles" in reasons


def test_what_is_empty_or_unreadable_is_passed_over_and_does_not_stop_listening(folder: Folder) -> None:
    video = folder("film.srt", film_srt="")
    assert choose_subtitles(video).reasons == ["'film.srt' is empty (0 bytes)"]
    assert not has_subtitles(video)
    video = folder("film.srt", "film.en.srt", film_srt="no cues at all")
    assert words_of(video) == ["words of film.en.srt"]
    assert "'film.srt' holds no cue with words" in choose_subtitles(video).reasons


def test_a_part_of_the_words_is_read_but_does_not_stop_listening(folder: Folder) -> None:
    video = folder("film.forced.srt")
    assert words_of(video) == ["words of film.forced.srt"]
    assert not has_subtitles(video)
    assert has_subtitles(folder("film.en.srt"))


def test_a_guessed_encoding_is_said(folder: Folder) -> None:
    video = folder("film.srt")
    (video.path.parent / "film.srt").write_bytes(srt("Привет, мир").encode("cp1251"))
    (reason,) = choose_subtitles(video).reasons
    assert "does not say its encoding" in reason
    assert "cp1251" in reason


def test_what_changes_is_another_version(folder: Folder) -> None:
    video = folder("film.srt")
    before = choose_subtitles(video).version
    assert choose_subtitles(video).version == before
    (video.path.parent / "film.srt").write_text(srt("another"))
    assert choose_subtitles(video).version != before


def with_tracks(plain: Path, target: Path, *tracks: tuple[str, str, str]) -> Video:
    """Put text tracks of (words, language, disposition) into a film."""
    inputs = [ffmpeg.input(str(plain))]
    options: dict[str, str] = {}
    for number, (words, language, disposition) in enumerate(tracks):
        file = target.with_name(f"track{number}.txt")
        file.write_text(words)
        inputs.append(ffmpeg.input(str(file), f="srt"))
        options |= {f"metadata:s:s:{number}": f"language={language}", f"disposition:s:{number}": disposition}
    job = ffmpeg.output(*inputs, str(target), **{"c": "copy", "c:s": "srt"}, **options)
    job.run(cmd=[ffmpeg_exe(), "-v", "error"])
    return Video(target)


def test_of_several_tracks_the_default_is_read_unless_it_is_forced(
    folder: Folder, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "1\n00:00:01,000 --> 00:00:02,000\nThe year was\n1984\n"
    forced = with_tracks(plain, tmp_path / "a.mkv", (srt("forced"), "eng", "default+forced"), (full, "eng", "0"))
    assert words_of(forced) == ["The year was 1984"]
    assert "text track 1 (eng) was not read: it has only a part of what is said" in choose_subtitles(forced).reasons
    several = with_tracks(plain, tmp_path / "b.mkv", (srt("en"), "eng", "0"), (srt("de"), "ger", "default"))
    assert words_of(several) == ["words of de"]
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    assert words_of(several) == ["words of en"]
