"""Annotations as other projects write them."""

from __future__ import annotations

import json

import pytest

from videochat.embed_model.annotations import DataError, Skips, Source, read_examples


def read(folder, name, content, stage="instruction"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    skips = Skips()
    return read_examples([Source.parse(str(path))], stage, skips), skips


def test_llava(clip_folder):
    items = [
        {
            "id": "1",
            "image": "a.png",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": "A wall."},
                {"from": "human", "value": "Which colour?"},
                {"from": "gpt", "value": "Red."},
            ],
        },
        {"id": "2", "video": "0.mp4", "conversations": [{"from": "human", "value": "Why?\n<video>"}]},
    ]
    (example,), skips = read(clip_folder, "llava.json", items)
    assert (example.medium, example.path) == ("image", clip_folder / "a.png")
    assert example.turns == (("What is it?", "A wall."), ("Which colour?", "Red."))
    assert skips.reasons == {"llava.json, item 2": "no turns: the last question has no answer"}


def test_one_turn_of_llava_is_a_caption_of_stage_1(clip_folder):
    turns = [{"from": "human", "value": "Describe it.\n<image>"}, {"from": "gpt", "value": "A red wall."}]
    (example,), _ = read(clip_folder, "pre.json", [{"image": "a.png", "conversations": turns}], "alignment")
    assert example.caption == "A red wall."


def test_sharegpt(clip_folder):
    messages = [
        {"role": "system", "content": "You are helpful."},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "<video>What happens?"}]},
        {"role": "assistant", "content": "It turns."},
    ]
    lines = [
        {"messages": messages, "videos": ["0.mp4"]},
        {"messages": messages, "videos": ["0.mp4", "1.mp4"]},
        {"messages": messages[::-1], "videos": ["0.mp4"]},
        {"conversations": ["What?"], "video": "0.mp4"},
    ]
    (example,), skips = read(clip_folder, "chat.jsonl", "\n".join(map(json.dumps, lines)))
    assert (example.path, example.turns) == (clip_folder / "0.mp4", (("What happens?", "It turns."),))
    reasons = [reason.partition(":")[0] for reason in skips.reasons.values()]
    assert reasons == ["several videos", "turns out of order", "no turns"]


def test_video_chatgpt(clip_folder):
    items = [
        {"q": "What turns?", "a": "A wheel.", "video_id": "0"},
        {"q": "What turns?", "a": "A wheel.", "video_id": "gone"},
        {"q": "What turns?", "a": None, "video_id": "0"},
    ]
    (example,), skips = read(clip_folder, "vcg.json", items)
    assert (example.path, example.turns) == (clip_folder / "0.mp4", (("What turns?", "A wheel."),))
    assert [reason.partition(":")[0] for reason in skips.reasons.values()] == ["file missing", "empty turn"]


def test_webvid(clip_folder):
    (clip_folder / "0001_0050").mkdir(exist_ok=True)
    (clip_folder / "0001_0050" / "7.mp4").write_bytes((clip_folder / "0.mp4").read_bytes())
    text = (
        "videoid,contentUrl,duration,page_dir,name\n"
        '7,https://elsewhere/7.mp4,PT00H00M08S,0001_0050,"A wheel, that\nturns"\n'
        "8,https://elsewhere/8.mp4,PT00H00M08S,0001_0050,A lost one\n"
    )
    (example,), skips = read(clip_folder, "webvid.csv", text, "alignment")
    assert (example.caption, example.path) == ("A wheel, that\nturns", clip_folder / "0001_0050" / "7.mp4")
    assert example.place == "webvid.csv, line 3"
    assert skips.reasons["webvid.csv, line 4"].startswith("file missing")


def test_any_csv_with_captions(clip_folder):
    (example,), _ = read(clip_folder, "own.csv", "image,caption\na.png,A red wall\n", "alignment")
    assert (example.medium, example.caption) == ("image", "A red wall")


def test_a_csv_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_examples([Source(tmp_path / "none.csv", tmp_path)], "alignment", Skips())
