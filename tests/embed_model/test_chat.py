from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tests.fakes.tiny_embed import CountingVideo, toy_model
from videochat.embed_model.chat import Chat, ClipEncoder, ask_each
from videochat.embed_model.dialogue import PromptError
from videochat.embed_model.generation import SamplingSettings
from videochat.embed_model.preprocess import windows
from videochat.errors import InvalidArgument

SHORT = SamplingSettings(max_new_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture
def encoded(model, monkeypatch):
    """The shapes of everything that is encoded."""
    shapes = []
    encode = model.encode

    def counted(frames):
        shapes.append(tuple(frames.shape))
        return encode(frames)

    monkeypatch.setattr(model, "encode", counted)
    return shapes


def test_frames_are_encoded_once_per_range(model, encoded):
    video, encoder = CountingVideo(), ClipEncoder(model, frames=4)
    chat = encoder.chat(video, 2, 6)
    for question in ("What?", "And then?", "Why?"):
        chat.ask(question, SHORT)
    encoder.chat(video, 2, 6).ask("Again?", SHORT)
    assert encoded == [(1, 4, 3, 28, 28)]
    assert len(video.decoded) == 4
    encoder.encode(video, 2, 7)
    assert len(encoded) == 2


def test_only_the_frames_needed_are_decoded_and_lie_in_the_range(model):
    video = CountingVideo(duration_seconds=36_000)
    clip = ClipEncoder(model, frames=8).encode(video, 3600, 7200)
    assert len(video.decoded) == 8
    assert all(3600 <= second < 7200 for second in video.decoded)
    assert clip.seconds == tuple(video.decoded)
    assert repr(clip) == "EncodedClip([3600, 7200) s, embeds of shape (8, 64))"


def test_old_sights_are_forgotten(model, encoded):
    video, encoder = CountingVideo(), ClipEncoder(model, frames=1, remember=2)
    for start in (0, 1, 2, 0):
        encoder.encode(video, start)
    assert len(encoded) == 4


@pytest.mark.parametrize("span", [(-1, 5), (5, 5), (12, 15)])
def test_ranges_that_are_none(model, span):
    with pytest.raises(InvalidArgument, match=r"holds nothing: the video lasts 10.00 s"):
        ClipEncoder(model).encode(CountingVideo(), *span)


def test_an_end_beyond_the_video_is_brought_back(model):
    assert ClipEncoder(model, frames=2).encode(CountingVideo(), 8, 99).end_seconds == 10


@pytest.mark.parametrize("frames", [0, 65])
def test_frames_out_of_range(model, frames):
    with pytest.raises(ValueError, match="between 1 and 64"):
        ClipEncoder(model, frames=frames)


def test_every_turn_sees_the_earlier_ones(model, monkeypatch):
    chat = ClipEncoder(model, frames=2).chat(CountingVideo())
    asked = []
    prompt = chat.conversation.prompt

    def noted(question):
        asked.append(prompt(question))
        return asked[-1]

    monkeypatch.setattr(chat.conversation, "prompt", noted)
    first = chat.ask("What?", SHORT)
    chat.ask("And then?", SHORT)
    assert asked[1] == f"{asked[0]} {first}###Human: And then?\n###Assistant:"


def test_streamed_pieces_are_the_answer(model):
    encoder = ClipEncoder(model, frames=2)
    for question in ("What?", "Why?", "Where does it go?"):
        streaming, asking = encoder.chat(CountingVideo()), encoder.chat(CountingVideo())
        pieces = list(streaming.stream(question, SamplingSettings(max_new_tokens=40, temperature=0)))
        assert "".join(pieces) == asking.ask(question, SamplingSettings(max_new_tokens=40, temperature=0))
        assert streaming.conversation.turns == asking.conversation.turns


def test_a_stream_left_early_remembers_nothing(model):
    chat = ClipEncoder(model, frames=2).chat(CountingVideo())
    next(chat.stream("What?", SamplingSettings(max_new_tokens=40, temperature=0)), None)
    assert chat.conversation.turns == []


def say(model, monkeypatch, rows: list[str]) -> None:
    """Make the LLM say these texts, then EOS for ever."""
    tokenizer = model.tokenizer
    told = [[*tokenizer(row)["input_ids"], *[tokenizer.eos_token_id] * 99] for row in rows]
    steps = itertools.count()

    def choose_told(_logits, _sampling, _generator):
        now = next(steps)
        return torch.tensor([row[now] for row in told])

    monkeypatch.setattr("videochat.embed_model.generation.choose_token", choose_told)


@pytest.mark.parametrize(
    ("said", "answer", "pieces"),
    [
        ("A dog.###Human: no", "A dog.", "A dog."),
        ("A dog.\n## no ###", "A dog.\n## no", "A dog.\n## no"),
        ("Assistant: Ja, größer #1", "Ja, größer #1", "Ja, größer #1"),
        ("it is C#", "it is C#", "it is C#"),
        ("As is", "As is", "As is"),
        ("###", "", ""),
    ],
)
def test_stop_rule_and_streaming_of_awkward_answers(model, monkeypatch, said, answer, pieces):
    say(model, monkeypatch, [said])
    chat = ClipEncoder(model, frames=1).chat(CountingVideo())
    got = list(chat.stream("?"))
    assert chat.conversation.turns[-1] == ("?", answer)
    assert "".join(got) == pieces
    assert "�" not in "".join(got)


def test_rows_of_a_batch_stop_on_their_own(model, monkeypatch):
    say(model, monkeypatch, ["one###", "and the other goes on###"])
    encoder = ClipEncoder(model, frames=1)
    clips = encoder.encode_all([(CountingVideo("a"), 0, 5), (CountingVideo("b"), 5, None)])
    assert ask_each(model, clips, "?") == ["one", "and the other goes on"]


def test_an_answer_in_a_batch_is_the_one_alone(model):
    encoder = ClipEncoder(model, frames=3)
    videos = [CountingVideo("a"), CountingVideo("b", duration_seconds=777.7), CountingVideo("c", 3.0)]
    clips = encoder.encode_all([(video, 0, None) for video in videos])
    together = ask_each(model, clips, "What?", SHORT)
    assert together == [Chat(model, clip).ask("What?", SHORT) for clip in clips]


def test_an_image_is_one_frame(model, encoded):
    image = np.random.default_rng(0).integers(0, 255, (40, 90, 3), np.uint8)
    clip = ClipEncoder(model).encode_image(image)
    assert encoded == [(1, 1, 3, 28, 28)]
    chat = Chat(model, clip)
    assert isinstance(chat.ask("What?", SHORT), str)
    assert "<Image>" in chat.conversation.prompt("?")


def test_a_long_range_is_asked_window_by_window(model, encoded):
    video, encoder = CountingVideo(duration_seconds=100), ClipEncoder(model, frames=2)
    seen = list(encoder.ask_windows(video, "What?", window_seconds=20, batch=2, sampling=SHORT))
    assert [(clip.start_seconds, clip.end_seconds) for clip, _ in seen] == windows(0, 100, 20)
    assert [shape[0] for shape in encoded] == [2, 2, 1]
    alone = encoder.chat(video, 40, 60).ask("What?", SHORT)
    assert seen[2][1] == alone


def test_a_conversation_too_long_for_the_llm(model):
    chat = ClipEncoder(model, frames=1).chat(CountingVideo())
    with pytest.raises(PromptError, match="but the LLM reads at most 2048; begin a new chat"):
        chat.ask("why " * 600)
