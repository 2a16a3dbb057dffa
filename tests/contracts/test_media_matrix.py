"""The picture at a second over containers, codecs, key pictures, offsets and damage, drawn by chance for each day."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from benchmarks.media_matrix import Case, cases, measure


def test_every_way_of_storing_a_picture_gives_it_at_its_second(tmp_path: Path, measured: list[str]) -> None:
    seed = int(time.time() // 86_400)  # the same for the workers of a run, and to be repeated
    chance = random.Random(seed)
    wanted = cases()
    chance.shuffle(wanted)
    # One of each container and damage first, so that a slow machine leaves out the most alike.
    firsts = {(case.ending, case.damage): case for case in wanted}
    wanted.sort(key=lambda case: firsts[case.ending, case.damage] is not case)
    began, wrong, worst, count = time.monotonic(), [], 0.0, 0
    for case in wanted:
        if time.monotonic() - began > 12:
            break
        error, words = measure(case, tmp_path, chance)
        worst, count = max(worst, error), count + 1
        if words:
            wrong.append(f"{case}: {words}")
    measured.append(f"media matrix: worst error {worst * 1000:.3f} ms over {count} combinations, seed {seed}")
    assert wrong == []
    assert count >= 10


@pytest.mark.parametrize(
    "case",
    [
        Case("avi", "libx264", 40, 0.0, 2, None, "cut"),
        Case("mxf", "mpeg2video", 12, 0.0, 2, None, "cut"),
        Case("m4v", "mpeg4", 12, 0.0, 2, None, "", "joined"),
        Case("vob", "mpeg2video", 12, 0.0, 2, None, "", "interlaced"),
        Case("mpg", "mpeg1video", 12, 0.0, 2, None, "", "50"),
        Case("ts", "libx264", 12, 1.4, 2, None, "", "joined ahead"),
        Case("mjpeg", "mjpeg", 1, 0.0, 0, None, ""),
    ],
    ids=str,
)
def test_what_was_wrong_once_is_right(case: Case, tmp_path: Path) -> None:
    assert measure(case, tmp_path, random.Random(18))[1] == ""
