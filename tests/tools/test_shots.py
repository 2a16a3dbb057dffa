"""Cuts and sudden changes, exact to the picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.senses import seen
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool
from videochat.tools.shots import ShotDetector


def test_cuts_are_exact_to_the_picture(tmp_path: Path) -> None:
    rate = 25
    scenes = [Scene(1.64, "", "white"), Scene(2.36, "", "navy", moving=True), Scene(2.0, "", "gold")]
    video = Video(draw_video(tmp_path / "cuts.mp4", scenes, frame_rate=rate))
    shots = [c for c in seen(make_tool("shots"), video) if c.attributes["event"] == "shot"]
    assert [c.start_seconds for c in shots] == pytest.approx([0.0, 1.64, 4.0], abs=1e-4)
    assert [c.end_seconds for c in shots] == pytest.approx([1.64, 4.0, 6.0], abs=1e-4)
    assert shots[0].text == "one shot of 1.6 s"
    assert shots[0].attributes == {"event": "shot"}


def test_a_change_within_a_shot_is_a_key_moment(tmp_path: Path) -> None:
    # Another hue of the same lightness: less than a cut, more than anything before.
    video = Video(draw_video(tmp_path / "hue.mp4", [Scene(3, "", "navy"), Scene(3, "", "green")]))
    sudden = [c for c in seen(make_tool("shots"), video) if c.attributes["event"] == "sudden_change"]
    assert [c.start_seconds for c in sudden] == [3.0]


def test_another_threshold_is_another_source_and_facts_are_another_version(clip: Video) -> None:
    assert ShotDetector().source == "scenedetect-content-27"
    assert ShotDetector(30.5).source == "scenedetect-content-30.5"
    assert ShotDetector().version(clip) != ShotDetector().source
