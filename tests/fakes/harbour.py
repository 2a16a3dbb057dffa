"""A video of a harbour street, drawn, with what senses would have noted of it, written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from videochat.agent.answers import find_in_videos
from videochat.agent.citations import Evidence
from videochat.agent.findings import Answered, Asked, Finding
from videochat.agent.follow_up import ReadQuestion
from videochat.agent.notes import Notes
from videochat.agent.toolbox import Toolbox
from videochat.agent.video_set import VideoSet
from videochat.media import Video
from videochat.memory import CaptionStore, Hit
from videochat.memory.query import UNKNOWN_SECONDS, Query
from videochat.records import AttributeValue, Caption, Kind
from videochat.testing import Scene, draw_video

SHOTS = ((0, 8), (8, 14), (14, 20))
TEXTS = ((1, 4, "HARBOUR STREET"), (10, 13, "FRESH FISH"), (18, 20, "THE END"))
WORDS = (
    (2, 5, "Today we visit the old harbour,"),
    (5, 7, "where the fishing boats arrive."),
    (9, 12, "Fresh fish is sold here every morning."),
    (15, 17, "Goodbye, my friends."),
)
"""The first two are one sentence."""
WELCOME, FISH = f"{WORDS[0][2]} {WORDS[1][2]}", WORDS[2][2]
Told = list[tuple[str, list[str]]]
"""Sentences, each with the captions that it rests on, as `told` writes them."""
UPPER_RIGHT, LOWER_LEFT, CENTRE = (220, 0, 310, 50), (0, 130, 80, 180), (130, 60, 190, 120)
THINGS = (
    (0, 6, "car", LOWER_LEFT),
    (3, 9, "car", CENTRE),
    (5, 8, "truck", CENTRE),
    (10, 20, "person", CENTRE),
    (12, 16, "person", CENTRE),
    (13, 15, "person", LOWER_LEFT),
    (16, 19, "dog", UPPER_RIGHT),
)
"""Each followed as one track."""
MEASURES = ((0, 5, 0.8, 0.02, 0.0), (5, 10, 0.6, 0.1, 0.3), (10, 15, 0.2, 0.05, 0.1), (15, 20, 0.5, 0.01, 0.05))
"""(start, end, lightness, moving share, camera speed)."""


def harbour(
    folder: Path, *, name: str = "harbour.mp4", size: tuple[int, int] = (320, 180), sound: bool = True
) -> Video:
    """Draw the video: twenty seconds of gray, two pictures a second."""
    speech = [(2.0, 5.0)] if sound else []
    return Video(draw_video(folder / name, [Scene(20, name, "gray")], frame_rate=2, size=size, speech=speech))


def noted(video: Video) -> list[Caption]:
    """Return what was noted of it."""

    def one(start: float, end: float, kind: Kind, text: str, **more: AttributeValue) -> Caption:
        return Caption(video.id, start, end, kind, text, "by hand", attributes=more)

    captions = [one(start, end, "shot", f"one shot of {end - start}.0 s", event="shot") for start, end in SHOTS]
    captions += [one(start, end, "ocr", text) for start, end, text in TEXTS]
    captions += [one(start, end, "speech", text) for start, end, text in WORDS]
    captions += [
        Caption(video.id, start, end, "objects", label, "by hand", box=box, track_id=track)
        for track, (start, end, label, box) in enumerate(THINGS)
    ]
    for start, end, lightness, moving, camera in MEASURES:
        light = f"{'bright' if lightness > 0.5 else 'dark'} (mean lightness {lightness:.0%})"
        numbers = {"lightness": lightness, "moving_share": moving, "camera_speed": camera}
        text = f"light: {light}; colours: gray 90%"
        captions.append(one(start, end, "measure", text, light=light, colours="gray 90%", **numbers))
    return captions


class Asker:
    """Asks what follows from the captions of videos, without a language model.

    Args:
        store: where the captions are put.
        by_video: the captions of each video.
    """

    def __init__(self, store: CaptionStore, *by_video: tuple[Video, Sequence[Caption]]) -> None:
        for video, captions in by_video:
            store.captions_of(video.id).record(captions)
        self.video_set = VideoSet([video for video, _ in by_video], preset=["shots"], memory=store)
        self._toolbox = Toolbox(self.video_set, Evidence())

    def __call__(self, question: str, start_seconds: float = 0.0, end_seconds: float | None = None) -> Answered:
        """Return what the notes say; of a follow-up, to what lies within a range."""
        videos = self.video_set.videos
        query = Query.parse(question, videos[0].duration_seconds if len(videos) == 1 else UNKNOWN_SECONDS)
        hits = self._toolbox.recall(query, videos).hits
        return find_in_videos(self.video_set, ReadQuestion(query, start_seconds, end_seconds), hits)


def asked(question: str, video: Video, captions: Iterable[Caption], *, hits: Iterable[Hit] = ()) -> Asked:
    """Return a question as it is put to captions of a video, with what was found for it."""
    ordered = sorted(captions, key=lambda caption: caption.start_seconds)
    return Asked(Query.parse(question, video.duration_seconds), Notes(video, ordered), list(hits))


def told(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Return findings as sentences, each with what it cites."""
    return [(finding.text, cited(finding)) for finding in findings]


def cited(finding: Finding) -> list[str]:
    """Return what a finding cites, best first: `ocr 1-4` by kind and seconds, of things `dog 16-19`."""
    return [
        f"{hit.caption.text if hit.caption.kind == 'objects' else hit.caption.kind} "
        f"{hit.start_seconds:g}-{hit.end_seconds:g}"
        for hit in finding.hits
    ]


def assert_found(found: Answered, sentences: Told) -> None:
    """Hold what was found to be sentences that answer."""
    assert (told(found.findings), found.found) == (sentences, True)
