"""Detections become captions in source pixels, one for each thing."""

import numpy as np
import pytest
import torch

from tests.fakes.senses import CPU
from videochat.batches import Batcher
from videochat.frames import Frame
from videochat.tools.object_captions import ObjectCaptions, detect_in_frames
from videochat.tools.tracking import Sighting, Tracker


def frame(seconds, size=(90, 160)):
    return Frame(seconds, np.zeros((*size, 3), np.uint8), 0.5)


def test_boxes_are_scaled_to_the_source_and_kept_inside(clip):
    def detect(images):
        return [[Sighting("disc", 0.9, (-5.0, 10.0, 80.0, 200.0)), Sighting("line", 0.9, (3.0, 3.0, 3.1, 9.0))]] * len(
            images
        )

    ((_, found),) = detect_in_frames(detect, [frame(0.0)], clip, Batcher(1, CPU))
    # 320 x 180 pixels, twice the picture; what has no area there is no thing.
    assert [(s.label, s.box) for s in found] == [("disc", (0.0, 20.0, 160.0, 180.0))]


def test_when_memory_runs_out_fewer_pictures_are_looked_at_together(clip):
    together = []

    def detect(images):
        together.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return [[]] * len(images)

    frames = [frame(i / 2) for i in range(6)]
    batcher = Batcher(4, CPU)
    assert [seen.seconds for seen, _ in detect_in_frames(detect, frames, clip, batcher)] == [f.seconds for f in frames]
    assert together == [4, 2, 2, 2]


def dog(score):
    return Sighting("dog", score, (10.0, 10.0, 60.0, 60.0))


@pytest.mark.parametrize(("scores", "count"), [([0.5], 0), ([0.7], 1), ([0.5, 0.45], 1)])
def test_what_is_seen_once_must_be_sure(clip, scores, count):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    for index, score in enumerate(scores):
        captions.add(frame(index / 2), [dog(score)])
    found = list(captions.take_all())
    assert len(found) == count
    for caption in found:
        assert (caption.score, caption.end_seconds) == (max(scores), len(scores) / 2)


def test_a_thing_that_stays_keeps_its_number_and_one_that_is_lost_ends(clip):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    captions.add(frame(0.0), [dog(0.9)])
    (first,) = captions.take_all()
    captions.add(frame(0.5), [dog(0.8)])
    assert list(captions.take_lost(1.0)) == []
    (second,) = captions.take_lost(3.0)
    assert first.track_id == second.track_id
    assert (second.start_seconds, second.end_seconds, second.score) == (0.5, 1.0, 0.8)
    assert list(captions.take_all()) == []


def test_a_thing_of_several_names_has_a_caption_for_each_under_one_number(clip):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    names = ["car", "car", "phone", "phone", "phone", "phone", "car", "rug"]
    for index, name in enumerate(names):
        captions.add(frame(index / 2), [Sighting(name, 0.5, (10.0, 10.0, 60.0, 60.0))])
    found = {c.text: (c.start_seconds, c.end_seconds, c.track_id) for c in captions.take_all()}
    # What was seen by a name once, and not for sure, has no caption by it.
    assert found == {"car": (0.0, 3.5, 0), "phone": (1.0, 3.0, 0)}


def test_a_name_that_comes_back_late_is_told_anew(clip):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    for index in range(24):
        name = "sofa" if 2 <= index < 20 else "person"
        captions.add(frame(index / 2), [Sighting(name, 0.9, (10.0, 10.0, 60.0, 60.0))])
    people = [(c.start_seconds, c.end_seconds) for c in captions.take_all() if c.text == "person"]
    assert people == [(0.0, 1.0), (10.0, 12.0)]


@pytest.mark.parametrize(("label", "colour"), [("car", "red"), ("person", None)])
def test_the_colour_of_a_thing_is_that_of_its_middle(clip, label, colour):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    image = np.full((90, 160, 3), 120, np.uint8)
    # The picture is half as large as the video.
    image[20:40, 20:60] = (200, 30, 30)
    captions.add(Frame(0.0, image, 0.5), [Sighting(label, 0.9, (30.0, 30.0, 130.0, 90.0))])
    (caption,) = captions.take_all()
    assert caption.attributes.get("colour") == colour


@pytest.mark.parametrize(("step", "starts"), [(20.0, 0.0), (1.0, 1.5)])
def test_what_moves_on_was_there_before_it_got_its_name(clip, step, starts):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    for index, name in enumerate(["bottle", "phone", "phone", "car", "car"]):
        left = 10.0 + step * index
        captions.add(frame(index / 2), [Sighting(name, 0.7, (left, 10.0, left + 60.0, 60.0))])
    assert {c.text: c.start_seconds for c in captions.take_all()}["car"] == starts


def test_a_slip_of_the_tongue_is_told_only_where_it_was_made(clip):
    captions = ObjectCaptions(Tracker(0.5, 0.4, 2.0), clip, "test")
    for index in range(14):
        left = 10.0 + 15 * index
        name = "dog" if index in (8, 9) else "person"
        captions.add(frame(index / 2), [Sighting(name, 0.7, (left, 10.0, left + 60.0, 60.0))])
    found = {c.text: (c.start_seconds, c.end_seconds) for c in captions.take_all()}
    assert found == {"person": (0.0, 7.0), "dog": (4.0, 5.0)}
