"""Things are followed, numbered and counted once, and a resumed watch keeps the numbers."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.tiny_detectors import tiny_dfine, tiny_rtdetr, tiny_yolo
from videochat.errors import InvalidArgument, MissingDependency
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools.base import Settled
from videochat.tools.objects import ObjectDetector
from videochat.tools.tracking import Sighting

MATERIAL = Path(__file__).parents[2] / "../shared/material"
MAKERS = [tiny_dfine, tiny_rtdetr, tiny_yolo]


class DiscFinder:
    """Finds the dark disc of a drawn video, and nothing else."""

    batch_size = 4

    def detect(self, images, min_score):
        return [self._look(image) for image in images]

    def _look(self, image):
        ys, xs = np.nonzero(image.mean(axis=2) < 90)
        if not len(xs):
            return []
        return [Sighting("disc", 0.9, (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)))]


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "disc.mp4"
    return draw_video(path, [Scene(3.0), Scene(4.0, moving=True), Scene(4.0, colour="lightblue")])


def disc_detector(**options):
    tool = ObjectDetector("no/model", **options)
    tool._model = DiscFinder()
    return tool


def perceive(tool, video, start=0.0, end=None, frames=None):
    end = video.duration_seconds if end is None else end
    sampling = tool.needs
    if frames is None:
        frames = video.frames(sampling.every_seconds, start, end, max_side=sampling.max_side)
    return list(tool.perceive(frames, video, start, end))


def captions(items):
    return [item for item in items if isinstance(item, Caption)]


def test_one_caption_a_thing_with_true_seconds(clip):
    items = perceive(disc_detector(), Video(clip))
    assert items[-1] == Settled(Video(clip).duration_seconds)
    told = captions(items)
    assert [(c.start_seconds, c.end_seconds, c.text, c.track_id, c.score) for c in told] == [
        (3.0, 7.0, "disc", 6000, 0.9)
    ]


@pytest.mark.parametrize(("size", "rotate"), [((1280, 720), 0), ((720, 1280), 0), ((320, 180), 90)])
def test_boxes_are_in_upright_source_pixels(tmp_path, size, rotate):
    video = Video(draw_video(tmp_path / "a.mp4", [Scene(4.0, moving=True)], size=size, rotate=rotate))
    (told,) = captions(perceive(disc_detector(), video))
    truth = DiscFinder()._look(video.frame_at(told.start_seconds).image)[0].box
    assert np.abs(np.array(told.box) - truth).max() <= 3
    assert video.size is not None
    assert told.box[2] <= video.size[0]
    assert told.box[3] <= video.size[1]


def passing_by(seconds, every=0.5):
    """Pictures in which one disc stays, and another comes for eight seconds out of every twenty."""
    for number in range(round(seconds / every)):
        now = number * every
        image = np.full((90, 160, 3), 255, np.uint8)
        if now < 150:
            image[10:30, 20:40] = 0
        if now % 20 < 8:
            left = 60 + round(now % 20 * 8)
            image[50:70, left : left + 20] = 0
        yield Frame(now, image, every)


class PatchFinder(DiscFinder):
    """Finds dark patches above and below the middle."""

    def _look(self, image):
        upper, lower = image.copy(), image.copy()
        upper[45:], lower[:45] = 255, 255
        return super()._look(upper) + super()._look(lower)


def test_resumed_at_any_mark_it_tells_the_same(clip):
    video, frames = Video(clip), list(passing_by(200))

    def run(start):
        tool = ObjectDetector("no/model")
        tool._model = PatchFinder()
        return perceive(tool, video, start, 200.0, [frame for frame in frames if frame.seconds >= start])

    whole = run(0.0)
    marks = [item for item in whole if isinstance(item, Settled)]
    # Two because something stays for long, the others where nothing is in sight.
    assert [mark.seconds for mark in marks] == [60.0, 120.0, 152.0, 170.0, 180.0, 190.0, 200.0]
    for mark in marks[:-1]:
        position = whole.index(mark) + 1
        assert all(c.start_seconds < mark.seconds for c in captions(whole[:position]))
        assert run(mark.seconds) == whole[position:]
    told = captions(whole)
    # The one that stays, and ten visits.
    assert len({caption.track_id for caption in told}) == 11
    stays = [(c.start_seconds, c.end_seconds) for c in told if c.track_id == 0]
    assert stays == [(0.0, 60.0), (60.0, 120.0), (120.0, 150.0)]


def test_where_nothing_is_seen_marks_come_all_the_same(clip):
    frames = [Frame(float(s), np.full((20, 20, 3), 255, np.uint8), 1.0) for s in range(35)]
    marks = perceive(disc_detector(every_seconds=1.0), Video(clip), 0.0, 35.0, frames)
    assert marks == [Settled(10.0), Settled(20.0), Settled(30.0), Settled(35.0)]


def test_a_thing_seen_once_must_be_sure(clip):
    class Flash:
        batch_size = 1

        def __init__(self, score):
            self.score = score

        def detect(self, images, min_score):
            return [[Sighting("bird", self.score, (0.0, 0.0, 9.0, 9.0))] for _ in images]

    for score, count in ((0.5, 0), (0.7, 1)):
        tool = ObjectDetector("no/model")
        tool._model = Flash(score)
        assert len(captions(perceive(tool, Video(clip), 0.0, 0.5))) == count


def test_only_the_labels_asked_for(clip):
    assert not captions(perceive(disc_detector(labels=["dog"]), Video(clip)))
    assert captions(perceive(disc_detector(labels=["disc"]), Video(clip)))


def test_another_model_or_setting_is_another_source():
    sources = [
        ObjectDetector(tiny_dfine()).source,
        ObjectDetector(tiny_rtdetr()).source,
        ObjectDetector(tiny_dfine(), every_seconds=1.0).source,
        ObjectDetector(tiny_dfine(), labels=["dog"]).source,
    ]
    assert len(set(sources)) == 4


def test_what_is_missing_is_said_before_the_first_picture(tmp_path, monkeypatch):
    began = time.monotonic()
    with pytest.raises(MissingDependency, match=r"'objects' needs the model some/detector.* HF_HUB_OFFLINE"):
        ObjectDetector("some/detector").prepare()
    with pytest.raises(MissingDependency, match=r"needs the file 'models/yolo11n.pt', but there is none.*download"):
        ObjectDetector("models/yolo11n.pt").prepare()
    with pytest.raises(MissingDependency, match="there is no such folder"):
        ObjectDetector(tmp_path / "nowhere").prepare()
    monkeypatch.setattr("videochat.tools.objects.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'videochat\[yolo\]'.*AGPL"):
        ObjectDetector(tiny_yolo()).prepare()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("score", [0.0, 1.5])
def test_a_score_that_is_none(score):
    with pytest.raises(InvalidArgument, match="min_score"):
        ObjectDetector(min_score=score)


@pytest.mark.material
@pytest.mark.parametrize(("name", "people"), [("yoga", 1), ("jesse_dance", 1), ("playing_guitar", None)])
def test_real_people_are_found_in_every_second(name, people):
    # The pictures at 0, 1 ... 9 s were looked at by eye: a person is plainly visible in each of them (of the
    # guitar player only torso and hand). jesse_dance also holds drawings of people, which must not count.
    video = Video(MATERIAL / f"videos/{name}.mp4")
    told = captions(perceive(ObjectDetector(MATERIAL / "weights/yolov8n-int8deq.pt", device="cpu"), video))
    persons = [caption for caption in told if caption.text == "person"]
    seconds = range(int(video.duration_seconds))
    found = [s for s in seconds if any(c.start_seconds <= s < c.end_seconds for c in persons)]
    assert len(found) >= (0.95 if people is not None else 0.9) * len(seconds)
    if people is not None:
        assert len({caption.track_id for caption in persons}) == people
