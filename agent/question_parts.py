"""A question of several sentences: each is answered by itself where the whole is not, or where each asks something."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

from videochat.agent.answers import find_in_videos
from videochat.agent.findings import Answered
from videochat.agent.follow_up import ReadQuestion, refers_back
from videochat.agent.video_set import VideoSet
from videochat.memory import Hit
from videochat.memory.query import Query
from videochat.memory.retrieval import Recall

_ENDS = re.compile(r"(?<=[.!?;:؟])\s+|(?<=[？！。])\s*|\s+[-–—]\s+")
_GOES_ON = re.compile(r"^(?:and|but|also|und|aber|y|et|mais|e)\b[\s,]*", re.IGNORECASE)
_ASKING = ("?", "？", "؟")
_MOST_PARTS = 4


def find_in_parts(
    video_set: VideoSet, read: ReadQuestion, duration_seconds: float, recall: Callable[..., Recall]
) -> tuple[Answered, list[Hit]]:
    """Return what the notes say to a question, and what was found for it.

    Args:
        video_set: the videos.
        read: the question.
        duration_seconds: as `Query.parse` takes it.
        recall: finds captions for a question, as `Toolbox.recall` does.
    """

    def found_for(one: ReadQuestion) -> list[Hit]:
        end = one.end_seconds or math.inf
        return list(recall(one.query, video_set.videos, start_seconds=one.start_seconds, end_seconds=end).hits)

    hits = found_for(read)
    whole = find_in_videos(video_set, read, hits)
    parts = parts_of(read.query.text)
    asking = [part for part in parts if part.endswith(_ASKING)]
    several = len(asking) > 1 and not any(map(refers_back, asking[1:]))
    if len(parts) < 2 or (whole.found and not several):
        return whole, hits
    answers: list[Answered] = []
    for part in asking if several else sorted(parts, key=lambda part: part not in asking):
        one = replace(read, query=Query.parse(part, duration_seconds))
        if one.query.asks == "other" and not (one.query.subject or one.query.kinds):
            continue  # "Who is right?" is about the rest of it
        found = found_for(one)
        answers.append(find_in_videos(video_set, one, found))
        hits += [hit for hit in found if all(hit.caption.id != other.caption.id for other in hits)]
        if answers[-1].found and not several:
            return answers[-1], hits
    if not any(answer.found for answer in answers):
        return whole, hits
    # Of what is not answered it is said that there is no note of it; what is only near would stand among answers.
    told = [[f for f in answer.findings if answer.found or not f.hits] for answer in answers]
    return Answered([finding for findings in told for finding in findings]), hits


def parts_of(question: str) -> list[str]:
    """Return the sentences of a question, without the words that only join them; one where there are too many."""
    parts = [_GOES_ON.sub("", part.strip()) if i else part.strip() for i, part in enumerate(_ENDS.split(question))]
    parts = [part for part in parts if re.search(r"\w", part)]
    return parts if len(parts) <= _MOST_PARTS else [question]
