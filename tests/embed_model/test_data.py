"""Annotations in, batches out: what cannot be used is counted and named, nothing is put in its place (SPEC 7, 8)."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from tests.fakes.tiny_embed import GOLDEN, byte_tokenizer, need
from videochat.embed_model.chat import normalise, picture_of_frame
from videochat.embed_model.data import (
    NO_AUGMENTATION,
    Augmentation,
    ClipDataset,
    DataError,
    Example,
    Sample,
    Skipped,
    Skips,
    Source,
    StepSampler,
    collate,
    make_loader,
    may_flip,
    read_examples,
    train_indices,
)
from videochat.embed_model.toy import make_clip, write_clip
from videochat.media import Video


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three clips, two images, and files that are none."""
    root = tmp_path_factory.mktemp("clips")
    for number in range(3):
        write_clip(root / f"{number}.mp4", make_clip(Random(number)))
    (root / "zero.mp4").touch()
    (root / "text.mp4").write_text("not a video")
    (root / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("RGB", (40, 20), "red").save(root / "a.png")
    Image.new("L", (20, 40), 90).save(root / "b.png")
    return root


def dataset(examples, stage="alignment", **changes) -> ClipDataset:
    settings = {"side": 28, "frames": 4, "max_text_tokens": 32} | changes
    return ClipDataset(examples, stage, byte_tokenizer(), **settings)


def test_both_annotation_formats_of_upstream_and_json_lines(folder):
    captions = [{"video": "0.mp4", "caption": "a"}, {"image": "a.png", "caption": "red"}]
    (folder / "1.json").write_text(json.dumps(captions))
    turn = {"q": " Why? ", "a": "So.\n"}
    (folder / "2.jsonl").write_text(json.dumps({"video": "1.mp4", "QA": [turn], "start": 3, "id": "x"}) + "\n")
    skips = Skips()
    (image,) = read_examples([Source(folder / "1.json", folder)], "alignment", skips)
    assert (image.medium, image.caption, image.path) == ("image", "red", folder / "a.png")
    assert skips.reasons == {"1.json, item 1": "caption length: 1 characters, not 2 to 5000"}
    (chat,) = read_examples([Source.parse(str(folder / "2.jsonl"))], "instruction", skips)
    assert chat.turns == (("Why?", "So."),)


def test_what_is_broken_is_counted_and_named(folder):
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
    (folder / "mixed.jsonl").write_text("\n".join(lines))
    skips = Skips()
    examples = read_examples([Source(folder / "mixed.jsonl", folder)], "alignment", skips)
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
def test_broken_conversations(folder, turns, reason):
    (folder / "turns.json").write_text(json.dumps([{"video": "0.mp4", "QA": turns}]))
    with pytest.raises(DataError, match=reason):
        read_examples([Source(folder / "turns.json", folder)], "instruction", Skips())


def test_nothing_to_learn_from_is_an_error_before_any_step(folder, tmp_path):
    (tmp_path / "all.json").write_text(json.dumps([{"video": f"{n}.mp4", "caption": "a clip"} for n in range(5)]))
    with pytest.raises(DataError, match=r"Nothing in all.json can be used for alignment \(left out: 5 x file missing"):
        read_examples([Source(tmp_path / "all.json", tmp_path)], "alignment", Skips())
    with pytest.raises(DataError, match="cannot be read"):
        read_examples([Source(tmp_path / "none.json", tmp_path)], "alignment", Skips())
    (tmp_path / "half.json").write_text('[{"video": "0.mp4", ')
    with pytest.raises(DataError, match="begins as a JSON list but is none"):
        read_examples([Source(tmp_path / "half.json", folder)], "alignment", Skips())


@pytest.mark.material
def test_frames_are_chosen_as_upstream_does():
    table = json.loads(need(GOLDEN / "sampling_and_schedule.json").read_text())
    for key, indices in table["train_middle"].items():
        assert train_indices(*map(int, key.split(",")), None) == indices
    exact = 0
    for key, case in table["train_rand"].items():
        count, samples = map(int, key.split(","))
        found = train_indices(count, samples, Random(case["seed"]))
        assert len(found) == samples
        assert found == sorted(found)
        assert found[0] >= 0
        assert found[-1] < count
        if count >= 3 * samples:  # fewer frames: upstream draws with numpy, another stream of chance
            assert found == case["idx"], key
            exact += 1
    assert exact == 4


def test_no_mirror_image_where_text_speaks_of_sides_or_of_writing():
    for text in ("It moves to the left.", "a RIGHT turn", "anticlockwise", "The sign says stop.", 'He reads "Hi".'):
        assert not may_flip(text)
    for text in ("a bright room", "She cleft the wood", "a designer", "Two men sing."):
        assert may_flip(text)


def test_a_clip_is_flipped_as_a_whole_or_not_at_all(folder):
    always = Augmentation(crop_area=1, flip=1.0, random_frames=False)
    plain, mirrored, told = (
        dataset([Example(folder / "0.mp4", "video", caption=caption)], augmentation=augmentation)[0].frames
        for caption, augmentation in (("a clip", NO_AUGMENTATION), ("a clip", always), ("goes left", always))
    )
    assert torch.equal(plain, told)
    assert torch.equal(plain.flip(-1), mirrored)
    assert not torch.equal(plain, mirrored)


def test_without_augmentation_pictures_are_those_of_inference(folder):
    video = Video(folder / "0.mp4")
    sample = dataset([Example(video.path, "video", caption="a clip")], augmentation=NO_AUGMENTATION)[0]
    seconds = [number / video.frame_rate for number in train_indices(24, 4, None)]
    expected = normalise([picture_of_frame(frame.image, 28) for frame in video.frames(at_seconds=seconds)])
    assert torch.equal(sample.frames, expected)


def test_one_crop_for_all_frames_and_another_in_another_epoch(folder):
    still = folder / "still.mp4"
    clip = make_clip(Random(0))
    write_clip(still, type(clip)(lambda _: clip.scene(0.0), "a still", ()))
    data = dataset([Example(still, "video", caption="a still")])
    first = data[0].frames
    assert first.shape == (4, 3, 28, 28)
    assert (first - first[:1]).abs().max() < 0.2  # the codec's, not another crop's
    data.epoch = 1
    assert (data[0].frames - first).abs().max() > 1


def test_remembered_pictures_are_the_same(folder):
    example = [Example(folder / "1.mp4", "video", caption="a clip"), Example(folder / "b.png", "image", caption="grey")]
    settings = {"augmentation": Augmentation(crop_area=1, flip=0), "seed": 3}
    fresh, kept = dataset(example, **settings), dataset(example, remember=True, **settings)
    for epoch in range(3):
        fresh.epoch = kept.epoch = epoch
        for index in range(2):
            assert torch.equal(fresh[index].frames, kept[index].frames)
            assert fresh[index].passage == kept[index].passage


def test_the_message_tells_the_seconds_that_were_taken(folder):
    chat = Example(folder / "0.mp4", "video", turns=(("What?", "That."),))
    data = dataset([chat], "instruction", frames=4, max_text_tokens=512, augmentation=NO_AUGMENTATION)
    text = data.tokenizer.decode(data[0].passage.after)
    assert "contains 4 frames sampled at 0.7, 2.7, 4.7, 6.7 seconds." in text


def test_unreadable_files_are_skipped_never_replaced(folder):
    names = ["0.mp4", "zero.mp4", "text.mp4", "gone.mp4"]
    examples = [Example(folder / name, "video", caption=f"clip {name}", place=name) for name in names]
    batch = collate([dataset(examples)[index] for index in range(4)])
    assert batch.frames.shape[0] == len(batch.passages) == 1
    assert [one.place for one in batch.skipped] == names[1:]
    assert all(one.reason.startswith("unreadable: ") for one in batch.skipped)
    cut = dataset([Example(folder / "cut.png", "image", caption="cut")])[0]
    assert isinstance(cut, Skipped)
    assert "no image" in cut.reason
    none = collate([dataset(examples)[1]])
    assert (none.passages, none.learned) == ([], 0)


def test_an_example_of_which_nothing_learned_is_left_is_skipped(folder):
    chat = Example(folder / "a.png", "image", turns=(("w" * 600, "yes"),), place="item 9")
    item = dataset([chat], "instruction", max_text_tokens=16)[0]
    assert isinstance(item, Skipped)
    assert item.reason.startswith("nothing to learn: ")


def test_a_step_holds_one_medium_and_every_process_its_share():
    media = ["video"] * 20 + ["image"] * 13
    whole = StepSampler(media, 4, seed=5)
    assert whole.steps == 5 + 3
    assert len(whole) == 8
    steps = list(whole)
    assert all(len({media[index] for index in step}) == 1 for step in steps)
    assert sorted(index for step in steps for index in step)[:20] == list(range(20))
    halves = [list(StepSampler(media, 2, processes=2, rank=rank, seed=5)) for rank in (0, 1)]
    for step, one, two in zip(steps, *halves, strict=True):
        assert sorted(step) == sorted(one + two)
    accumulated = StepSampler(media, 2, accumulate=2, seed=5)
    pairs = list(accumulated)
    assert len(accumulated) == len(pairs) == 16
    assert [sorted(a + b) for a, b in zip(pairs[::2], pairs[1::2], strict=True)] == [sorted(step) for step in steps]


def test_order_changes_with_the_epoch_and_resumes_within_it():
    sampler = StepSampler(["video"] * 12, 2, seed=1)
    first = list(sampler)
    sampler.first_step = 4
    assert list(sampler) == first[4:]
    assert len(sampler) == 2
    sampler.epoch, sampler.first_step = 1, 0
    assert list(sampler) != first


def test_workers_change_nothing(folder):
    examples = [Example(folder / f"{n}.mp4", "video", caption=f"clip {n}") for n in range(3)]
    examples += [Example(folder / name, "image", caption=name) for name in ("a.png", "b.png")]
    batches = []
    for workers in (0, 1):
        data = dataset(examples)
        sampler = StepSampler([example.medium for example in examples], 1)
        batches.append(list(make_loader(data, sampler, workers)))
    for here, there in zip(*batches, strict=True):
        assert torch.equal(here.frames, there.frames)
        assert here.passages == there.passages


def test_stage_one_asks_with_the_words_of_table_8(folder):
    data = dataset([Example(folder / "a.png", "image", caption="red")])
    sample = data[0]
    assert isinstance(sample, Sample)
    assert sample.frames.shape == (1, 3, 28, 28)
    before, after = (data.tokenizer.decode(ids) for ids in (sample.passage.before, sample.passage.after))
    assert before.endswith("###Human: <Image>")
    assert after.startswith("</Image> ")
    assert after.endswith(" ###Assistant: red###")
    learned = [label for label in sample.passage.labels if label >= 0]
    assert data.tokenizer.decode(learned) == "red###"
    assert np.isfinite(sample.frames.numpy()).all()
