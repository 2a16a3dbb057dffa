"""What the store hands out."""

from __future__ import annotations

import dataclasses

import pytest

from tests.fakes.stored_captions import captions
from videochat.memory.store_records import Gap, Hit


def test_records_do_not_change() -> None:
    for record in (Hit(captions()[0]), Gap("ocr", 0, 1, "no luck")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.score = 1.0  # type: ignore[union-attr, misc]  # that it is frozen is what is tested
