"""The text around the video: conversations, prompts as token ids, and the labels of both training stages.

Paper section 3.2.3; `docs/videochat_embed.md`, sections 6 (conversation), 9 and 10 (training sequences). Needs a
tokenizer, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from transformers import PreTrainedTokenizerBase

from videochat.errors import VideoChatError
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

Medium = Literal["image", "video"]

VIDEO_SLOT = "<VideoHere>"
"""Stands in a prompt where the video's embeddings go."""
IMAGE_SLOT = "<ImageHere>"
"""The same for an image."""
SEPARATOR = "###"
"""Begins every message; the model writes it when its answer is over."""
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
    """The turns so far, written as the released models were tuned."""

    opening: str
    """First message: the slot in its tags and, for a video, the sentence with the seconds."""
    turns: list[tuple[str, str]] = field(default_factory=list)
    """(question, answer) of every finished turn."""
    system: str = ""
    """What stands before the conversation; the released models were tuned with nothing there."""

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
        # What people write ends with a line break, what the model wrote does not.
        past = "".join(f"Human: {q}\n{SEPARATOR}Assistant: {a}{SEPARATOR}" for q, a in self.turns)
        return (
            f"{self.system}{SEPARATOR}Human: {self.opening}\n{SEPARATOR}{past}Human: {question}\n{SEPARATOR}Assistant:"
        )


def sampling_message(seconds: Sequence[float]) -> str:
    """Return the sentence that tells the LLM when the frames were taken, to a tenth of a second."""
    when = ", ".join(str(round(float(second), 1)) for second in seconds)
    return f"The video contains {len(seconds)} frames sampled at {when} seconds."


def clean_answer(text: str) -> str:
    """Cut generated text down to the answer: before the first `###`, after the last `Assistant:`."""
    return text.split(SEPARATOR)[0].split("Assistant:")[-1].strip()


def plain_text(text: str) -> str:
    """Return words from elsewhere, such as captions, without the marks that structure a prompt."""
    for mark in (SEPARATOR, VIDEO_SLOT, IMAGE_SLOT):
        text = text.replace(mark, " ")
    return text


def tokenize_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> TokenizedPrompt:
    """Tokenize a prompt that holds `<VideoHere>` or `<ImageHere>`: each side of it alone, nothing learned.

    Args:
        tokenizer: of the LLM.
        prompt: the text, with its slot.

    Raises:
        PromptError: there is no slot, or the text holds half a character.
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


def tokenize_alignment(
    tokenizer: PreTrainedTokenizerBase, prompt: str, caption: str, max_caption_tokens: int = 32
) -> TokenizedPrompt:
    """Tokenize an example of stage 1, in which the caption and its closing `###` are learned.

    Args:
        tokenizer: of the LLM.
        prompt: e.g. `###Human: <Video><VideoHere></Video> Describe it. ###Assistant: `.
        caption: what is true of the picture or video.
        max_caption_tokens: the caption is cut there, its `###` with it.

    Raises:
        PromptError: there is no slot in the prompt, or a text holds half a character.
    """
    asked = tokenize_prompt(tokenizer, prompt)
    learned = _ids(tokenizer, caption + SEPARATOR)[:max_caption_tokens]
    return TokenizedPrompt(asked.before, asked.after + learned, asked.labels + learned)


def tokenize_instruction(
    tokenizer: PreTrainedTokenizerBase,
    turns: Sequence[tuple[str, str]],
    seconds: Sequence[float] | None = None,
    max_text_tokens: int = 512,
) -> TokenizedPrompt:
    """Tokenize an example of stage 2: role headers, answers and the closing `###` are learned.

    Args:
        tokenizer: of the LLM; a fast one, because learned text is found by its place in the string.
        turns: (question, answer) pairs; space around them is taken off.
        seconds: when the frames were taken; None for an image.
        max_text_tokens: the text, BOS and both sides of the video together, is cut there.

    Raises:
        PromptError: no turns, `###` or half a character in a question or answer, or nothing learned is left after
            the cut.
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

    learned_at = [learned for part, learned in spans for _ in part]
    text = "".join(part for part, _ in spans)
    check_characters(text)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
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


def alignment_prompt(instruction: str, medium: Medium) -> str:
    """Return the prompt of stage 1 around one of the brief instructions of Table 8."""
    tag, slot = ("Video", VIDEO_SLOT) if medium == "video" else ("Image", IMAGE_SLOT)
    return f"{SEPARATOR}Human: <{tag}>{slot}</{tag}> {instruction} {SEPARATOR}Assistant: "


def check_characters(text: str) -> None:
    """Hold text to whole characters; JSON and file names can carry halves of surrogate pairs, tokenizers cannot.

    Raises:
        PromptError: there is half a character; the message shows where.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PromptError(
            f"The text holds half a character (U+{ord(text[error.start]):04X}, a lone surrogate) at position "
            f"{error.start}; remove it or mend how the text was read."
        ) from None


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    check_characters(text)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _bos(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    return [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
