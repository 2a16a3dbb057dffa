"""Damage costs only what is damaged; a decoder begins at or before what is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from videochat.clock import Clock, Stretch
from videochat.decoding import Track, decoded_from, first_of
from videochat.media import Video
from videochat.testing import Scene, draw_video


@pytest.fixture(scope="module")
def numbered(drawn: Path) -> Path:
    return draw_video(drawn / "decoding.mkv", [Scene(12, "", "grey", moving=True)], size=(160, 90), numbered=True)


def track(path: Path) -> Track:
    return Track(path, 0, Clock((Stretch(0.0, 0.0),)))


@pytest.mark.parametrize("start", [0.0, 4.95, 5.0, 7.3, 11.9, 100.0])
def test_the_first_picture_is_not_after_what_is_wanted(numbered: Path, start: float) -> None:
    first, second, *_ = [*decoded_from(track(numbered), start), None]
    assert first is not None
    assert first.seconds <= start
    assert second is None or second.seconds > first.seconds


def test_after_a_damaged_packet_the_others_come(tmp_path: Path, numbered: Path) -> None:
    path = tmp_path / "damaged.mkv"
    with av.open(str(numbered)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy: Any = target.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.dts is None:
                continue
            if number == 23:
                packet.update(b"\xff" * packet.size)
            packet.stream = copy
            target.mux(packet)
    pictures = list(decoded_from(track(path), 0.0))
    assert len(pictures) >= 115
    assert any(picture.after_damage for picture in pictures)
    assert pictures[-1].seconds == pytest.approx(11.9, abs=0.01)
    assert Video(path).frame_at(11.0).image.mean() == pytest.approx(Video(numbered).frame_at(11.0).image.mean(), abs=1)


def test_the_first_picture_and_sound_are_found_in_one_go(voiced: Video) -> None:
    with av.open(str(voiced.path)) as container:
        picture, sound = first_of(container, container.streams.video[0], container.streams.audio[0])
    assert picture is not None
    assert sound is not None
    assert picture.raw_seconds == pytest.approx(0, abs=0.05)
    assert picture.timing == "presentation"
    assert sound.raw_seconds == pytest.approx(0, abs=0.05)
