"""Light, colours and motion are measured truly, and given as words and as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import seen
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, make_tool


def facts(tool: PerceptionTool, video: Video, pictures: Iterable[np.ndarray]) -> str:
    """Say what the sense measures in five pictures a second."""
    frames = [Frame(round(i * 0.2, 6), picture, 0.2) for i, picture in enumerate(pictures)]
    items = tool.perceive(frames, video, 0.0, frames[-1].end_seconds)
    return " | ".join(item.text for item in items if isinstance(item, Caption))


def texture(height: int, width: int) -> np.ndarray:
    """Blotches of grey, the same every time; uint8 of shape (height, width, 3)."""
    coarse = np.random.default_rng(3).integers(40, 216, (height // 8 + 1, width // 8 + 1))
    gray = np.kron(coarse, np.ones((8, 8)))[:height, :width]
    return np.repeat(gray[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ("white", r"light: bright .*colours: white (9\d|100)%"),
        ("black", r"light: very dark .*colours: black (9\d|100)%"),
        ("grey", r"light: medium .*colours: grey (9\d|100)%"),
        ("red", r"colours: red (9\d|100)%"),
        ("gold", r"colours: yellow (9\d|100)%"),
        ("orange", r"colours: orange (9\d|100)%"),
        ("saddlebrown", r"colours: brown (9\d|100)%"),
        ("green", r"light: dark .*colours: green (9\d|100)%"),
        ("cyan", r"colours: cyan (9\d|100)%"),
        ("navy", r"light: very dark .*colours: blue (9\d|100)%"),
        ("purple", r"colours: (purple|pink) (9\d|100)%"),
        ("hotpink", r"colours: pink (9\d|100)%"),
    ],
)
def test_light_and_colours_are_named_truly(tmp_path: Path, colour: str, words: str) -> None:
    video = Video(draw_video(tmp_path / "plain.mp4", [Scene(1, "", colour)], size=(64, 36)))
    (caption,) = seen(make_tool("visual_facts"), video)
    assert re.search(words, caption.text), caption.text
    assert "camera: still; motion: hardly anything moves" in caption.text


def test_facts_come_every_two_seconds(clip: Video) -> None:
    told = seen(make_tool("visual_facts"), clip)
    assert [(c.start_seconds, c.end_seconds) for c in told] == [(s, s + 2) for s in range(0, 12, 2)]
    assert "light: bright (mean lightness 98%)" in told[0].text


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ((0, 0), "camera: still; motion: hardly anything moves"),
        ((4, 0), "camera: moves right"),
        ((-4, 0), "camera: moves left"),
        ((0, 4), "camera: moves down"),
        ((0, -4), "camera: moves up"),
    ],
    ids=["still", "right", "left", "down", "up"],
)
def test_the_way_of_the_camera(clip: Video, step: tuple[int, int], words: str) -> None:
    world = texture(400, 500)
    dx, dy = step
    views = [world[120 + i * dy :, 120 + i * dx :][:144, :256] for i in range(20)]
    said = facts(make_tool("visual_facts"), clip, views)
    assert words in said
    # Four pixels of 256 in a fifth of a second.
    if dx:
        share = re.search(r"\((\d+)% of the picture width", said)
        assert share is not None
        assert abs(int(share[1]) - 8) <= 1


@pytest.mark.parametrize(("left", "place"), [(10, "left"), (180, "right")])
def test_something_that_moves_before_a_still_camera(clip: Video, left: int, place: str) -> None:
    world, thing = texture(144, 256), texture(200, 60)[::-1]
    views = []
    for i in range(20):
        view = world.copy()
        view[40:100, left : left + 60] = thing[i * 4 : i * 4 + 60]
        views.append(view)
    said = facts(make_tool("visual_facts"), clip, views)
    assert "camera: still" in said
    assert re.search(rf"motion: \d+% of the picture moves, around the {place}", said), said


def test_facts_are_attributes_as_well(clip: Video) -> None:
    first = seen(make_tool("visual_facts"), clip)[0]
    phrases = dict(part.split(": ") for part in first.text.split("; "))
    assert {topic: first.attributes[topic] for topic in phrases} == phrases
    assert first.attributes["lightness"] == pytest.approx(0.97, abs=0.01)
    assert first.attributes["camera_speed"] == 0.0
    assert first.attributes["moving_share"] == 0.0


@pytest.mark.parametrize("size", [(8, 8), (256, 8), (640, 32), (8, 256)])
def test_pictures_too_small_for_optical_flow_have_light_and_colours(tmp_path: Path, size: tuple[int, int]) -> None:
    video = Video(draw_video(tmp_path / "small.mp4", [Scene(2, "", "navy", moving=True)], size=size))
    (caption,) = seen(make_tool("visual_facts"), video)
    assert "light: " in caption.text
    assert set(caption.attributes) == {"light", "colours", "lightness"}


@pytest.mark.material
@pytest.mark.parametrize(
    ("clip", "still", "moving"), [("car-detection.mp4", (0.0, 30.0), None), ("parking_ride.webm", None, (10.0, 30.0))]
)
def test_a_fixed_camera_is_still_whatever_passes_before_it(
    material: Path, clip: str, still: tuple[float, float] | None, moving: tuple[float, float] | None
) -> None:
    tool = make_tool("visual_facts")
    found = [item for item in tool.run(Video(material / "videos" / clip)) if isinstance(item, Caption)]
    for span, expected in ((still, True), (moving, False)):
        within = [c for c in found if span is not None and span[0] <= c.start_seconds and c.end_seconds <= span[1]]
        assert [c.attributes["camera"] == "still" for c in within] == [expected] * len(within)
        assert bool(within) == (span is not None)
