"""What folders, patterns, files and addresses stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from videochat.sources import find_sources, is_many


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for name in (
        "b.MKV",
        "a.mp4",
        "notes.txt",
        "thumb.jpg",
        ".hidden.mp4",
        "deep/c.webm",
        ".trash/d.mp4",
        "@eaDir/e.mp4",
    ):
        file = tmp_path / "films" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"12345")
    return tmp_path / "films"


def names(folder: Path, *given: str) -> list[str]:
    return [str(Path(source.text).relative_to(folder)) for source in find_sources(given)]


def test_a_folder_stands_for_its_media_files_sorted_without_hidden_ones(films: Path) -> None:
    assert names(films, str(films)) == ["a.mp4", "b.MKV", "deep/c.webm"]
    assert [source.size for source in find_sources([films])] == [5, 5, 5]


def test_a_folder_without_videos_stands_for_its_pictures(films: Path, tmp_path: Path) -> None:
    (films / "cover.jpg").write_bytes(b"1")
    assert "cover.jpg" not in names(films, str(films))
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png"):
        (photos / name).write_bytes(b"1")
    assert names(photos, str(photos)) == ["a.png", "b.JPG"]


def test_patterns_files_and_addresses_each_once(films: Path) -> None:
    assert names(films, f"{films}/**/*.webm", f"{films}/a.mp4", str(films)) == ["deep/c.webm", "a.mp4", "b.MKV"]
    assert names(films, f"{films}/notes.txt") == ["notes.txt"], "what is named is taken whatever it is called"
    (address,) = find_sources(["https://films.test/*.mp4"])
    assert address.is_address
    assert find_sources(["", "  "]) == []


def test_what_stands_for_nothing_says_so(films: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    problems = [source.problem for source in find_sources([tmp_path / "empty", f"{films}/*.flv", "x" * 5000, "no.mp4"])]
    assert "holds no video, sound file or picture" in problems[0]
    assert "No file fits the pattern" in problems[1]
    assert "cannot be looked for" in problems[2]
    assert problems[3] == "", "whoever opens it says that it is not there"


def test_a_name_with_brackets_that_is_there_is_no_pattern(films: Path) -> None:
    odd = films / "film [1].mp4"
    odd.write_bytes(b"1")
    assert names(films, str(odd)) == ["film [1].mp4"]
    assert not is_many(str(odd))
    assert is_many(str(films))
    assert is_many(f"{films}/*.mp4")
    assert not is_many("https://films.test/film.mp4?a=[1]")
