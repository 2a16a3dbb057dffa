"""What an answer must have before it is taken; what lacks it goes back to the model, once for each reason."""

from __future__ import annotations

from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import hook_config
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from videochat.agent.evidence import Evidence
from videochat.agent.limits import LimitsMiddleware
from videochat.agent.multiple_choice import Choice
from videochat.agent.prompts import CALL_AGAIN, CONFIRM, EMPTY, NAME_AN_OPTION
from videochat.intervals import clock_range

NO_ANSWER = "no_answer"
"""Marks a message whose words are ours and answer nothing."""

# A model that cannot write JSON is not asked for it forever.
_BAD_CALLS = 3
_NAMED = 5


class AnswerCheck(AgentMiddleware):
    """Sends an answer back that is empty, cites what nobody has looked at, or names no option.

    A call whose arguments are not JSON would otherwise end the run with an empty answer.

    Args:
        evidence: of the conversation.
        braking: says when nothing may follow.
        choice: the options of the question, if it has any.
        must_confirm: whether the model has tools to read and look with.
    """

    def __init__(
        self, evidence: Evidence, braking: LimitsMiddleware, choice: Choice | None, *, must_confirm: bool
    ) -> None:
        super().__init__()
        self.evidence, self.braking, self.choice, self.must_confirm = evidence, braking, choice, must_confirm
        self._sent_back: list[str] = []

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Take the answer, or say what it lacks."""
        message = state["messages"][-1]
        if not isinstance(message, AIMessage):
            return None
        update: list[BaseMessage] = []
        if message.invalid_tool_calls:
            # Some providers refuse a history with a call that has no result, others one with broken JSON.
            message = _without_bad_calls(message)
            update.append(message)
        if message.tool_calls or self.braking.stopped:
            return {"messages": update} if update else None
        reason, words = self._lack(message, bad_calls=state["messages"][-1].invalid_tool_calls)
        if not reason:
            return {"messages": update} if update else None
        self._sent_back.append(reason)
        return {"messages": [*update, HumanMessage(words)], "jump_to": "model"}

    def _lack(self, message: AIMessage, bad_calls: list[Any]) -> tuple[str, str]:
        if bad_calls:
            tool = bad_calls[0]["name"] or "a tool"
            again = self._sent_back.count("call") < _BAD_CALLS
            return ("call", CALL_AGAIN.format(tool=tool)) if again else ("", "")
        text = message.text.strip()
        if not text:
            return ("empty", EMPTY) if "empty" not in self._sent_back else ("", "")
        if self.choice and not self.choice.chosen_in(text) and "option" not in self._sent_back:
            return "option", NAME_AN_OPTION.format(letters=", ".join(f"({letter})" for letter in self.choice.options))
        if self.must_confirm and "confirm" not in self._sent_back and (found := self.evidence.unconfirmed(text)):
            cited = ", ".join(
                f"[{self.evidence.numbers[c.id]}] (seconds {c.start_seconds:g} to {c.end_seconds:g}, "
                f"{clock_range(c.start_seconds, c.end_seconds)})"
                for c in found[:_NAMED]
            )
            return "confirm", CONFIRM.format(cited=cited)
        return "", ""


def _without_bad_calls(message: AIMessage) -> AIMessage:
    bad = ", ".join(call["name"] or "a tool" for call in message.invalid_tool_calls)
    text = message.text or ("" if message.tool_calls else f"(A call of {bad} that could not be read.)")
    # The raw calls in additional_kwargs would be sent again.
    return AIMessage(
        text,
        id=message.id,
        tool_calls=message.tool_calls,
        usage_metadata=message.usage_metadata,
        additional_kwargs={} if message.text else {NO_ANSWER: True},
    )
