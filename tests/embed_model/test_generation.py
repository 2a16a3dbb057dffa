from __future__ import annotations

import pytest
import torch

from tests.fakes.tiny_embed import CountingVideo, toy_model
from videochat.embed_model.chat import ClipEncoder
from videochat.embed_model.dialogue import tokenize_prompt
from videochat.embed_model.generation import GREEDY, SamplingSettings, choose_token, generate

SHORT = SamplingSettings(max_new_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def model():
    return toy_model()


def test_cached_generation_equals_uncached(model):
    visual = model.encode(torch.randn(2, 2, 3, 28, 28))
    prompts = [tokenize_prompt(model.tokenizer, text) for text in ("a<VideoHere>b", "longer<VideoHere>words")]
    sequences = model.sequences(prompts, visual, padding="left")
    cached = list(generate(model, sequences, SamplingSettings(max_new_tokens=10, temperature=0)))
    for row, prompt in enumerate(prompts):
        ids: list[int] = []
        for step in cached:
            grown = type(prompt)(prompt.before, prompt.after + ids, [-100] * (len(prompt.after) + len(ids)))
            made = model.sequences([grown], visual[row : row + 1])
            best = int(model.llm(inputs_embeds=made.embeds, use_cache=False).logits[0, -1].argmax())
            if step[row] is None:
                break
            assert step[row] == best
            ids.append(best)


def test_a_seed_repeats_an_answer(model):
    encoder = ClipEncoder(model, frames=1)
    sampling = SamplingSettings(max_new_tokens=20, seed=7)
    answers = {encoder.chat(CountingVideo()).ask("?", sampling) for _ in range(3)}
    assert len(answers) == 1


def test_tokens_are_drawn_as_wished():
    logits = torch.tensor([[2.0, 1.9, 1.0, -5.0]])
    chance = torch.Generator().manual_seed(0)

    def drawn(**wish) -> set[int]:
        return {int(choose_token(logits, SamplingSettings(**wish), chance)) for _ in range(200)}

    assert drawn(top_k=1) == {0}
    assert drawn(top_p=0.1) == {0}
    assert drawn(top_k=2, top_p=1.0) == {0, 1}
    assert drawn(top_k=0, top_p=0.9) == {0, 1, 2}
    assert drawn(temperature=100.0, top_k=0, top_p=1.0) == {0, 1, 2, 3}
    assert int(choose_token(logits, GREEDY, None)) == 0


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"top_k": -1}])
def test_wishes_out_of_range(wrong):
    with pytest.raises(ValueError, match="SamplingSettings needs"):
        SamplingSettings(**wrong)
