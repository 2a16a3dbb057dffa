"""The demo clip is what its constants say. The demo itself: tests/stories/test_demo.py."""

from pathlib import Path

import pytest

from videochat.demo import SCENES, WORDS
from videochat.media import Video


def test_the_clip_is_as_long_as_its_scenes_and_says_its_words(tea: Path) -> None:
    clip = Video(tea)
    assert clip.duration_seconds == pytest.approx(sum(seconds for seconds, *_ in SCENES), abs=0.1)
    assert clip.size == (640, 360)
    (track,) = clip.subtitle_tracks
    said = b"".join(clip.subtitle_stream(track)).decode()
    assert all(words in said for _, _, words in WORDS)
