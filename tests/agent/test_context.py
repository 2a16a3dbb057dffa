"""What a model is sent: facts, everything that fits, else a summary, what appears, and the moments that matter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videochat import VideoAgent
from videochat.agent.answers import find_in_videos
from videochat.agent.citations import Evidence
from videochat.agent.context import Context, build_context, watched_for
from videochat.agent.follow_up import ReadQuestion
from videochat.agent.video_set import VideoSet
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.memory.query import Query
from videochat.memory.retrieval import recall
from videochat.records import Caption, Kind
from videochat.testing import Scene, ScriptedLLM, draw_video

SECONDS = 60.0


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return Video(draw_video(tmp_path_factory.mktemp("film") / "film.mp4", [Scene(SECONDS)], frame_rate=1))


@pytest.fixture
def videos(film: Video, tmp_path: Path) -> Iterator[VideoSet]:
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        yield VideoSet([film], preset=["subtitles", "ocr"], memory=store)


def note(video: Video, start: float, end: float, kind: Kind, text: str, **more: Any) -> Caption:
    return Caption(video.id, start, end, kind, text, "test", **more)


def sent(videos: VideoSet, question: str, *captions: Caption, tokens: int = 4000) -> tuple[Context, Evidence]:
    (video,) = videos.videos
    stored = videos.captions_of(video)
    stored.record(list(captions))
    query = Query.parse(question, video.duration_seconds)
    hits = recall(stored, query, duration_seconds=video.duration_seconds).hits
    answered = find_in_videos(videos, ReadQuestion(query), hits)
    evidence = Evidence()
    findings = answered.findings if answered.found else []
    return build_context(videos, evidence, query, hits, findings, budget_tokens=tokens), evidence


def test_facts_come_first(videos: VideoSet) -> None:
    context, _ = sent(videos, "What happens?", note(videos.videos[0], 3, 5, "clip_caption", "a man pours milk"))
    facts = context.text.splitlines()[0]
    assert facts.startswith(
        "Video film.mp4: 01:00 (60.0 seconds) long, 320x180 pixels, 1 pictures a second, without sound."
    )
    assert "Noted: text on screen, descriptions of pictures." in facts
    assert (
        "Not watched for: speech, other sounds, things, actions, "
        "regions, tags, cuts, light, colours and motion." in facts
    )
    assert "Watched so far up to 00:00 of 01:00." in facts
    assert watched_for(videos) == "text on screen, descriptions of pictures"


def test_what_fits_is_sent_whole_with_kinds_places_and_numbers(videos: VideoSet) -> None:
    (video,) = videos.videos
    context, evidence = sent(
        videos,
        "When is the milk poured?",
        note(video, 0, 4, "action", "cooking"),
        note(video, 3, 5, "clip_caption", "a man pours milk"),
        note(video, 3, 5, "objects", "cup", box=(10.0, 10.0, 50.0, 50.0), track_id=2),
        note(video, 5, 10, "dense_caption", "a white bowl", box=(250.0, 130.0, 300.0, 170.0)),
        note(video, 6, 8, "speech", "Now [stir]."),
    )
    lines = [re.sub(r" \[\d+\](?=;|$)", " [n]", line) for line in context.text.splitlines()]
    assert lines[1] == "cooking", "the class of the video, as in Table 1"
    assert "00:00-00:04 action: cooking [n]" in lines
    assert "00:03-00:05 caption: a man pours milk [n]; thing: cup 1 (upper left) [10, 10, 50, 50] [n]" in lines
    assert "00:05-00:10 regions: a white bowl (lower right): [250, 130, 300, 170] [n];" in lines
    assert "00:06-00:08: Now (stir). [n]" in lines, "brackets of the video are no citation"
    assert evidence.captions[1].text == "a man pours milk", "the best hit has the first number"
    assert context.left_out == ""


def test_equal_captions_that_touch_are_one_interval(videos: VideoSet) -> None:
    (video,) = videos.videos
    eyes = [note(video, s, s + 5, "dense_caption", "the eyes of the rabbit") for s in (0, 5, 10, 30)]
    context, evidence = sent(videos, "What is there?", *eyes)
    lines = [line for line in context.text.splitlines() if "eyes" in line]
    assert [line.split(" ")[0] for line in lines] == ["00:00-00:15", "00:30-00:35"]
    (number,) = re.findall(r"\[(\d+)\];$", lines[0])
    assert evidence.check(f"Eyes [{number}].").text == "Eyes [00:00-00:15]."


def test_measurements_come_where_they_are_asked_for(videos: VideoSet) -> None:
    (video,) = videos.videos
    dark = note(video, 0, 2, "measure", "light: dark", attributes={"light": "dark", "lightness": 0.1})
    milk = note(video, 3, 5, "clip_caption", "a man pours milk")
    context, _ = sent(videos, "When is the milk poured?", dark, milk)
    assert "light: dark" not in context.text
    assert "(1 measurements of light, colours and motion are not shown.)" in context.text
    context, _ = sent(videos, "How dark is it?")
    assert "00:00-00:02 measured: light: dark" in context.text


def test_what_is_counted_is_sent_as_well(videos: VideoSet) -> None:
    (video,) = videos.videos
    people = [note(video, s, s + 9, "objects", "person", track_id=s) for s in (1, 4, 20)]
    context, _ = sent(videos, "How many people are there?", *people)
    told = context.text.split("What follows from the notes:\n")[1]
    assert told.startswith("- 2 people at once at most, 3 people in all. [")


def test_of_a_long_video_a_summary_what_appears_and_the_moments_are_sent(videos: VideoSet) -> None:
    (video,) = videos.videos
    many = [note(video, s, s + 1, "speech", f"And then, as number {s}, they walked on and on.") for s in range(59)]
    person = note(video, 10, 40, "objects", "person", box=(10.0, 60.0, 80.0, 120.0), track_id=1)
    milk = note(video, 31, 33, "clip_caption", "a man pours milk")
    context, evidence = sent(videos, "When is the milk poured?", *many, person, milk, tokens=600)
    assert context.tokens <= 620
    assert re.search(r"^\d\d:\d\d-\d\d:\d\d summary: ", context.text, re.M)
    assert re.search(r"^person: 1 seen, from 00:10 to 00:40; left \[\d+\]$", context.text, re.M)
    body = context.text.split("Moments:\n")[1]
    assert "a man pours milk [1]" in body
    assert "as number 31," in body, "what is said at the time stands beside it"
    starts = [line[:5] for line in body.splitlines() if re.match(r"\d\d:\d\d-", line)]
    assert starts == sorted(starts)
    assert re.search(r"\d+ of 61 notes are not shown; the summary stands for them", context.left_out)
    assert context.left_out in context.text
    assert {evidence.numbers[caption.id] for caption in context.captions} == set(evidence.captions)


def test_however_narrow_the_window_the_best_hit_is_sent(videos: VideoSet) -> None:
    milk = note(videos.videos[0], 31, 33, "clip_caption", "a man pours milk into a large bowl on the table")
    context, _ = sent(videos, "When is the milk poured?", milk, tokens=5)
    assert "a man pours milk" in context.text


def test_several_videos_each_have_a_share(tmp_path: Path) -> None:
    drawn = [draw_video(tmp_path / f"{name}.mp4", [Scene(9, name)], frame_rate=1) for name in ("one", "two", "idle")]
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        agent = VideoAgent(list(drawn), preset=["subtitles"], memory=store, llm=ScriptedLLM("-"), mode="retrieve")
        for video, what in zip(agent.videos, ("milk", "milk", "sand"), strict=False):
            texts = [f"number {n} of the {what}" for n in range(40)]
            store.add([note(video, n / 5, n / 5 + 0.2, "speech", text) for n, text in enumerate(texts)])
        text = agent.messages("What is said about milk?")[-1].text
    shares = [len(part.splitlines()) for part in text.split("\nVideo ")[1:]]
    assert "one.mp4" in text
    assert "two.mp4" in text
    assert min(shares[:2]) > 5, text


def test_who_speaks_is_told_once(videos: VideoSet) -> None:
    video = videos.videos[0]
    told = [("Hello there", "Alice"), ("Alice: I found it Bob: So did I", "Alice, Bob"), ("unnamed", "")]
    captions = [
        note(video, n, n + 1, "speech", text, attributes={"speaker": speaker} if speaker else {})
        for n, (text, speaker) in enumerate(told, 1)
    ]
    context, _ = sent(videos, "What is said?", *captions)
    assert ": Alice: Hello there [" in context.text
    assert ": Alice: I found it Bob: So did I [" in context.text
    assert ": unnamed [" in context.text
