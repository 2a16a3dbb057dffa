"""Times of the day in a question are read as places in a live recording, where they can be."""

from __future__ import annotations

from datetime import datetime

import pytest

from videochat.memory.query import Query
from videochat.memory.wall_clock import WallClock

BEGAN = datetime(2026, 3, 4, 13, 53).astimezone().timestamp()
WALL = WallClock(BEGAN, BEGAN + 1200, lambda taken_at: taken_at - BEGAN)


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("What happened at 14:05?", (720, 780)),
        ("What happened at 2:05 pm?", (720, 780)),
        ("what happened at 2:05 p.m.?", (720, 780)),
        ("What happened at 2 o'clock?", None),
        ("What happened at 14:05:30?", (749.5, 751)),
        ("What happened between 14:00 and 14:10?", (420, 1020)),
        ("What happened from 14:00 to 14:10?", (420, 1020)),
        ("Who was there from 13:55 - 13:57?", (120, 240)),
        ("What happened since 14:05?", (720, 1200)),
        ("What happened before 14:05?", (0, 720)),
        ("What happened today at 14:05?", (720, 780)),
        ("What happened on 2026-03-04 14:05?", (720, 780)),
        ("Was geschah um 14:05 Uhr?", (720, 780)),
        ("¿Qué pasó a las 14:05?", (720, 780)),
        ("Qu'est-ce qui s'est passé à 14h05 ?", (720, 780)),
        ("What happened in the last ten minutes?", (600, 1200)),
        ("What happened at 3:50?", (229.5, 231)),
        ("What happened at 0:45?", (44.5, 46)),
        ('Who said "meet me at 14:05"?', None),
    ],
)
def test_times_of_the_day(question: str, span: tuple[float, float] | None) -> None:
    read, _ = WALL.in_seconds(question)
    assert Query.parse(read, 1200).span == (None if span is None else pytest.approx(span))


@pytest.mark.parametrize("question", ["What happened at 9 am?", "What happened yesterday at 14:05?"])
def test_what_lies_outside_is_said(question: str) -> None:
    read, told = WALL.in_seconds(question)
    assert read == question
    assert "not in the recording, which goes from 2026-03-04 13:53:00 to 2026-03-04 14:13:00" in told[0]


@pytest.mark.parametrize("question", ["", "Score 3:2?", "at 25:70", "at 13 pm", "16:9:4", "at 14:0", "in 1405"])
def test_what_is_no_time_is_left(question: str) -> None:
    assert WALL.in_seconds(question) == (question, [])


def test_the_latest_such_time_counts() -> None:
    wall = WallClock(BEGAN - 86_400, BEGAN, lambda taken_at: taken_at - BEGAN + 86_400)
    assert Query.parse(wall.in_seconds("What happened at 14:05?")[0], 86_400).span == pytest.approx((720, 780))
    assert Query.parse(wall.in_seconds("What happened at 13:50?")[0], 86_400).span == pytest.approx((86_220, 86_280))
    yesterday = wall.in_seconds("What happened yesterday at 14:05?")[0]
    assert Query.parse(yesterday, 86_400).span == pytest.approx((720, 780))


def test_what_a_model_is_told() -> None:
    assert WALL.said() == "second 0 was on 2026-03-04 13:53:00, and it goes up to 2026-03-04 14:13:00"
