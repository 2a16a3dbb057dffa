"""A chat model that answers with what it was asked."""

import time
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from videochat.testing import ScriptedLLM


class Parrot(ScriptedLLM):
    """Answers with the last question and how many it has been sent; counts how many calls run at once."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.script = [self._say] * 100

    def _say(self, messages: list[BaseMessage]) -> str:
        time.sleep(0.005)
        questions = [m.text.split("Question: ")[-1] for m in messages if isinstance(m, HumanMessage)]
        return f"{questions[-1]} after {questions[:-1]} [1]"
