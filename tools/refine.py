"""Refinement: the captions of a stretch condensed into one sentence, and those of the whole video into another.

It consumes captions, not pictures, so it is no `PerceptionTool`: it is called after a watch, with the stored
captions of the range, and the sentences are stored beside them under `CaptionRefiner.source`. Originals are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from videochat.devices import Device, load_model, load_processor
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import keywords
from videochat.tools.model_tool import UsesModel

# What is on the screen or said word for word must not be reworded by a language model.
_INPUT_KINDS: tuple[tuple[Kind, str], ...] = (
    ("action", "Actions"),
    ("clip_caption", "Pictures"),
    ("dense_caption", "Things"),
    ("tags", "Tags"),
)
_CLIP_PROMPT = "Summarize what happens in this part of a video in one sentence.\n\n{}\n\nSummary:"
_VIDEO_PROMPT = "Summarize the whole video in one or two sentences.\n\n{}\n\nSummary:"
# T5 was trained on inputs of this many tokens.
_MAX_INPUT_TOKENS = 512
_MAX_NEW_TOKENS = 120
# So many lines are condensed at once; of more, first the parts and then the whole.
_LINES_AT_ONCE = 16
_MAX_PHRASES = 12


class CaptionRefiner(UsesModel["_Writer"]):
    """A T5 that was tuned to follow instructions (flan-t5), or to summarize.

    Args:
        model: hub id or folder of a T5 checkpoint.
        window_seconds: length of the stretches that are condensed; they lie on the video's own time.
        batch_size: see `UsesModel`; counted in stretches.
        device: see `UsesModel`.
    """

    name: ClassVar[str] = "refine"
    accepts: ClassVar[tuple[str, ...]] = ("t5",)
    batch_on_gpu: ClassVar[int] = 16
    batch_on_cpu: ClassVar[int] = 4

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "google/flan-t5-base",
        *,
        window_seconds: float = 10.0,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)
        self.window_seconds = window_seconds

    @property
    def source(self) -> str:
        """Model and revision, as its captions name it; exact once `prepare` has found the weights."""
        return f"{self.name}:{self.identity}"

    def load_model(self, folder: Path, device: Device) -> _Writer:
        """Load T5."""
        return _Writer(folder, device)

    def refine(
        self, captions: Iterable[Caption], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption]:
        """Yield a `clip_caption` for each stretch in which something was seen, and last a `video_caption`.

        Its own earlier captions among the input are passed over, so that refining twice gives the same.

        Args:
            captions: what is stored of the range, in any order.
            video: what they are about.
            start_seconds: first moment.
            end_seconds: first moment no longer. The video caption is of `[start_seconds, end_seconds)`.
        """
        by_window: dict[int, list[Caption]] = {}
        for caption in sorted(captions, key=lambda caption: (caption.start_seconds, caption.id)):
            wanted = caption.kind in dict(_INPUT_KINDS) and caption.source != self.source
            if wanted and caption.overlaps(start_seconds, end_seconds):
                by_window.setdefault(int(caption.start_seconds / self.window_seconds + 1e-6), []).append(caption)
        lines = []
        numbers = sorted(by_window)
        texts = self._write([_CLIP_PROMPT.format(_prompt_lines(by_window[number])) for number in numbers])
        for number, text in zip(numbers, texts, strict=True):
            if not any(sign.isalnum() for sign in text):
                continue
            lines.append(text)
            yield Caption(
                video.id,
                max(number * self.window_seconds, start_seconds),
                min((number + 1) * self.window_seconds, end_seconds),
                "clip_caption",
                text,
                self.source,
            )
        if whole := self._condense(lines):
            yield Caption(video.id, start_seconds, end_seconds, "video_caption", whole, self.source)

    def _condense(self, lines: list[str]) -> str:
        """Return one text for many lines, in as many rounds as it takes; empty for none."""
        while lines:
            parts = [lines[i : i + _LINES_AT_ONCE] for i in range(0, len(lines), _LINES_AT_ONCE)]
            texts = self._write([_VIDEO_PROMPT.format("\n".join(part)) for part in parts])
            lines = [text for text in texts if any(sign.isalnum() for sign in text)]
            if len(parts) == 1:
                break
        return lines[0] if lines else ""

    def _write(self, prompts: Sequence[str]) -> list[str]:
        if not prompts:
            return []
        return self.batcher(self.loaded().write, prompts)


class _Writer:
    """A loaded T5."""

    def __init__(self, folder: Path, device: Device) -> None:
        import torch

        # T5 overflows in float16.
        dtype = torch.bfloat16 if device.dtype == torch.float16 else device.dtype
        self.device = Device(device.name, dtype)
        self.tokenizer = load_processor("AutoTokenizer", folder)
        self.model: Any = load_model("AutoModelForSeq2SeqLM", folder, self.device)

    def write(self, prompts: Sequence[str]) -> list[str]:
        import torch

        tokens = self.tokenizer(
            list(prompts), padding=True, truncation=True, max_length=_MAX_INPUT_TOKENS, return_tensors="pt"
        ).to(self.device.name)
        with torch.inference_mode():
            ids = self.model.generate(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                num_beams=2,
                no_repeat_ngram_size=3,
                max_new_tokens=_MAX_NEW_TOKENS,
                do_sample=False,
            )
        texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _prompt_lines(captions: Sequence[Caption]) -> str:
    """Return the texts of captions, a line for each kind, each phrase once."""
    lines = []
    for kind, title in _INPUT_KINDS:
        phrases = dict.fromkeys(caption.text for caption in captions if caption.kind == kind)
        if phrases:
            lines.append(f"{title}: {'; '.join(list(phrases)[:_MAX_PHRASES])}.")
    return "\n".join(lines)
