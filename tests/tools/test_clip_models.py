"""Models that look at video: what names them, when they are loaded, what they keep, and what they are refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.fakes import video_language_models
from tests.fakes.tiny_embed import CountingVideo, talking_model, toy_model
from videochat.devices import MemoryBudget
from videochat.errors import InvalidArgument, MissingDependency, UnknownName, VideoChatError
from videochat.tools import clip_backends, clip_models
from videochat.tools.clip_backends import Reply
from videochat.tools.clip_models import (
    CLIP_MODELS,
    ModelCache,
    VideoModel,
    context_tokens,
    needed_bytes,
    stream_windows,
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy-model")
    talking_model().save_pretrained(folder)
    return folder


def drawn(id_: str = "drawn") -> Any:
    return CountingVideo(id_)


def test_a_model_is_named_by_a_text_with_its_settings(tmp_path):
    text = f"{tmp_path},frames=16,bits=8,device=cuda:1,memory_gb=10,window=30,captions=yes"
    assert VideoModel.parse(text) == VideoModel(str(tmp_path), 16, 8, "cuda:1", 10.0, 30.0, captions=True)
    assert VideoModel.of(tmp_path) == VideoModel(str(tmp_path)) == VideoModel.of(VideoModel(str(tmp_path)))
    odd = tmp_path / "a,frames=3"
    odd.mkdir()
    assert VideoModel.parse(str(odd)).weights == str(odd), "a folder of that name is no setting"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("m,frame=3", UnknownName, "Did you mean 'frames'"),
        ("m,frames=0", InvalidArgument, "from 1 to 64"),
        ("m,frames=many", InvalidArgument, "frames=many of a video model does not fit"),
        ("m,bits=3", InvalidArgument, "are 4 or 8"),
        ("m,memory_gb=0", InvalidArgument, "above 0"),
        ("m,window=-1", InvalidArgument, "above 0"),
        ("m,captions=maybe", InvalidArgument, "does not fit"),
    ],
)
def test_settings_that_are_none(text, error, says):
    with pytest.raises(error, match=says):
        VideoModel.parse(text)


def test_what_is_no_model():
    with pytest.raises(InvalidArgument, match="a folder, a hub id or a VideoModel, got 3"):
        VideoModel.of(3)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"device": "gpu"}, InvalidArgument, "There is no device 'gpu'"),
        ({"device": "cuda:7"}, MissingDependency, "is not on this machine"),
        ({"memory_gb": 1e-6}, MissingDependency, "but the budget is 0.0 GB"),
        ({"weights": "nobody/nothing"}, MissingDependency, "The video model needs the model nobody/nothing"),
    ],
)
def test_what_cannot_work_is_said_before_a_question(toy, settings, error, says):
    with pytest.raises(error, match=says):
        VideoModel(**{"weights": str(toy)} | settings).check()


def test_bits_are_not_for_other_models(tmp_path):
    video_language_models.smolvlm(tmp_path)
    with pytest.raises(InvalidArgument, match="Only the LLM of a VideoChat-Embed is quantized"):
        VideoModel(str(tmp_path), llm_bits=8).check()
    assert VideoModel(str(tmp_path)).check() == tmp_path


def test_a_folder_that_is_none_of_a_video_model(tmp_path, toy):
    (tmp_path / "config.json").write_text('{"model_type": "videochat_embed"}')
    (tmp_path / "model.safetensors").write_bytes((toy / "model.safetensors").read_bytes())
    with pytest.raises(VideoChatError, match="does not describe a VideoChat-Embed"):
        VideoModel(str(tmp_path)).check()


def test_loaded_on_first_use_and_once(toy, monkeypatch):
    loaded = []
    load = clip_backends.load_clip_model

    def counted(*given):
        loaded.append(given)
        return load(*given)

    monkeypatch.setattr(clip_models, "load_clip_model", counted)
    models = ModelCache()
    wanted = VideoModel(str(toy), frames=2)
    for video in (drawn("a"), drawn("b"), drawn("a")):
        assert models.ask(wanted, video, "What?", (0.0, 4.0)).text
    assert len(loaded) == 1
    models.free(str(toy))
    models.get(wanted)
    assert len(loaded) == 2


def test_the_budget_lets_the_oldest_model_go(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(clip_models, "BUDGET", MemoryBudget())
    toy_model(1).save_pretrained(tmp_path)
    one_fits = 1.5 * needed_bytes(toy) / 1e9
    first, other = VideoModel(str(toy), memory_gb=one_fits), VideoModel(str(tmp_path), memory_gb=one_fits)
    models = ModelCache()
    loaded = models.get(first)
    assert models.get(first) is loaded
    models.get(other)
    assert models.get(first) is not loaded
    both = ModelCache()
    first, other = (VideoModel(str(f), memory_gb=2 * one_fits) for f in (toy, tmp_path))
    loaded = both.get(first)
    both.get(other)
    assert both.get(first) is loaded


def test_needed_memory_counts_weights_once(toy):
    numbers = sum(p.numel() for p in toy_model().parameters())
    assert needed_bytes(toy) == pytest.approx(1.2 * 4 * numbers, rel=0.01)
    assert needed_bytes(toy, 4) < needed_bytes(toy, 8) < needed_bytes(toy)


def test_models_of_others_leave_less_memory(toy, monkeypatch):
    monkeypatch.setattr(clip_models, "BUDGET", budget := MemoryBudget())

    class Owner:
        pass

    owner, models = Owner(), ModelCache()
    budget.claim("a model of somebody else", 10**12, owner)
    with pytest.raises(MissingDependency, match=r"but the budget is 0\.0 GB"):
        models.get(VideoModel(str(toy), memory_gb=1000.0))
    budget.release(owner)
    held = models.get(VideoModel(str(toy), memory_gb=1000.0))
    assert held is models.get(VideoModel(str(toy), memory_gb=1e-9)), "what is loaded needs no more memory"


def test_streamed_pieces_may_be_read_from_several_threads(toy):
    models, wanted = ModelCache(), VideoModel(str(toy), frames=1)
    whole = models.ask(wanted, drawn(), "What?", (0.0, 4.0))
    pieces = models.stream(wanted, drawn(), "What?", (0.0, 4.0))
    found: list[object] = []

    def read() -> None:
        try:
            found.append(next(pieces))
        except StopIteration as end:
            found.append(end.value)

    while not found or isinstance(found[-1], str):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join(20)
    assert found[-1] == whole
    assert "".join(piece for piece in found if isinstance(piece, str)) == whole.text


def test_who_stops_reading_lets_the_next_question_in(toy):
    models, wanted = ModelCache(), VideoModel(str(toy), frames=1)
    pieces = models.stream(wanted, drawn(), "What?", (0.0, 4.0))
    next(pieces)
    pieces.close()
    assert models.ask(wanted, drawn(), "What?", (0.0, 4.0)).text


def test_errors_come_to_who_reads():
    with pytest.raises(MissingDependency, match="nobody/nothing"):
        list(ModelCache().stream(VideoModel("nobody/nothing"), drawn(), "What?", (0.0, 4.0)))


def test_a_long_range_is_looked_at_in_windows(toy):
    models, wanted = ModelCache(), VideoModel(str(toy), frames=2, window_seconds=4)
    video = drawn()
    pieces = stream_windows(models, wanted, video, "What?", (0.0, 10.0))
    text = ""
    while True:
        try:
            text += next(pieces)
        except StopIteration as end:
            replies = end.value
            break
    assert [span for span, _ in replies] == [(0, 10 / 3), (10 / 3, 20 / 3), (20 / 3, 10)]
    assert [line.partition(": ")[0] for line in text.splitlines()] == ["00:00-00:04", "00:03-00:07", "00:06-00:10"]
    assert [line.partition(": ")[2] for line in text.splitlines()] == [reply.text for _, reply in replies]
    assert len(video.decoded) == 6


def test_a_model_with_nothing_to_say(monkeypatch):
    models = ModelCache()
    monkeypatch.setattr(models, "ask", lambda *_, **__: Reply(""))
    with pytest.raises(VideoChatError, match="nothing to say about 00:02-00:05"):
        list(stream_windows(models, VideoModel("any"), drawn(), "What?", (2.0, 5.0)))


def test_what_its_llm_reads_is_in_its_files(toy, tmp_path):
    assert context_tokens(toy) == 2048
    assert context_tokens(tmp_path) is None


def test_one_cache_is_shared_by_the_process():
    assert isinstance(CLIP_MODELS, ModelCache)
