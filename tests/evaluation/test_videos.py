"""Videos are found by any name that annotations give them, with the subtitles that are wanted and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from videochat.errors import MediaError
from videochat.evaluation.videos import VideoFolder
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "videos" / "1164").mkdir(parents=True)
    (folder / "other").mkdir()
    (folder / "subtitle").mkdir()
    clip = draw_video(folder / "videos" / "1164" / "4010.mp4", [Scene(4, "", "navy"), Scene(2, "", "white")])
    (folder / "other" / "4010.mp4").write_bytes(clip.read_bytes())
    (folder / "videos" / "a.b-c.mp4").write_bytes(clip.read_bytes())
    (folder / "subtitle" / "4010.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    frames = folder / "frames" / "met_s06e22_seg01_clip_02"
    frames.mkdir(parents=True)
    for number in range(9):
        Image.new("RGB", (65, 48), (number * 20, 0, 0)).save(frames / f"{number + 1:05d}.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1164/4010", "videos/1164/4010.mp4"),
        ("other/4010.mp4", "other/4010.mp4"),
        ("4010.avi", "other/4010.mp4"),
        ("a.b-c", "videos/a.b-c.mp4"),
        ("met_s06e22_seg01_clip_02", "frames/met_s06e22_seg01_clip_02"),
        ("missing", None),
        ("videos", None),
    ],
)
def test_names(data: Path, tmp_path: Path, name: str, found: str | None) -> None:
    path = VideoFolder(data, tmp_path).find(name)
    assert (None if path is None else str(path.relative_to(data))) == found


def test_subtitles_from_elsewhere_stand_beside_it_or_not_at_all(data: Path, tmp_path: Path) -> None:
    with_ = VideoFolder(data, tmp_path / "with").open("1164/4010")
    without = VideoFolder(data, tmp_path / "without", subtitles=False).open("1164/4010")
    assert with_.id == without.id
    reader = make_tool("subtitles")
    assert reader.unfit(with_) is None
    assert reader.unfit(without) is not None


def test_a_part_is_a_video_of_its_own(data: Path, tmp_path: Path) -> None:
    folder = VideoFolder(data, tmp_path)
    part = folder.open("1164/4010", (3.0, 5.0))
    assert part.duration_seconds == pytest.approx(2.0, abs=0.15)
    assert part.frame_at(0.2).image.mean() < 60 < 200 < part.frame_at(1.8).image.mean()
    assert folder.open("1164/4010", (3.0, 5.0)).path == part.path


def test_a_folder_of_pictures_is_three_a_second(data: Path, tmp_path: Path) -> None:
    video = VideoFolder(data, tmp_path).open("met_s06e22_seg01_clip_02")
    assert video.duration_seconds == pytest.approx(3.0, abs=0.1)
    assert video.size == (64, 48)


def test_what_is_missing_or_broken_is_a_sentence(data: Path, tmp_path: Path) -> None:
    folder = VideoFolder(data, tmp_path)
    with pytest.raises(MediaError, match="There is no video 'missing'"):
        folder.open("missing")
    broken = tmp_path / "data" / "pictures"
    broken.mkdir(parents=True)
    (broken / "1.jpg").write_bytes(b"no picture")
    with pytest.raises(MediaError, match="make no video"):
        VideoFolder(tmp_path / "data", tmp_path / "work").open("pictures")
