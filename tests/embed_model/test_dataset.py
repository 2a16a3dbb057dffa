from __future__ import annotations

from random import Random

import numpy as np
import torch

from runs.toy_world import make_clip, write_clip
from tests.fakes.tiny_embed import byte_tokenizer
from videochat.embed_model.annotations import Example
from videochat.embed_model.dataset import (
    NO_AUGMENTATION,
    Augmentation,
    ClipDataset,
    Sample,
    Skipped,
    StepSampler,
    collate,
    make_loader,
    may_flip,
)
from videochat.embed_model.dialogue import Medium
from videochat.embed_model.preprocess import (
    crop_frame,
    normalise,
    train_indices,
)
from videochat.media import Video


def dataset(examples, stage="alignment", **changes) -> ClipDataset:
    settings = {"side": 28, "frames": 4, "max_text_tokens": 32} | changes
    return ClipDataset(examples, stage, byte_tokenizer(), **settings)


def sample_of(data: ClipDataset, index: int = 0) -> Sample:
    sample = data[index]
    assert isinstance(sample, Sample)
    return sample


def test_no_mirror_image_where_text_speaks_of_sides_or_of_writing():
    for text in ("It moves to the left.", "a RIGHT turn", "anticlockwise", "The sign says stop.", 'He reads "Hi".'):
        assert not may_flip(text)
    for text in ("a bright room", "She cleft the wood", "a designer", "Two men sing."):
        assert may_flip(text)


def test_a_clip_is_flipped_as_a_whole_or_not_at_all(clip_folder):
    always = Augmentation(crop_area=1, flip=1.0, random_frames=False)
    plain, mirrored, told = (
        sample_of(dataset([Example(clip_folder / "0.mp4", "video", caption=caption)], augmentation=augmentation)).frames
        for caption, augmentation in (("a clip", NO_AUGMENTATION), ("a clip", always), ("goes left", always))
    )
    assert torch.equal(plain, told)
    assert torch.equal(plain.flip(-1), mirrored)
    assert not torch.equal(plain, mirrored)


def test_without_augmentation_pictures_are_those_of_inference(clip_folder):
    video = Video(clip_folder / "0.mp4")
    sample = sample_of(dataset([Example(video.path, "video", caption="a clip")], augmentation=NO_AUGMENTATION))
    assert video.frame_rate is not None
    seconds = [number / video.frame_rate for number in train_indices(24, 4, None)]
    expected = normalise([crop_frame(frame.image, 28) for frame in video.frames(at_seconds=seconds)])
    assert torch.equal(sample.frames, expected)


def test_one_crop_for_all_frames_and_another_in_another_epoch(clip_folder):
    still = clip_folder / "still.mp4"
    clip = make_clip(Random(0))
    write_clip(still, type(clip)(lambda _: clip.scene(0.0), "a still", ()))
    data = dataset([Example(still, "video", caption="a still")])
    first = sample_of(data).frames
    assert first.shape == (4, 3, 28, 28)
    assert (first - first[:1]).abs().max() < 0.2  # the codec's, not another crop's
    data.epoch = 1
    assert (sample_of(data).frames - first).abs().max() > 1


def test_remembered_pictures_are_the_same(clip_folder):
    example = [
        Example(clip_folder / "1.mp4", "video", caption="a clip"),
        Example(clip_folder / "b.png", "image", caption="grey"),
    ]
    settings = {"augmentation": Augmentation(crop_area=1, flip=0), "seed": 3}
    fresh, kept = dataset(example, **settings), dataset(example, remember=True, **settings)
    for epoch in range(3):
        fresh.epoch = kept.epoch = epoch
        for index in range(2):
            assert torch.equal(sample_of(fresh, index).frames, sample_of(kept, index).frames)
            assert sample_of(fresh, index).prompt == sample_of(kept, index).prompt


def test_the_message_tells_the_seconds_that_were_taken(clip_folder):
    chat = Example(clip_folder / "0.mp4", "video", turns=(("What?", "That."),))
    data = dataset([chat], "instruction", frames=4, max_text_tokens=512, augmentation=NO_AUGMENTATION)
    text = data.tokenizer.decode(sample_of(data).prompt.after)
    assert "contains 4 frames sampled at 0.7, 2.7, 4.7, 6.7 seconds." in text


def test_unreadable_files_are_skipped_never_replaced(clip_folder):
    names = ["0.mp4", "zero.mp4", "text.mp4", "gone.mp4"]
    examples = [Example(clip_folder / name, "video", caption=f"clip {name}", place=name) for name in names]
    batch = collate([dataset(examples)[index] for index in range(4)])
    assert batch.frames.shape[0] == len(batch.prompts) == 1
    assert [one.place for one in batch.skipped] == names[1:]
    assert all(one.reason.startswith("unreadable: ") for one in batch.skipped)
    cut = dataset([Example(clip_folder / "cut.png", "image", caption="cut")])[0]
    assert isinstance(cut, Skipped)
    assert "no image" in cut.reason
    none = collate([dataset(examples)[1]])
    assert (none.prompts, none.learned) == ([], 0)


def test_an_example_of_which_nothing_learned_is_left_is_skipped(clip_folder):
    chat = Example(clip_folder / "a.png", "image", turns=(("w" * 600, "yes"),), place="item 9")
    item = dataset([chat], "instruction", max_text_tokens=16)[0]
    assert isinstance(item, Skipped)
    assert item.reason.startswith("nothing to learn: ")


def test_a_step_holds_one_medium_and_every_process_its_share():
    videos: list[Medium] = ["video"] * 20
    images: list[Medium] = ["image"] * 13
    media = videos + images
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


def test_workers_change_nothing(clip_folder):
    examples = [Example(clip_folder / f"{n}.mp4", "video", caption=f"clip {n}") for n in range(3)]
    examples += [Example(clip_folder / name, "image", caption=name) for name in ("a.png", "b.png")]
    batches = []
    for workers in (0, 1):
        data = dataset(examples)
        sampler = StepSampler([example.medium for example in examples], 1)
        batches.append(list(make_loader(data, sampler, workers)))
    for here, there in zip(*batches, strict=True):
        assert torch.equal(here.frames, there.frames)
        assert here.prompts == there.prompts


def test_stage_one_asks_with_the_words_of_table_8(clip_folder):
    data = dataset([Example(clip_folder / "a.png", "image", caption="red")])
    sample = sample_of(data)
    assert sample.frames.shape == (1, 3, 28, 28)
    before, after = (str(data.tokenizer.decode(ids)) for ids in (sample.prompt.before, sample.prompt.after))
    assert before.endswith("###Human: <Image>")
    assert after.startswith("</Image> ")
    assert after.endswith(" ###Assistant: red###")
    learned = [label for label in sample.prompt.labels if label >= 0]
    assert data.tokenizer.decode(learned) == "red###"
    assert np.isfinite(sample.frames.numpy()).all()
