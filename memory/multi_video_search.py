"""One exact search over a few videos, without the index over all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import fuse, rankings_for
from videochat.memory.store_records import Hit
from videochat.memory.video_captions import VideoCaptions
from videochat.records import Caption, Kind


def search_videos(
    captions_of: Callable[[str], VideoCaptions],
    video_ids: Sequence[str],
    query: str,
    embedder: Embedder,
    *,
    k: int,
    kinds: Collection[Kind] | None,
    start_seconds: float,
    end_seconds: float,
    by: str,
) -> list[Hit]:
    """Return the `k` best captions of some videos, best first.

    Args:
        captions_of: opens a video; asked anew each time, since opening one may close another.
        video_ids: the videos.
        query: words to look for.
        embedder: that of the videos' vectors.
        k: how many at most.
        kinds: only of these kinds; None for all but summaries.
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this.
        by: one of `SEARCH_BY`.
    """
    vector = embedder.query(query)
    limits = (4 * k, kinds, start_seconds, end_seconds)
    near: dict[tuple[str, int], float] = {}
    words: dict[tuple[str, int], float] = {}
    for video_id in video_ids:
        stored = captions_of(video_id)
        near |= {(video_id, number): cosine for number, cosine in stored.nearest(vector, *limits).items()}
        words |= {(video_id, number): score for number, score in stored.by_words(query, *limits).items()}
    ordered = [sorted(found, key=lambda key: -found[key])[: 4 * k] for found in (words, near)]
    best = dict(list(fuse(*rankings_for(by, *ordered)).items())[:k])
    captions: dict[tuple[str, int], Caption] = {}
    for video_id in video_ids:
        numbers = [number for owner, number in best if owner == video_id]
        captions |= {(video_id, n): caption for n, caption in captions_of(video_id).by_number(numbers).items()}
    return [Hit(captions[key], score, near.get(key, 0.0)) for key, score in best.items()]
