"""Chapters begin where the subject changes; highlights are moments of them."""

import random
from itertools import pairwise

import pytest

from videochat.errors import InvalidArgument
from videochat.memory.chapters import highlights, make_chapters
from videochat.records import Caption

WORDS = {
    "bread": "flour dough knead oven crust yeast loaf bake",
    "bees": "hive honey queen swarm nectar wings pollen comb",
    "ships": "harbour anchor mast sails captain rope deck tide",
    "stars": "galaxy orbit planet telescope comet moon gravity light",
}


def lecture(rng: random.Random, lengths: list[int], *, slides: bool) -> tuple[list[Caption], list[float]]:
    """Return the captions of a lecture with a subject for each length in seconds, and where they begin."""
    captions, starts, now = [], [], 0.0
    for subject, length in zip(rng.sample(list(WORDS), len(lengths)), lengths, strict=True):
        starts.append(now)
        if slides:
            captions.append(Caption("v", now, now + length, "ocr", f"ALL ABOUT {subject.upper()} / by me", "ocr"))
        for n in range(length // 5):
            words = rng.sample(WORDS[subject].split(), 4)
            text = f"The {words[0]} and the {words[1]} make {words[2]} of {words[3]}."
            captions.append(Caption("v", now + 5 * n, now + 5 * n + 4.5, "speech", text, "test"))
        now += length
    return captions, starts


@pytest.mark.parametrize("slides", [True, False])
def test_chapters_begin_where_the_subject_changes(slides: bool) -> None:
    rng = random.Random(f"{slides}")
    for _ in range(5):
        lengths = [5 * rng.randrange(12, 24) for _ in range(4)]
        captions, starts = lecture(rng, lengths, slides=slides)
        rng.shuffle(captions)
        chapters = make_chapters(captions, sum(lengths))
        found = [chapter.start_seconds for chapter in chapters]
        assert all(min(abs(start - other) for other in found) <= 10 for start in starts)
        assert len(found) <= 8
        if slides:
            titles = [chapter.title for chapter in chapters]
            assert sum(title.startswith("ALL ABOUT") for title in titles) == 4


def test_chapters_fill_the_video_and_are_no_snippets() -> None:
    rng = random.Random(8)
    for duration in (5.0, 19.0, 61.5, 600.0, 7200.0):
        captions = [
            Caption("v", at := rng.uniform(0, duration * 0.99), at + 0.5, "speech", rng.choice(list(WORDS)), "test")
            for _ in range(int(min(duration, 900)))
        ]
        chapters = make_chapters(captions, duration)
        assert chapters[0].start_seconds == 0
        assert chapters[-1].end_seconds == duration
        for earlier, later in pairwise(chapters):
            assert earlier.end_seconds == later.start_seconds
        assert all(c.end_seconds - c.start_seconds >= min(10, duration) for c in chapters)
        assert len(chapters) <= 40


def test_nothing_told_is_one_unnamed_part() -> None:
    (part,) = make_chapters([], 12)
    assert (part.start_seconds, part.end_seconds, part.title, part.caption) == (0, 12, "Part 1", None)
    assert "caption_id" not in part.as_dict()
    with pytest.raises(InvalidArgument):
        make_chapters([], 0)


def test_long_titles_are_cut_between_words() -> None:
    text = "A remark about " + "very " * 30 + "long sentences."
    (part,) = make_chapters([Caption("v", 0, 4, "speech", text, "test")], 12)
    assert len(part.title) <= 60
    assert part.title.endswith("very …")


def test_highlights_are_moments_within_the_video() -> None:
    rng = random.Random(2)
    captions, _ = lecture(rng, [60, 80, 70], slides=False)
    found = highlights(captions, 210, most=3)
    assert 0 < len(found) <= 3
    spans = [span for span, _ in found]
    assert spans == sorted(spans)
    for (start, end), caption in found:
        assert 0 <= start < end <= 210
        assert 2.9 <= end - start <= 15
        assert caption.overlaps(start, end)
    assert highlights([], 10) == []
