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
from videochat.agent.verification import MARK, Verify
from videochat.agent.video_set import VideoSet
from videochat.errors import LLMError, StoreError
from videochat.fence import unfenced
from videochat.memory import CaptionStore, Hit
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


MILK = "Now the milk is poured, slowly and last."


def test_it_retrieves_before_the_model_is_called(make: Any) -> None:
    run = make("Milk [1].")
    assert run.found[0].text == MILK
    assert run.evidence.numbers[run.found[0].id] == 1
    assert run.needs_model
    (message,) = run.input["messages"]
    assert message.additional_kwargs == {
        "question": "When is the milk poured?",
        "evidence": [],
        "options": {},
        "found": True,
        "findings": [{"text": f"Somebody says: “{MILK}”", "numbers": [1]}],
    }


@pytest.mark.parametrize("mode", ["agent", "retrieve"])
def test_the_model_is_sent_all_that_was_noted_whichever_way_it_answers(make: Any, mode: Mode) -> None:
    run = make("Milk [1].", mode=mode)
    (message,) = run.input["messages"]
    assert unfenced(message.text) == run.context.text
    assert message.text.endswith("</video> Question: When is the milk poured?")
    lines = run.context.text.splitlines()
    assert lines[0].startswith("Video tea.mp4: 00:20 (20.0 seconds) long, 640x360 pixels")
    assert f"00:14-00:18: {MILK} [1]" in lines
    assert all(any(words in line for line in lines) for words in ("HOW TO MAKE TEA", "1. Boil the water", "THE END"))
    assert not any("light:" in line for line in lines), "nobody asked what was measured"


def test_where_options_are_given_what_was_found_travels_with_its_numbers(make: Any) -> None:
    run = make("(B)", question="What is poured? A. juice B. milk")
    (message,) = run.input["messages"]
    told = message.additional_kwargs
    assert (told["question"], told["options"]) == ("What is poured?", {"A": "juice", "B": "milk"})
    (milk,) = [item for item in told["evidence"] if item["text"] == MILK]
    assert run.evidence.captions[milk["number"]].text == MILK


def test_a_citation_is_a_time_as_soon_as_it_is_closed(make: Any) -> None:
    run = make("Milk [1] and tea [1, 99].", verify=False)
    texts = [event.text for event in work(run)]
    assert all(text.count("[") == text.count("]") for text in texts)
    assert "".join(texts) == "Milk [00:14-00:18] and tea [00:14-00:18]."
    assert run.finish().status == "partly"
    assert run.said == "Milk [1] and tea [1, 99]."


def test_steps_are_told_when_they_are_done(make: Any) -> None:
    run = make(call("read", start=13, end=18), "Milk [1].", mode="agent", verify=False)
    kinds = [event.kind for event in work(run)]
    assert [kind for kind in kinds if kind != "token"] == ["evidence", "step"]
    answer = run.finish()
    assert (answer.status, answer.usage.tool_calls) == ("grounded", 1)


def test_what_only_a_search_has_found_is_no_reason_to_ask_again(make: Any) -> None:
    run = make(call("search", query="milk"), "Milk [1].", mode="agent", verify=False)
    assert "again" not in [event.kind for event in work(run)]
    answer = run.finish()
    assert (answer.status, answer.usage.model_calls) == ("grounded", 2)


def test_a_sentence_that_is_not_borne_out_goes_back_once(make: Any) -> None:
    run = make("A dog barks [1].", "A dog barks [1].", mode="agent", verify=False)
    (again,) = [event.text for event in work(run) if event.kind == "again"]
    assert again.startswith("Not yet: “A dog barks.”")
    answer = run.finish()
    assert (answer.status, answer.usage.model_calls) == ("partly", 2)
    assert "Doubtful: “A dog barks.” (nothing cited says 'dog')." in answer.notes


def test_in_retrieve_mode_it_is_doubted_and_does_not_go_back(make: Any) -> None:
    run = make("A dog barks [1].", verify=False)
    assert {event.kind for event in work(run)} == {"token"}
    assert run.finish().status == "partly"


def test_what_the_tool_counted_may_be_said(make: Any) -> None:
    run = make("There are 3 cups [1].", question="How many cups?", verify=False)
    run.evidence.count("cup", 3)
    work(run)
    answer = run.finish()
    assert (answer.status, [note for note in answer.notes if note.startswith("Doubtful")]) == ("grounded", [])


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
    run = make(AIMessage("word " * 4000 + "[1]"), verify=False)
    work(run)
    answer = run.finish()
    assert answer.text.endswith("word …")
    assert len(answer.text) <= 12_002
    assert any(note.startswith("Cut: the answer had 20003 characters") for note in answer.notes)


@pytest.mark.parametrize("verify", ["auto", True])
def test_a_second_call_is_counted_and_marks(make: Any, verify: Verify) -> None:
    run = make("Milk [1].", "1: REJECTED - no", verify=verify)
    work(run)
    answer = run.finish()
    assert answer.usage.model_calls == 2
    assert answer.status == "partly"
    assert answer.text == f"Milk [00:14-00:18]. {MARK}"
    assert "Checked: 1 cited sentence, by words against the notes and by a second call: 1 rejected." in answer.notes


def test_a_second_call_is_made_unless_it_is_told_not_to(make: Any) -> None:
    run = make("Milk [1].", "1: CONFIRMED")
    work(run)
    answer = run.finish()
    assert [verdict.judgement for verdict in answer.verdicts] == ["confirmed"]
    run = make("Milk [1].", "1: CONFIRMED", verify=False)
    work(run)
    answer = run.finish()
    assert (answer.status, answer.verdicts, answer.usage.model_calls) == ("grounded", [], 1)


@pytest.mark.parametrize(("verify", "status"), [("auto", "grounded"), (True, "partly")])
def test_a_second_call_that_fails_lowers_the_status_only_where_it_was_asked_for(
    make: Any, verify: Verify, status: str
) -> None:
    run = make("Milk [1].", ValueError("no route"), verify=verify)
    work(run)
    answer = run.finish()
    assert [verdict.judgement for verdict in answer.verdicts] == ["unverified"]
    assert answer.status == status


def test_what_cites_nothing_is_not_judged(make: Any) -> None:
    run = make("Nothing noted in the video answers this.", verify=True)
    work(run)
    answer = run.finish()
    assert (answer.status, answer.usage.model_calls) == ("not_found", 1)
    assert answer.text.startswith("Nothing noted in the video answers this (watched for: speech, ")


def test_equal_captions_that_touch_are_cited_as_one_interval(make: Any) -> None:
    run = make("Milk [1].", verify=False)
    milk = run.found[0]
    run.evidence.add([Hit(milk, span=(13.0, 19.0))])
    work(run)
    answer = run.finish()
    assert answer.text == "Milk [00:13-00:19]."
    (citation,) = answer.citations
    assert citation.span == (13.0, 19.0)
    assert (citation.as_dict()["start_seconds"], citation.as_dict()["end_seconds"]) == (13.0, 19.0)


@pytest.mark.parametrize("said", ["The milk is poured at ٠٠:١٤ [1].", "The milk is poured at ００:１４ [1]."])
def test_times_in_digits_of_other_scripts_do_not_end_a_run(make: Any, said: str) -> None:
    run = make(said, verify=False)
    work(run)
    assert run.finish().status == "grounded"
