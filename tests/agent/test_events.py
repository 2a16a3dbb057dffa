"""What a stream yields is told apart by its kind."""

from dataclasses import FrozenInstanceError

import pytest

from videochat.agent.events import Event, last_answer
from videochat.records import Answer, Step


def test_an_event_has_what_its_kind_says_and_nothing_else() -> None:
    assert Event("token", "milk").text == "milk"
    assert Event("step", step=Step("read")).step == Step("read")
    answer = Event("answer", answer=Answer("Milk."))
    assert (answer.text, answer.captions, answer.step) == ("", [], None)
    assert last_answer([Event("token", "Mi"), answer]) == Answer("Milk.")
    with pytest.raises(FrozenInstanceError):
        answer.text = "more"  # type: ignore[misc]  # that it is frozen is what is tested
