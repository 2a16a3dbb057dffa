"""ffmpeg as a process, and the grid of seconds."""

import io
import subprocess
from pathlib import Path
from typing import Any

import ffmpeg
import pytest

from videochat.errors import MediaError
from videochat.ffmpeg import ffmpeg_exe, reason, running, seek_options


@pytest.mark.parametrize(
    ("banner", "is_taken"),
    [
        ("ffmpeg version 5.1.6 Copyright", True),
        ("ffmpeg version n7.0 Copyright", True),
        ("ffmpeg version N-12345-gabc Copyright", True),
        ("ffmpeg version 4.4.2 Copyright", False),
        ("", False),
    ],
)
def test_an_old_ffmpeg_of_the_system_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, banner: str, is_taken: bool
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, banner)

    monkeypatch.setattr("videochat.ffmpeg.shutil.which", lambda _: "/system/ffmpeg")
    monkeypatch.setattr("videochat.ffmpeg.subprocess.run", run)
    found = ffmpeg_exe.__wrapped__()
    assert (found == "/system/ffmpeg") is is_taken
    assert is_taken or Path(found).is_file()


def test_what_ffmpeg_says_is_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    job = ffmpeg.output(ffmpeg.input(str(tmp_path / "a.mp4")), "pipe:", format="rawvideo")
    with pytest.raises(MediaError, match=r"ffmpeg could not read 'a\.mp4': .+"), running(job, "a.mp4"):
        pytest.fail("there is nothing to read")


def test_a_process_ends_with_its_reader() -> None:
    job = ffmpeg.output(ffmpeg.input("anullsrc", format="lavfi"), "pipe:", format="s16le")
    with running(job, "silence") as pipe:
        assert isinstance(pipe, io.BufferedReader)
        assert len(pipe.read(100)) == 100
    assert pipe.closed


def test_a_reason_is_one_line() -> None:
    assert reason(OSError(2, "No such file\nat all")) == "No such file"
    assert reason(ValueError("wrong\nvery")) == "wrong"


def test_a_range_is_read_from_the_key_picture_before_it() -> None:
    assert seek_options(0.0, 1.4, 1.0) == {}
    assert seek_options(3.0, 1.4, 1.0) == {"ss": "3.400000", "noaccurate_seek": None}
    assert seek_options(0.5, 0.0, 2.0)["ss"] == "0.000000"
