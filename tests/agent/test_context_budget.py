"""What a language model is shown under a budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.stored_captions import FILM_SECONDS, film
from videochat.agent.context_budget import select, tokens_of
from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore, Hit, VideoCaptions, summarize


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaptionStore]:
    """An empty store."""
    with CaptionStore(tmp_path / "memory") as opened:
        yield opened


@pytest.fixture
def stored(store: CaptionStore) -> VideoCaptions:
    """The captions of a video of which there are none yet."""
    return store.captions_of("film")


def test_a_budget_shows_the_moment_densely_and_the_rest_by_summaries(
    store: CaptionStore, stored: VideoCaptions
) -> None:
    stored.record(list(film(120)))
    summarize(stored, FILM_SECONDS)
    hits = store.search("Remark 3 of minute 77", k=3, video_ids=["film"])
    chosen = select(stored, hits, budget_tokens=2500)
    assert chosen.tokens == tokens_of(chosen.captions) <= 2500
    starts = [caption.start_seconds for caption in chosen.captions]
    assert starts == sorted(starts)
    texts = {caption.text for caption in chosen.captions}
    assert "Remark 3 of minute 77 about stones and rivers." in texts
    assert "Remark 2 of minute 77 about stones and rivers." in texts, "its neighbour in time"
    assert any(caption.kind == "summary" for caption in chosen.captions)
    assert texts <= {caption.text for caption in [*stored.between(), *stored.between(kinds=["summary"])]}, "none is cut"
    assert "of 846 captions are not shown" in chosen.left_out
    assert "summaries stand for them" in chosen.left_out


def test_what_fits_is_shown_whole_and_nothing_is_left_out(stored: VideoCaptions) -> None:
    stored.record(list(film(1)))
    chosen = select(stored, [], budget_tokens=3000)
    assert chosen.captions == stored.between()
    assert chosen.left_out == ""
    small = select(stored, [Hit(caption, 1, 1) for caption in stored.between()], budget_tokens=25)
    assert len(small.captions) == 1
    with pytest.raises(InvalidArgument, match="at least 1 token"):
        select(stored, [], budget_tokens=0)


def test_a_range_that_is_none_is_refused(stored: VideoCaptions) -> None:
    with pytest.raises(InvalidArgument, match="0 <= start_seconds < end_seconds, got 5 to 5 seconds"):
        select(stored, [], start_seconds=5, end_seconds=5)


def test_only_the_range_is_shown(stored: VideoCaptions) -> None:
    stored.record(list(film(2)))
    shown = select(stored, [], budget_tokens=10_000, start_seconds=60, end_seconds=70).captions
    assert {caption.start_seconds for caption in shown} == {60}
