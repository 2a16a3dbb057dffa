"""A chat model that writes instruction data, and captions for it to write from."""

from __future__ import annotations

import json
from pathlib import Path

from langchain_core.messages import AIMessage

from videochat.embed_model.instruct import WatchedVideo, make_instructions
from videochat.memory.textualize import textualize
from videochat.records import Caption
from videochat.testing import ScriptedLLM

STORY = (
    "First, a white screen appears and greets us with large words that invite everyone into the kitchen. Next, the "
    "picture turns to a deep navy blue, calm and empty, as though the room were waiting for somebody to come in. "
    "Then a bright green card is shown, and the words on it ask that the water be brought to a boil, while a voice "
    "repeats the instruction in a friendly manner. The letters stand in the middle and are easy to read against their "
    "plain background. Meanwhile nothing else moves, which gives the viewer time to follow along with care. Finally, "
    "a field of dark red fills the frame and a pale shape drifts across it from one side to the other, slowly and "
    "without a pause. Throughout the clip the colours are strong and even, the lettering is clean, and each part "
    "follows the one before it with a clear cut. Overall, the video feels like a short and simple lesson about how to "
    "begin making a warm drink at home."
)


DIALOGUE = """Question: What does the first card say?
Answer: It welcomes us to the kitchen. [1]

Question: What happens after the words of welcome?
Answer: The screen changes to a plain colour, and then somebody speaks about water. [2][3]

Question: Is there a dog in the video?
Answer: The provided video does not present such information.

**Question:** Why is the water boiled?
**Answer:** Because a hot drink is about to be made. [1, 3]"""


def caption(number: int, video: str = "v") -> Caption:
    return Caption(video, float(number), number + 1.0, "ocr", f"line {number} of {video}", "test")


def watched(name: str = "v.mp4", count: int = 3) -> WatchedVideo:
    return WatchedVideo(name, [caption(number, name) for number in range(count)])


class Writer(ScriptedLLM):
    """Answers each of the paper's prompts with what is given for it: text, a message, an exception, a function."""

    def __init__(self, description=STORY, conversation=DIALOGUE, refined=None) -> None:
        super().__init__()
        self._texts = {"description": description, "conversation": conversation, "refined": refined or description}

    def reply_to(self, messages):
        self.sent.append(messages)
        text = str(messages[-1].content)
        kind = "conversation" if len(messages) == 2 else "refined" if text.startswith("Fix the") else "description"
        text = self._texts[kind]
        answer = text(messages) if callable(text) else text
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, AIMessage) else AIMessage(answer)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def make(tmp_path: Path, llm, videos=None, **options):
    return make_instructions(videos or [watched()], llm, tmp_path / "chats.jsonl", textualize=textualize, **options)
