"""What the store hands out."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.fakes.stored_captions import captions
from videochat.memory.store_records import Gap, Hit, StoredVideo


def test_a_stored_video_is_plain_data_for_json() -> None:
    video = StoredVideo("4f2a", "kitchen.mp4", "/films/kitchen.mp4", 12.0, 7)
    assert StoredVideo(**json.loads(json.dumps(video.as_dict()))) == video


def test_records_do_not_change() -> None:
    for record in (Hit(captions()[0]), Gap("ocr", 0, 1, "no luck"), StoredVideo("4f2a", "kitchen.mp4")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.score = 1.0  # type: ignore[union-attr, misc]  # that it is frozen is what is tested
