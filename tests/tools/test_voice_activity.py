"""When somebody speaks is found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysubs2
import pytest

from tests.fakes.clips import SPEECH
from tests.fakes.senses import seen
from videochat.audio import AudioBlock
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import Settled, make_tool
from videochat.tools.voice_activity import VOICE_BLOCK, voice_blocks


@pytest.mark.parametrize("video", ["voiced", "sound_only"])
def test_speech_is_heard_where_it_is(request: pytest.FixtureRequest, video: str) -> None:
    told = seen(make_tool("speech_regions"), request.getfixturevalue(video))
    assert len(told) == len(SPEECH)
    for caption, (start, end) in zip(told, SPEECH, strict=True):
        assert caption.start_seconds == pytest.approx(start, abs=0.2)
        assert caption.end_seconds == pytest.approx(end, abs=0.2)
        assert "what is said is unknown" in caption.text
        assert caption.attributes == {"words_known": False}


def test_no_speech_is_heard_in_silence(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "quiet.mp4", [Scene(6)], speech=[(0, 0)])
    assert Video(path).has_audio
    assert seen(make_tool("speech_regions"), Video(path)) == []


@pytest.mark.material
def test_real_speech_is_heard_and_resumes(material: Path) -> None:
    video, tool = Video(material / "videos" / "jfk_slides.mp4"), make_tool("speech_regions")
    items = list(tool.run(video))
    told = [item for item in items if isinstance(item, Caption)]
    for cue in pysubs2.load(str(material / "videos" / "jfk_slides.gold.srt")):
        middle = (cue.start + cue.end) / 2000
        assert any(c.overlaps(middle, middle + 0.001) for c in told)
    for place, mark in enumerate(items[:-1]):
        if isinstance(mark, Settled):
            assert list(tool.run(video, mark.seconds)) == items[place + 1 :]


def test_blocks_are_even_and_nothing_is_lost() -> None:
    samples = np.arange(3 * VOICE_BLOCK + 100, dtype=np.float32)
    pieces = [samples[:700], samples[700:701], samples[701:]]
    blocks = list(voice_blocks(AudioBlock(0.0, piece) for piece in pieces))
    assert {len(block) for block in blocks} == {VOICE_BLOCK}
    np.testing.assert_array_equal(np.concatenate(blocks)[: len(samples)], samples)
    assert not np.concatenate(blocks)[len(samples) :].any()
