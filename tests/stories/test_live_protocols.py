"""A camera by each protocol: what is recorded has true seconds, and another process of one source is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import live_protocols
from tests.fakes.live_sender import Camera
from tests.stories.test_live_stream import errors, until
from videochat.errors import MediaError
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import LiveSource
from videochat.recorder import Recorder

pytestmark = [pytest.mark.timeout(120), pytest.mark.enable_socket]


def begun(recorder: Recorder) -> bool:
    try:
        recorder.start()
    except MediaError:
        return False
    return True


@pytest.mark.parametrize(
    "protocol",
    [live_protocols.rtsp, live_protocols.rtmp, live_protocols.srt, live_protocols.udp, live_protocols.over_http],
    ids=lambda protocol: protocol.__name__,
)
def test_true_seconds(protocol: Callable[[Camera], tuple[str, Any]], tmp_path: Path) -> None:
    camera = Camera()
    address, sender = protocol(camera)
    camera.start()
    folder = RecordingFolder(LiveSource.parse(address), tmp_path / "recording")
    recorder = Recorder(folder, segment_seconds=1.0)
    until(lambda: begun(recorder))  # a sender that listens does so in a moment
    until(lambda: len(folder.segments()) >= 3)
    recorder.stop()
    camera.stopped.set()
    sender.close()
    media, wall = errors(LiveRecording(folder))
    assert media < 0.005
    assert wall < 2.0  # SRT and RTMP keep back some
    assert recorder.lines == 1
    assert not recorder.gaps


def test_a_wrong_password_is_a_sentence_that_does_not_show_it(tmp_path: Path) -> None:
    sender = live_protocols.RtspSender(Camera())
    address = sender.address.replace("let%20me%20in", "secret")
    with pytest.raises(MediaError, match=r"rtsp://127.0.0.1:\d+/stream1 cannot be opened .*401") as found:
        Recorder(RecordingFolder(LiveSource.parse(address), tmp_path / "recording")).start()
    sender.close()
    assert "secret" not in str(found.value)
    assert sender.refused
