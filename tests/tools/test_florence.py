"""One Florence-2: pictures are encoded once, batches change nothing, and answers are read strictly."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import CPU
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.tools.florence import Florence, shared_florence


@pytest.fixture
def florence(tiny: TinyCheckpoints) -> Florence:
    return Florence(Path(tiny("florence")), CPU)


def pictures(count: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (count, 40, 60, 3), dtype=np.uint8))


def test_a_picture_is_encoded_once_for_all_tasks(florence: Florence) -> None:
    images = pictures(3)
    florence.caption(images, "<CAPTION>", 10)
    florence.regions(images, "<OD>", (60, 40), 10)
    florence.caption(images[::-1], "<DETAILED_CAPTION>", 10)
    assert florence.encoded == 3
    # The same bytes in another shape are another picture.
    florence.caption([images[0].reshape(60, 40, 3)], "<CAPTION>", 10)
    assert florence.encoded == 4


def test_a_batch_gives_what_single_pictures_give(florence: Florence) -> None:
    images = pictures(3)
    together = florence.caption(images, "<CAPTION>", 20)
    assert together == [florence.caption([image], "<CAPTION>", 20)[0] for image in images]
    assert any(together)


def test_no_more_encodings_are_kept_than_a_few(florence: Florence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.tools.florence._KEPT_ENCODINGS", 2)
    first, *others = pictures(3)
    for image in (first, *others, first):
        florence.caption([image], "<CAPTION>", 5)
    assert florence.encoded == 4


def test_it_is_loaded_once_for_all_who_hold_it(tiny: TinyCheckpoints) -> None:
    folder = Path(tiny("florence"))
    held = shared_florence(folder, CPU)
    assert shared_florence(folder / "." / "", CPU) is held
