"""Token by token: how the language model's next token is chosen, and when an answer is over.

`docs/videochat_embed.md`, section 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from videochat.embed_model.decoder import make_decoder
from videochat.embed_model.dialogue import SEPARATOR, PromptError
from videochat.embed_model.model import Sequences, VideoChatEmbed
from videochat.errors import InvalidArgument
from videochat.renamed import keywords


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is chosen.

    Raises:
        InvalidArgument: a number out of its range.
    """

    max_new_tokens: int = 200
    """Longest answer, at least 1."""
    temperature: float = 1.0
    """0 for always the likeliest token."""
    top_p: float = 0.9
    """Only the likeliest tokens that together reach this probability, in (0, 1]."""
    top_k: int = 50
    """Only so many likeliest tokens; 0 for all."""
    seed: int | None = None
    """Makes an answer repeatable."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise InvalidArgument(
                "SamplingSettings needs max_new_tokens >= 1, temperature >= 0, 0 < top_p <= 1 and top_k >= 0, "
                f"got {self}"
            )


UPSTREAM_SAMPLING = SamplingSettings()
"""Upstream's defaults: a token is drawn at temperature 1 from the likeliest."""
GREEDY = SamplingSettings(temperature=0)
"""Always the likeliest token: the same question has the same answer."""


@keywords(wording="sampling")
def generate(
    model: VideoChatEmbed, sequences: Sequences, sampling: SamplingSettings = GREEDY
) -> Iterator[list[int | None]]:
    """Yield for every step the next token id of each row; None for a row that is finished.

    A row is finished by an EOS id of the LLM, or when its text contains `###`, whichever tokens spell that. The
    LLM's keys and values are kept, so each step computes one position per row.

    Args:
        model: the model.
        sequences: prompts with the visual embeddings in place, padded on the left.
        sampling: how tokens are chosen.

    Raises:
        PromptError: the prompts leave no room for an answer in what the LLM can read.
    """
    length = sequences.mask.shape[1]
    context: int = getattr(model.llm.config.get_text_config(), "max_position_embeddings", length + 10**9)
    if length >= context:
        raise PromptError(
            f"The conversation has grown to {length} tokens, but the LLM reads at most {context}; begin a new chat."
        )
    generator = _generator(sampling, sequences.embeds.device)
    most = min(sampling.max_new_tokens, context - length)
    decoder = make_decoder(model.llm, sequences, most)
    recent: list[list[int]] = [[] for _ in sequences.mask]
    running = [True] * len(recent)
    chosen: Tensor | None = None
    for _ in range(most):
        logits = decoder.start() if chosen is None else decoder.step(chosen)
        # Entered at each step, not around the loop: between steps the caller's own code runs.
        with torch.inference_mode():
            chosen = choose_token(logits.float(), sampling, generator)  # (B,)
        step: list[int | None] = []
        for row, token in enumerate(chosen.tolist()):
            if not running[row] or token in model.eos_ids:
                running[row] = False
                step.append(None)
                continue
            step.append(token)
            # `###` is at most three tokens, and a word may hang on either side.
            recent[row] = [*recent[row][-4:], token]
            running[row] = SEPARATOR not in decode(model, recent[row])
        yield step
        if not any(running):
            return


def _generator(sampling: SamplingSettings, device: torch.device) -> torch.Generator | None:
    """Return the source of random numbers; None where always the likeliest token is taken."""
    if sampling.temperature == 0:
        return None
    generator = torch.Generator(device)
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    return generator


def choose_token(logits: Tensor, sampling: SamplingSettings, generator: torch.Generator | None) -> Tensor:
    """Choose the next ids: temperature, then top-k, then top-p.

    Args:
        logits: (B, vocabulary).
        sampling: how tokens are chosen.
        generator: source of random numbers; None takes the likeliest token.

    Returns:
        Ids (B,), int64.
    """
    if generator is None:
        return logits.argmax(-1)
    logits = logits / sampling.temperature
    count = min(sampling.top_k or logits.shape[-1], logits.shape[-1])
    best, ids = logits.topk(count)  # (B, k), best first
    odds = best.softmax(-1)
    # A token stays if those before it have not yet reached top_p; the first always does.
    odds = odds.masked_fill(odds.cumsum(-1) - odds >= sampling.top_p, 0)
    return ids.gather(-1, torch.multinomial(odds, 1, generator=generator))[:, 0]


def decode(model: VideoChatEmbed, ids: list[int]) -> str:
    """Return the text of generated ids, special tokens left out."""
    text: str = model.tokenizer.batch_decode([ids], skip_special_tokens=True)[0]
    return text
