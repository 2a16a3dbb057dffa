"""The words around the video: prompts, conversations, token ids and the labels of both training stages.

SPEC 6 (conversation), 7.2 and 7.3 (training sequences); paper section 3.2.3. Knows a tokenizer, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from transformers import PreTrainedTokenizerBase

from videochat.errors import VideoChatError

VIDEO_SLOT = "<VideoHere>"
"""Stands in a prompt where the video's embeddings go."""
IMAGE_SLOT = "<ImageHere>"
"""The same for an image."""
SEPARATOR = "###"
"""Begins every turn; the model says it when its answer is over."""
IGNORED = -100
"""Label of a position that is not learned."""


class PromptError(VideoChatError, ValueError):
    """A prompt or a training example that cannot be made into a sequence."""


@dataclass(frozen=True)
class TokenizedPrompt:
    """Token ids on both sides of the visual embeddings of one video or image.

    Raises:
        PromptError: not one label for each id of `after`.
    """

    before: list[int]
    """Ids ahead of the visual embeddings, with the BOS id first if the tokenizer has one."""
    after: list[int]
    """Ids behind them."""
    labels: list[int]
    """For each id of `after` the id itself if it is learned, else -100."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.after):
            raise PromptError(f"{len(self.after)} ids after the video need as many labels, got {len(self.labels)}")


@dataclass
class Conversation:
    """The turns so far, written as the released models were tuned (SPEC 6)."""

    opening: str
    """First message: the slot in its tags and, for a video, the sentence with the seconds."""
    turns: list[tuple[str, str]] = field(default_factory=list)
    """(question, answer) of every finished turn."""

    @classmethod
    def about_video(cls, seconds: Sequence[float]) -> Conversation:
        """Open a conversation about frames taken at `seconds`."""
        return cls(f"<Video>{VIDEO_SLOT}</Video> {sampling_message(seconds)}")

    @classmethod
    def about_image(cls) -> Conversation:
        """Open a conversation about one picture."""
        return cls(f"<Image>{IMAGE_SLOT}</Image>")

    def prompt(self, question: str) -> str:
        """Return the text up to where the model begins its answer.

        Raises:
            PromptError: the question is empty.
        """
        if not question.strip():
            raise PromptError("The question is empty; ask something about the video.")
        # What people say ends with a line break, what the model said does not.
        past = "".join(f"Human: {q}\n{SEPARATOR}Assistant: {a}{SEPARATOR}" for q, a in self.turns)
        return f"{SEPARATOR}Human: {self.opening}\n{SEPARATOR}{past}Human: {question}\n{SEPARATOR}Assistant:"


def sampling_message(seconds: Sequence[float]) -> str:
    """Return the sentence that tells the LLM when the frames were taken, to a tenth of a second."""
    when = ", ".join(str(round(float(second), 1)) for second in seconds)
    return f"The video contains {len(seconds)} frames sampled at {when} seconds."


def clean_answer(text: str) -> str:
    """Cut generated text down to the answer: before the first `###`, after the last `Assistant:`."""
    return text.split(SEPARATOR)[0].split("Assistant:")[-1].strip()


def prompt_passage(tokenizer: PreTrainedTokenizerBase, prompt: str) -> TokenizedPrompt:
    """Tokenise a prompt that holds `<VideoHere>` or `<ImageHere>`; each side alone, nothing learned.

    Raises:
        PromptError: there is no slot.
    """
    slot = VIDEO_SLOT if VIDEO_SLOT in prompt else IMAGE_SLOT
    before, found, after = prompt.partition(slot)
    if not found:
        raise PromptError(
            f"The prompt has no place for the video: write {VIDEO_SLOT} (or {IMAGE_SLOT}) where it belongs, "
            f"got {prompt[:60]!r}."
        )
    ids = _ids(tokenizer, after)
    return TokenizedPrompt(_bos(tokenizer) + _ids(tokenizer, before), ids, [IGNORED] * len(ids))


def alignment_passage(
    tokenizer: PreTrainedTokenizerBase, prompt: str, caption: str, max_caption_tokens: int = 32
) -> TokenizedPrompt:
    """Make a sequence of stage 1, in which the caption and its closing `###` are learned (SPEC 7.2).

    Args:
        tokenizer: of the LLM.
        prompt: e.g. `###Human: <Video><VideoHere></Video> Describe it. ###Assistant: `.
        caption: what is true of the picture or video.
        max_caption_tokens: the caption is cut there, its `###` with it.

    Raises:
        PromptError: there is no slot in the prompt.
    """
    asked = prompt_passage(tokenizer, prompt)
    learned = _ids(tokenizer, caption + SEPARATOR)[:max_caption_tokens]
    return TokenizedPrompt(asked.before, asked.after + learned, asked.labels + learned)


def instruction_passage(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[tuple[str, str]],
    seconds: Sequence[float] | None = None,
    max_text_tokens: int = 512,
) -> TokenizedPrompt:
    """Make a sequence of stage 2: role headers, answers and the closing `###` are learned (SPEC 7.3).

    Args:
        tokenizer: of the LLM; a fast one, because learned text is found by its place in the string.
        turns: (question, answer) pairs; space around them is taken off.
        seconds: when the frames were taken; None for an image.
        max_text_tokens: the text, BOS and both sides of the video together, is cut there.

    Raises:
        PromptError: no turns, `###` in a question or answer, or nothing learned is left after the cut.
    """
    if not turns or any(SEPARATOR in text for turn in turns for text in turn):
        raise PromptError(f"An example needs turns, and questions and answers without {SEPARATOR}, got {turns!r}")
    tag = "Image" if seconds is None else "Video"
    message = "" if seconds is None else f" {sampling_message(seconds)}"
    spans = [(f"</{tag}>{message}", False)]
    for question, answer in turns:
        spans += [(f" {SEPARATOR}Human:", True), (f" {question.strip()}", False)]
        spans += [(f" {SEPARATOR}Assistant: {answer.strip()}", True)]
    spans += [(f" {SEPARATOR}", True)]

    learned_at = [learned for text, learned in spans for _ in text]
    encoded = tokenizer("".join(text for text, _ in spans), add_special_tokens=False, return_offsets_mapping=True)
    # A token that spans two parts, such as a space and what follows, goes with its last character.
    labels = [
        token if end > 0 and learned_at[end - 1] else IGNORED
        for token, (_, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]
    before = _bos(tokenizer) + _ids(tokenizer, f"{SEPARATOR}Human: <{tag}>")
    room = max(max_text_tokens - len(before), 0)
    if all(label == IGNORED for label in labels[:room]):
        raise PromptError(
            f"Nothing to learn is left of an example cut to {max_text_tokens} tokens; "
            f"raise max_text_tokens or leave out the example beginning {turns[0][0][:40]!r}."
        )
    return TokenizedPrompt(before, encoded["input_ids"][:room], labels[:room])


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _bos(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
