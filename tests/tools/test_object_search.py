"""A thing in words is found on demand."""

import shutil
from importlib import import_module

import pytest

from tests.fakes.tiny_detectors import tiny_grounding_dino
from videochat.devices import BUDGET
from videochat.errors import InvalidArgument, MissingDependency
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.object_search import ObjectFinder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "disc.mp4"
    return draw_video(path, [Scene(3.0), Scene(4.0, moving=True)])


def test_find_objects_in_words(clip):
    finder = ObjectFinder(tiny_grounding_dino(), min_score=0.3, device="cpu")
    video = Video(clip)
    found = finder.find_objects(video, "A red  car", 2.0, 6.0)
    assert found
    assert {caption.text for caption in found} == {"A red car"}
    assert all(2.0 <= c.start_seconds < c.end_seconds <= 6.0 for c in found)
    assert found == sorted(found, key=lambda caption: (caption.start_seconds, caption.track_id))
    with pytest.raises(InvalidArgument, match="in words"):
        finder.find_objects(video, " ")
    with pytest.raises(MissingDependency, match="find_objects"):
        ObjectFinder().find_objects(video, "a dog")


@pytest.mark.parametrize("score", [0.0, 1.5])
def test_a_score_that_is_none(score):
    with pytest.raises(InvalidArgument, match="min_score"):
        ObjectFinder(min_score=score)


def test_what_it_holds_counts_in_the_memory_budget_until_it_is_closed(clip, tmp_path):
    folder = shutil.copytree(tiny_grounding_dino(), tmp_path / "own")
    finder = ObjectFinder(folder, min_score=0.3, device="cpu")

    def claimed():
        return BUDGET.left(1e12, besides=[finder.weights]) - BUDGET.left(1e12)

    assert claimed() == 0
    finder.find_objects(Video(clip), "a disc", 0.0, 1.0)
    assert claimed() == finder.memory_bytes() > 0
    finder.close()
    assert claimed() == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("videochat.tools.objects", "ObjectFinder"),
        ("videochat.tools.speech", "SpeechRegions"),
        ("videochat.tools.speech", "SubtitleReader"),
        ("videochat.tools.speech", "NO_WORDS"),
    ],
)
def test_old_places_lead_to_the_new_ones(module, name):
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now "):
        assert getattr(import_module(module), name)
