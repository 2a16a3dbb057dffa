"""Light, colours and motion are measured truly, and given as words and as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import seen
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, Settled, make_tool
from videochat.tools.visual_facts import VisualFacts


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
    assert caption.text.endswith("; motion: hardly anything moves"), "before a plain wall no camera can be seen to move"


def captions(pictures: Iterable[np.ndarray], video: Video, start: float = 0.0) -> list[Caption]:
    """Return what is measured in five pictures a second."""
    return [item for item in told(pictures, video, start) if isinstance(item, Caption)]


def told(pictures: Iterable[np.ndarray], video: Video, start: float = 0.0) -> list[Caption | Settled]:
    """Return what the sense says of five pictures a second, from one of their seconds on."""
    frames = [Frame(round(i * 0.2, 6), picture, 0.2) for i, picture in enumerate(pictures)]
    end = frames[-1].end_seconds
    stream = [frame for frame in frames if frame.seconds >= start - 1e-6]
    return list(VisualFacts().perceive(stream, video, start, end))


def spans(found: Iterable[Caption]) -> list[tuple[float, float]]:
    return [(round(c.start_seconds, 3), round(c.end_seconds, 3)) for c in found]


def test_colours_of_equal_share_have_one_order(tmp_path: Path) -> None:
    scenes = [Scene(1, "", colour) for colour in ("white", "black", "gold", "navy")]
    video = Video(draw_video(tmp_path / "halves.mp4", scenes, frame_rate=4, size=(64, 36)))
    said = [caption.text for caption in seen(VisualFacts(), video)]
    assert "colours: black 50%, white 50%" in said[0]
    assert "colours: blue 50%, yellow 50%" in said[1]


def test_what_stays_the_same_is_said_once(clip: Video) -> None:
    world = texture(72, 128)
    noise = np.random.default_rng(5).integers(-6, 7, (40, 72, 128, 1))
    assert spans(captions([np.clip(world + n, 0, 255).astype(np.uint8) for n in noise], clip)) == [(0, 8)]


def light(caption: Caption) -> float:
    return float(caption.attributes["lightness"])


def moving_at(numbers: range) -> list[np.ndarray]:
    """Draw eight seconds in which a thing moves for some pictures."""
    views = []
    for i in range(40):
        view, at = texture(72, 128), 2 * (i - numbers.start) if i in numbers else 0
        view[20:50, 30:75] = texture(100, 45)[::-1][at : at + 30]
        views.append(view)
    return views


def test_what_changes_is_said_to_two_seconds(clip: Video) -> None:
    world, wide = texture(72, 128), texture(72, 200)
    darker = [world] * 20 + [world // 2] * 20
    tinted = [world] * 20 + [(world * np.array([1.0, 0.6, 0.6])).astype(np.uint8)] * 10
    panning = captions([wide[:, max(i - 20, 0) * 2 :][:, :128] for i in range(40)], clip)
    assert spans(captions(darker, clip)) == [(0, 4), (4, 8)]
    assert spans(captions(tinted, clip)) == [(0, 4), (4, 6)]
    assert spans(panning) == [(0, 4), (4, 8)]
    assert [str(c.attributes["camera"])[:11] for c in panning] == ["still", "moves right"]
    assert spans(captions(moving_at(range(10, 20)), clip)) == [(0, 2), (2, 4), (4, 8)]


def test_what_changes_slowly_changes(clip: Video) -> None:
    world = texture(36, 64) // 2
    found = captions([np.clip(world + i // 2, 0, 255).astype(np.uint8) for i in range(300)], clip)
    assert 6 <= len(found) <= 20
    for caption, after in pairwise(found):
        assert caption.end_seconds == pytest.approx(after.start_seconds)
        assert 0 < light(after) - light(caption) < 0.12
    # What is said of a stretch is true of every picture in it.
    for caption in found:
        middle = (world + (caption.start_seconds + caption.end_seconds) / 2 * 2.5).mean() / 255
        assert light(caption) == pytest.approx(middle, abs=0.03)


def test_what_stays_for_long_is_said_every_minute(clip: Video) -> None:
    assert spans(captions([texture(32, 32)] * 650, clip)) == [(0, 60), (60, 120), (120, 130)]


def test_from_any_mark_on_it_says_the_same(clip: Video) -> None:
    pictures = moving_at(range(13, 27))
    items = told(pictures, clip)
    marks = [(place, item.seconds) for place, item in enumerate(items[:-1]) if isinstance(item, Settled)]
    assert len(marks) >= 2
    for place, seconds in marks:
        assert told(pictures, clip, seconds) == items[place + 1 :]


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
    assert first.attributes["moving_share"] == 0.0


@pytest.mark.parametrize("size", [(8, 8), (256, 8), (640, 32), (8, 256)])
def test_pictures_too_small_for_optical_flow_have_light_and_colours(tmp_path: Path, size: tuple[int, int]) -> None:
    video = Video(draw_video(tmp_path / "small.mp4", [Scene(2, "", "navy", moving=True)], size=size))
    (caption,) = seen(make_tool("visual_facts"), video)
    assert "light: " in caption.text
    assert set(caption.attributes) == {"light", "colours", "lightness"}


@pytest.mark.material
@pytest.mark.parametrize(("clip", "still"), [("car-detection.mp4", True), ("parking_ride.webm", False)])
def test_a_fixed_camera_is_still_whatever_passes_before_it(material: Path, clip: str, *, still: bool) -> None:
    found = seen(make_tool("visual_facts"), Video(material / "videos" / clip))
    # The ride begins at about ten seconds.
    told = [c for c in found if (still or c.start_seconds >= 10.0) and "camera" in c.attributes]
    ways = {c.attributes["camera"] == "still" for c in told}
    assert ways == {still}
    assert len(found) < found[-1].end_seconds / 2, "windows that say the same are one"
