"""Files are opened as files by any name, and open no others."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from av.error import FFmpegError

from videochat.errors import InvalidArgument, MediaError
from videochat.local_files import check_target, is_there, local_path, open_container, playlist_of, shown_name
from videochat.media import Video
from videochat.testing import Scene, draw_video

ODD_NAMES = [
    b"a:b.mp4",
    b"concat:x.mp4",
    b"concat:x.mp4|y.mp4",
    b"tcp:127.0.0.1:9",
    b"data:text,x",
    b"file:x.mp4",
    b"-i",
    b"-y.mp4",
    b"~",
    b"~nobody-of-that-name.mp4",
    b"a%03d.mp4",
    b"a*[b]?.mp4",
    b"\xff\xe9.mp4",
    b"a\nb\t'\".mp4",
    b" .mp4",
    "牛奶.mp4".encode(),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "plain.mp4"
    return draw_video(path, [Scene(2, "MILK")], speech=[(0.5, 1.5)], subtitles=[(0.5, 1.0, "milk")])


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_read(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(drawn, os.fsdecode(name))
    video = Video(os.fsdecode(name))
    assert video.duration_seconds == pytest.approx(2, abs=0.1)
    assert len(list(video.frames())) == 2
    assert video.frame_at(1).image.shape == (180, 320, 3)
    assert sum(len(block.samples) for block in video.audio()) > 16_000
    assert b"milk" in b"".join(video.subtitle_stream(video.subtitle_tracks[0]))
    video.name.encode()
    repr(video).encode()


def test_names_in_bytes_and_a_home_are_understood(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(drawn, tmp_path / "film.mp4")
    assert Video("~/film.mp4").path == tmp_path / "film.mp4"
    assert Video(os.fsencode(tmp_path / "film.mp4")).name == "film.mp4"
    assert shown_name(Path(os.fsdecode(b"\xffa.mp4"))) == "?a.mp4"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b.mp4"])
def test_what_can_be_no_name_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(MediaError, match=r"(No file can be called|There is no file) '"):
        Video(name)
    assert local_path("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
    "list.mp4": "\ufeff#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2,\n{0}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{0}'\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "list.mpd": '<?xml version="1.0"?>\n<MPD><Period><BaseURL>{0}</BaseURL></Period></MPD>\n',
    "list.pls": "[playlist]\nFile1={0}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_a_playlist_opens_no_other_file(drawn: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(PLAYLISTS[name].format(drawn), encoding="utf-8")
    assert playlist_of(tmp_path / name)
    with pytest.raises(MediaError, match=r"list\.\w+' is an? .*names other files or hosts, which are not opened"):
        Video(tmp_path / name)


def test_a_video_is_no_playlist(drawn: Path) -> None:
    assert playlist_of(drawn) is None


def test_an_index_of_pictures_of_words_does_not_open_what_lies_beside_it(tmp_path: Path) -> None:
    index = tmp_path / "film.idx"
    index.write_text("# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\n")
    os.mkfifo(tmp_path / "film.sub")  # who opened it would wait for ever
    with pytest.raises(FFmpegError):
        open_container(index)


def test_a_name_is_one_line() -> None:
    assert shown_name(Path("a\nvideochat: FAKE\r.mp4")) == "a?videochat: FAKE?.mp4"


def test_whether_a_file_is_there_can_be_asked_of_any_text(drawn: Path) -> None:
    assert is_there(drawn)
    assert not is_there(drawn.with_name("other.mp4"))
    assert not is_there("what is " * 60)
    assert not is_there("a\0b")


def test_a_video_is_not_written_over_by_any_name(drawn: Path, tmp_path: Path) -> None:
    check_target(tmp_path / "notes.srt", [drawn])
    for link in (tmp_path / "soft.srt", tmp_path / "hard.srt"):
        (link.symlink_to if link.stem == "soft" else link.hardlink_to)(drawn)
        with pytest.raises(InvalidArgument, match="is the video itself"):
            check_target(link, [drawn])
