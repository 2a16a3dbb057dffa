"""One question on its way to an answer, step by step."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from videochat.agent.ask_options import Question
from videochat.agent.citations import Evidence
from videochat.agent.conversation import Conversation
from videochat.agent.limits import OutOfTime
from videochat.agent.run import Mode, Run, RunSettings
from videochat.agent.video_set import VideoSet
from videochat.errors import LLMError, StoreError
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM, call


@pytest.fixture
def make(tea: Path, tea_memory: CaptionStore) -> Any:
    def make(*script: Any, mode: Mode = "retrieve", question: str = "When is the milk poured?", **settings: Any) -> Run:
        return Run(
            VideoSet([tea], memory=tea_memory),
            RunSettings(ScriptedLLM(*script), mode, **settings),
            Conversation([], Evidence()),
            Question.read("ask", question, {}),
        )

    return make


def work(run: Run) -> list[Any]:
    with run.handling_errors():
        return [
            event
            for mode, data in run.graph.stream(run.input, stream_mode=run.stream_modes(tokens=True))
            for event in run.events(mode, data)
        ]
    return []


def test_it_retrieves_before_the_model_is_called(make: Any) -> None:
    run = make("Milk [1].")
    assert run.found[0].text == "Now the milk is poured, slowly and last."
    assert run.evidence.numbers[run.found[0].id] == 1
    assert run.needs_model
    (message,) = run.input["messages"]
    assert message.additional_kwargs["evidence"][0]["number"] == 1


def test_a_citation_is_a_time_as_soon_as_it_is_closed(make: Any) -> None:
    run = make("Milk [1] and tea [1, 99].")
    texts = [event.text for event in work(run)]
    assert all(text.count("[") == text.count("]") for text in texts)
    assert "".join(texts) == "Milk [00:14-00:18] and tea [00:14-00:18]."
    assert run.finish().status == "partly"
    assert run.said == "Milk [1] and tea [1, 99]."


def test_steps_are_told_when_they_are_done(make: Any) -> None:
    run = make(call("read", start=13, end=18), "Milk [1].", mode="agent")
    kinds = [event.kind for event in work(run)]
    assert [kind for kind in kinds if kind != "token"] == ["evidence", "step"]
    answer = run.finish()
    assert (answer.status, answer.usage.tool_calls) == ("grounded", 1)


@pytest.mark.parametrize(("error", "raised"), [(ValueError("no route"), LLMError), (StoreError("locked"), StoreError)])
def test_an_error_without_a_draft_is_raised(make: Any, error: Exception, raised: type[Exception]) -> None:
    with pytest.raises(raised, match=str(error)):
        work(make(error))


def test_out_of_time_is_an_answer_too(make: Any) -> None:
    run = make()
    with run.handling_errors():
        raise OutOfTime
    assert run.finish().text == "There is no answer."


def test_a_model_that_refuses_tools_says_so(make: Any) -> None:
    run = make(ValueError("this model does not support tools"), mode="agent")
    work(run)
    assert run.tools_refused


def test_a_runaway_answer_is_cut_at_a_word(make: Any) -> None:
    run = make(AIMessage("word " * 4000 + "[1]"))
    work(run)
    answer = run.finish()
    assert answer.text.endswith("word …")
    assert len(answer.text) <= 12_002
    assert any(note.startswith("Cut: the answer had 20003 characters") for note in answer.notes)


def test_a_second_look_is_counted_and_marks(make: Any) -> None:
    run = make("Milk [1].", "1: REJECTED - no", verify=True)
    work(run)
    answer = run.finish()
    assert answer.usage.model_calls == 2
    assert answer.status == "partly"
    assert "Second look: 1 of 1 cited sentences rejected." in answer.notes
