from __future__ import annotations

import pytest
import torch

from tests.fakes.tiny_embed import toy_frames, toy_model
from videochat.embed_model.decoder import Decoder, GrowingDecoder, StaticDecoder, make_decoder
from videochat.embed_model.dialogue import Conversation, tokenize_prompt
from videochat.embed_model.model import Sequences, VideoChatEmbed

STEPS = 6


@pytest.fixture(scope="module")
def model() -> VideoChatEmbed:
    return toy_model()


@pytest.fixture(scope="module")
def sequences(model: VideoChatEmbed) -> Sequences:
    """Two prompts of unlike length, padded on the left."""
    talk = Conversation.about_video((1.0, 2.0))
    prompts = [tokenize_prompt(model.tokenizer, talk.prompt(text)) for text in ("What?", "And what is it then?")]
    return model.sequences(prompts, model.encode(toy_frames(2, 3)), padding="left")


def logits_of(decoder: Decoder) -> list[torch.Tensor]:
    found = [decoder.start().clone()]
    for _ in range(STEPS):
        found.append(decoder.step(found[-1].argmax(-1)).clone())
    return found


def test_memory_of_fixed_size_changes_no_logit(model: VideoChatEmbed, sequences: Sequences) -> None:
    growing = logits_of(GrowingDecoder(model.llm, sequences))
    static = logits_of(StaticDecoder(model.llm, sequences, STEPS))
    for one, other in zip(growing, static, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_read_step_by_step_is_what_is_read_at_once(model: VideoChatEmbed, sequences: Sequences) -> None:
    found = logits_of(StaticDecoder(model.llm, sequences, STEPS))
    said = torch.stack([logits.argmax(-1) for logits in found[:-1]], 1)
    embeds = torch.cat([sequences.embeds, model.llm.get_input_embeddings()(said)], 1)
    mask = torch.cat([sequences.mask, torch.ones_like(said)], 1)
    whole = model.llm(inputs_embeds=embeds, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0)).logits
    for number, logits in enumerate(found):
        torch.testing.assert_close(whole[:, number - STEPS - 1], logits, rtol=1e-4, atol=1e-5)


def test_on_a_cpu_memory_grows(model: VideoChatEmbed, sequences: Sequences) -> None:
    assert isinstance(make_decoder(model.llm, sequences, 4), GrowingDecoder)
