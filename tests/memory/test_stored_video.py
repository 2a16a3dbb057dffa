"""What a list says of a video that was watched."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from videochat.memory import CaptionStore
from videochat.memory.stored_video import StoredVideo


def test_a_stored_video_is_plain_data_for_json() -> None:
    video = StoredVideo("4f2a", "kitchen.mp4", "/films/kitchen.mp4", 12.0, 7, ["/films/kitchen.mp4"], {"ocr": [[0, 9]]})
    assert StoredVideo(**json.loads(json.dumps(video.as_dict()))) == video
    with pytest.raises(dataclasses.FrozenInstanceError):
        video.name = "garden.mp4"  # type: ignore[misc]  # that it is frozen is what is tested


def test_how_far_is_said_by_sense() -> None:
    video = StoredVideo(
        "4f2a", "kitchen.mp4", None, 12.0, watched={"ocr": [[0, 12]], "shots": [[0, 12]], "ears": [[0, 5]]}
    )
    assert video.extent() == "00:00-00:05 by ears; all by ocr, shots"
    assert StoredVideo("4f2a", "kitchen.mp4").extent() == ""


@pytest.mark.parametrize("published", [True, False])
def test_how_far_when_and_from_where_are_in_the_list(tmp_path: Path, published: bool) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        stored = store.captions_of("kitchen")
        stored.set_facts(
            name="kitchen.mp4", duration_seconds=9.0, places=["/a/kitchen.mp4", "https://films.test/k.mp4"], pace=0.5
        )
        stored.record([], source="ocr", version="1", watched=(0, 9))
        if published:
            stored.publish()
        (video,) = store.videos()
        assert video.places == ["/a/kitchen.mp4", "https://films.test/k.mp4"]
        assert (video.watched, video.extent(), video.pace) == ({"ocr": [[0, 9]]}, "all by ocr", 0.5)
        assert store.find_video("https://films.test/k.mp4").id == "kitchen"
