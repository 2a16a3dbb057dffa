"""Blocks of sound know when they end; how a video's sound is read: test_media.py."""

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock


def test_a_block_of_sound_ends_after_its_last_sample() -> None:
    assert AudioBlock(1.0, np.zeros(SAMPLE_RATE // 2, np.float32)).end_seconds == 1.5
