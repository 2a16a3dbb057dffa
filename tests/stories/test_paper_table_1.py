"""The paper's Table 1 from a real clip: what every line says about time is held against what made it."""

from __future__ import annotations

import re
from pathlib import Path

import pysubs2
import pytest

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.agent.watch import refine, watch
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.testing import WordEmbeddings
from videochat.tools import make_tool
from videochat.tools.refine import CaptionRefiner

ACTIONS = ("juggling balls", "repairing a telescope", "yoga")
TAGS = ("dog", "telescope")
LINE = re.compile(r"(\d\d:\d\d)-(\d\d:\d\d)(:?) (.+)")
REGION = re.compile(r"([^\[\]:;]+): \[(\d+), (\d+), (\d+), (\d+)\]")


@pytest.mark.material
def test_table_1_of_a_real_clip(material: Path, tiny: TinyCheckpoints, tmp_path: Path, measured: list[str]) -> None:
    video = Video(material / "videos" / "nasa_13013.mp4")
    florence = tiny("florence")
    senses = [
        make_tool("subtitles"),
        make_tool("actions", model=tiny("xclip"), labels=ACTIONS, min_score=0.0, top=1),
        make_tool("captions", model=florence, every_seconds=1.0, min_change=0),
        make_tool("dense_captions", model=florence, every_seconds=3.0, min_change=0),
        make_tool("tags", model=tiny("siglip"), vocabulary=TAGS, min_score=0.0, top=1, every_seconds=4.0, min_change=0),
        make_tool("objects", model=material / "weights" / "yolov8n-int8deq.pt", device="cpu", labels=["person"]),
    ]
    refiner = CaptionRefiner(tiny("t5"), window_seconds=10.0)
    refiner.prepare()
    with CaptionStore(tmp_path, embeddings=WordEmbeddings()) as store:
        report = watch(video, senses, store.captions_of(video.id))
        assert report.gaps == []
        assert min(report.by_sense.values()) > 0
        refine(video, refiner, store.captions_of(video.id))
        captions = store.between(video.id, 0, float("inf"))
    table = textualize(captions)
    measured.append(f"Table 1 of {video.name}, real persons and subtitles, words by random models:\n{table}")

    first, *lines = table.splitlines()
    end = video.duration_seconds
    (whole,) = [caption for caption in captions if caption.kind == "video_caption"]
    assert first in {f"{action}, {whole.text}" for action in ACTIONS}
    times: list[str] = []
    told: dict[str, list[tuple[str, str]]] = {"said": [], "seen": [], "regions": []}
    for line in lines:
        match = LINE.fullmatch(line)
        if match is None:
            # Regions stand under the captions of the same stretch.
            told["regions"].append((times[-1], line))
            continue
        start, finish, colon, text = match.groups()
        times.append(f"{start}-{finish}")
        kind = "said" if colon else "regions" if REGION.match(text) else "seen"
        told[kind].append((times[-1], text))
    assert [time[:5] for time in times] == sorted(time[:5] for time in times)

    cues = pysubs2.load(str(material / "videos" / "nasa_13013.gold.srt"), encoding="utf-8")
    cues[-1].end = min(cues[-1].end, round(end * 1000))  # it outlasts the clip
    assert told["said"] == [
        (clock_range(cue.start / 1000, cue.end / 1000), " ".join(cue.plaintext.split())) for cue in cues
    ]
    grids = {
        step: {clock_range(at, min(at + step, end)) for at in range(0, int(end) + 1, step)} for step in (1, 2, 3, 4, 10)
    }
    for time, line in told["regions"]:
        assert time in grids[3]
        assert REGION.sub("", line).strip("; ") == ""
        for _, *box in REGION.findall(line):
            x1, y1, x2, y2 = map(int, box)
            assert 0 <= x1 < x2 <= 480
            assert 0 <= y1 < y2 <= 270
    assert told["regions"]
    by_words = [
        ({time for time, text in told["seen"] if set(text.split(", ")) & set(words)}, grid)
        for words, grid in ((ACTIONS, grids[2]), (TAGS, grids[4]))
    ]
    for seen, grid in by_words:
        assert seen == grid
    persons = [time for time, text in told["seen"] if "person" in text.split(", ")]
    # Looked at: a technician is in every picture, small but for the close-up around the eighth second.
    assert any(time[:5] <= clock(7.5) < time[6:] for time in persons)
    known = grids[1] | grids[2] | grids[4] | grids[10] | set(persons)
    assert {time for time, _ in told["seen"]} <= known
    # Of some pictures random weights say nothing.
    assert len(grids[1] & {time for time, _ in told["seen"]}) > len(grids[1]) / 2
