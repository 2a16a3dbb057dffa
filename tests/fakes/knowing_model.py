"""A chat model that knows some answers, so that a run can be told from its table; it reports tokens."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata

from videochat.testing import ScriptedLLM


class KnowingModel(ScriptedLLM):
    """Answers each question alike, whoever asks when: a part of them right, some refused or unreadable.

    Args:
        right: letter by the words of a question.
        knows: part of the questions that it answers right, from what it is sent of the video and without.
    """

    right: dict[str, str]
    knows: tuple[float, float] = (0.8, 0.4)

    def __init__(self, right: dict[str, str], **settings: Any) -> None:
        super().__init__(right=right, **({"profile": {"tool_calling": False}} | settings))

    def reply_to(self, messages: list[BaseMessage]) -> AIMessage:
        asked = messages[-1].text
        question = next(words for words in self.right if words in asked)
        with_video = "<video>" in asked
        chance = int(hashlib.blake2b(f"{question} {with_video}".encode(), digest_size=4).hexdigest(), 16) / 2**32
        knows = self.knows[0] if with_video else self.knows[1]
        letter = self.right[question]
        other = "B" if letter == "A" else "A"
        numbers = re.findall(r"\[(\d+)\]", asked)
        cited = f" [{numbers[0]}]" if numbers else " [09:50-09:55]" if chance < 0.1 else ""
        text = f"({letter}){cited}" if chance < knows else "" if chance > 0.98 else f"({other}){cited}"
        text = f"I think it's either {other} or {letter}." if 0.95 < chance <= 0.98 else text
        read = len(asked) // 4
        tokens = UsageMetadata(input_tokens=read, output_tokens=8, total_tokens=read + 8)
        return AIMessage(text, usage_metadata=tokens)
