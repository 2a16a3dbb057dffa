from __future__ import annotations

import json

import pytest

from videochat.embed_model.annotations import DataError, Skips, Source, read_examples


def test_both_annotation_formats_of_upstream_and_json_lines(clip_folder):
    captions = [{"video": "0.mp4", "caption": "a"}, {"image": "a.png", "caption": "red"}]
    (clip_folder / "1.json").write_text(json.dumps(captions))
    turn = {"q": " Why? ", "a": "So.\n"}
    (clip_folder / "2.jsonl").write_text(json.dumps({"video": "1.mp4", "QA": [turn], "start": 3, "id": "x"}) + "\n")
    skips = Skips()
    (image,) = read_examples([Source(clip_folder / "1.json", clip_folder)], "alignment", skips)
    assert (image.medium, image.caption, image.path) == ("image", "red", clip_folder / "a.png")
    assert skips.reasons == {"1.json, item 1": "caption length: 1 characters, not 2 to 5000"}
    (chat,) = read_examples([Source.parse(str(clip_folder / "2.jsonl"))], "instruction", skips)
    assert chat.turns == (("Why?", "So."),)


def test_what_is_broken_is_counted_and_named(clip_folder):
    good = {"video": "0.mp4", "caption": "a clip"}
    lines = [
        json.dumps(good),
        '{"video": "0.mp4", "capt',
        json.dumps(good | {"video": "gone.mp4"}),
        json.dumps(good | {"caption": "x"}),
        json.dumps(good | {"caption": "x" * 10_000}),
        json.dumps({"video": "0.mp4"}),
        json.dumps({"caption": "of nothing"}),
        "[1, 2]",
        "",
        json.dumps(good | {"video": "zero.mp4"}),
    ]
    (clip_folder / "mixed.jsonl").write_text("\n".join(lines))
    skips = Skips()
    examples = read_examples([Source(clip_folder / "mixed.jsonl", clip_folder)], "alignment", skips)
    assert [example.place for example in examples] == ["mixed.jsonl, line 1", "mixed.jsonl, line 10"]
    assert {place.rpartition(" ")[2]: reason.partition(":")[0] for place, reason in skips.reasons.items()} == {
        "2": "broken JSON",
        "3": "file missing",
        "4": "caption length",
        "5": "caption length",
        "6": "no caption",
        "7": "no path",
        "8": "no object",
    }
    assert str(skips).startswith("2 x caption length, 1 x broken JSON")


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "no turns"),
        ("why", "no turns"),
        ([{"q": "Why?"}], "empty turn"),
        ([{"q": "Why?", "a": "  "}], "empty turn"),
        (["Why?"], "empty turn"),
        ([{"q": "Why?", "a": "So. ###Human: And?"}], "separator"),
    ],
)
def test_broken_conversations(clip_folder, turns, reason):
    (clip_folder / "turns.json").write_text(json.dumps([{"video": "0.mp4", "QA": turns}]))
    with pytest.raises(DataError, match=reason):
        read_examples([Source(clip_folder / "turns.json", clip_folder)], "instruction", Skips())


def test_nothing_to_learn_from_is_an_error_before_any_step(clip_folder, tmp_path):
    (tmp_path / "all.json").write_text(json.dumps([{"video": f"{n}.mp4", "caption": "a clip"} for n in range(5)]))
    with pytest.raises(DataError, match=r"Nothing in all.json can be used for alignment \(left out: 5 x file missing"):
        read_examples([Source(tmp_path / "all.json", tmp_path)], "alignment", Skips())
    with pytest.raises(DataError, match="cannot be read"):
        read_examples([Source(tmp_path / "none.json", tmp_path)], "alignment", Skips())
    (tmp_path / "half.json").write_text('[{"video": "0.mp4", ')
    with pytest.raises(DataError, match="begins as a JSON list but is none"):
        read_examples([Source(tmp_path / "half.json", clip_folder)], "alignment", Skips())
