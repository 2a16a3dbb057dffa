"""`videochat export`: what is remembered, as files; subtitles are read again by our own sense."""

import json
import shutil
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.subtitles import SubtitleReader


@pytest.mark.parametrize("ending", ["srt", "vtt"])
def test_subtitles_are_read_again_as_they_were_written(
    ending: str, demo_clip: Path, demo_memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"other.{ending}"
    assert main(["export", str(demo_clip), "--memory", demo_memory, "-o", str(out)]) == 0
    assert f"{ending}, " in capsys.readouterr().err
    shutil.copy(demo_clip, tmp_path / "other.mp4")
    video = Video(tmp_path / "other.mp4")
    read = [c for c in SubtitleReader().perceive([], video, 0, video.duration_seconds) if isinstance(c, Caption)]
    assert main(["captions", str(demo_clip), "--memory", demo_memory, "--kind", "speech", "--json"]) == 0
    kept = [Caption.from_dict(data) for data in json.loads(capsys.readouterr().out)]
    assert len(read) > 2
    assert [(c.start_seconds, c.end_seconds, c.text) for c in read] == [
        (c.start_seconds, c.end_seconds, c.text) for c in kept
    ]


def test_every_format_is_written(demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    begins = {
        "srt": "1\n00:",
        "vtt": "WEBVTT",
        "csv": "start_seconds,",
        "md": "# tea",
        "json": "{",
        "chapters": "00:00 ",
    }
    for format_, begin in begins.items():
        assert main(["export", str(demo_clip), "--memory", demo_memory, "--format", format_]) == 0
        assert capsys.readouterr().out.startswith(begin)
    assert main(["export", str(demo_clip), "--memory", demo_memory, "--format", "md", "--kind", "measure"]) == 0
    assert "measure:" in capsys.readouterr().out


def test_nothing_to_write_is_told(demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(demo_clip), "--memory", demo_memory, "--kind", "action", "--format", "srt"]) == 1
    assert "no caption of the kind action. There are captions of the kinds: measure" in capsys.readouterr().err
    assert main(["export", str(demo_clip), "--memory", demo_memory, "-o", "no/such/folder/x.srt"]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_video_itself_is_not_written_over(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = demo_clip.read_bytes()
    asked = ["ask", str(demo_clip), "When is the milk poured?", "--memory", demo_memory, "--html", str(demo_clip)]
    for command in (
        ["export", str(demo_clip), "--memory", demo_memory, "-o", str(demo_clip), "--format", "srt"],
        asked,
    ):
        assert main(command) == 1
        assert "is the video itself" in capsys.readouterr().err
    assert demo_clip.read_bytes() == before
