"""Models that do not do what they should: each comes to the right end, in a sentence, and nothing hangs."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError, ModelRateLimitError
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import tool

from videochat import Limits, VideoAgent
from videochat.agent.verification import MARK, Verify
from videochat.errors import InvalidArgument, LLMError
from videochat.memory import CaptionStore
from videochat.records import Answer, Caption
from videochat.testing import ScriptedLLM, call

QUESTION = "When is the milk poured?"
READ = call("read", start=13, end=18)


@pytest.fixture
def ask(tea: Path, tea_memory: CaptionStore) -> Callable[..., Answer]:
    def ask(*script: Any, question: str = QUESTION, verify: Verify = False, **settings: Any) -> Answer:
        agent = VideoAgent(tea, memory=tea_memory, llm=ScriptedLLM(*script), verify=verify, **settings)
        return agent.ask(question)

    return ask


def notes(answer: Answer) -> str:
    return " ".join(answer.notes)


def broken_call(tool: str = "search") -> AIMessage:
    return AIMessage(
        "",
        invalid_tool_calls=[
            {"name": tool, "args": '{"query": "mil', "id": "c1", "error": "cut", "type": "invalid_tool_call"}
        ],
    )


def test_it_cites_what_was_never_retrieved(ask: Callable[..., Answer]) -> None:
    answer = ask(READ, "Milk [1]. A cat drinks it [77].")
    assert "77" not in answer.text
    assert answer.status == "partly"
    assert "[77]" in notes(answer)


def test_it_calls_unknown_tools_and_is_told_which_there_are(ask: Callable[..., Answer]) -> None:
    seen: list[str] = []

    def after(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages[-1].text)
        return READ

    answer = ask(call("google", query="milk"), after, "Milk [1].")
    assert "search" in seen[0]
    assert answer.status == "grounded"
    assert "not a valid tool" in (answer.steps[0].error or "")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ({"start": 9, "end": 3}, "holds nothing"),
        ({"start": 500, "end": 600}, "lasts 20.00 s"),
        ({"start": -1, "end": 3}, "greater than or equal to 0"),
        ({"start": "soon", "end": 3}, "valid number"),
        ({"start": float("nan"), "end": 3}, "finite"),
        ({"end": 3}, "required"),
        ({"start": 0, "end": 3, "video": "other.mp4"}, "known ones are tea.mp4"),
    ],
)
def test_bad_arguments_come_back_with_a_hint(ask: Callable[..., Answer], arguments: dict, hint: str) -> None:
    seen: list[str] = []

    def after(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages[-1].text)
        return READ

    answer = ask(call("read", **arguments), after, "Milk [1].")
    assert hint in seen[0]
    assert answer.status == "grounded"
    assert answer.steps[0].error


@pytest.mark.parametrize(
    ("name", "arguments", "hint"),
    [
        ("search", {"query": "  "}, "empty"),
        ("search", {"query": "milk", "kinds": ["smell"]}, "kinds"),
        ("search", {"query": "x" * 3000}, "2000"),
        ("look", {"start": 0, "end": 5, "tool": "orc"}, "Did you mean 'ocr'"),
        ("look", {"start": 0, "end": 5, "tool": "captions"}, "Florence"),
        ("look", {"start": 0, "end": 5, "rate": 0}, "greater than 0"),
        ("count", {"what": "cars"}, "No sense has followed things"),
    ],
)
def test_every_tool_says_what_is_wrong(ask: Callable[..., Answer], name: str, arguments: dict, hint: str) -> None:
    seen: list[str] = []

    def after(messages: list[BaseMessage]) -> str:
        seen.append(messages[-1].text)
        return "Nothing noted in the video answers this."

    assert ask(call(name, **arguments), after).status == "not_found"
    assert hint in seen[0]


def test_calls_that_are_not_json_are_asked_for_again(ask: Callable[..., Answer]) -> None:
    answer = ask(broken_call(), READ, "Milk [1].")
    assert answer.status == "grounded"


def test_calls_that_are_never_json_end(ask: Callable[..., Answer]) -> None:
    answer = ask(*[broken_call()] * 12)
    assert (answer.text, answer.status) == ("There is no answer.", "not_found")
    assert answer.usage.model_calls == 4


def test_it_loops_forever(ask: Callable[..., Answer]) -> None:
    answer = ask(*[call("search", query="milk")] * 50)
    assert "limit: 12 model calls" in notes(answer)
    assert answer.status == "not_found"
    assert answer.usage.model_calls == 12


def test_it_is_told_that_the_last_call_is_the_last(ask: Callable[..., Answer]) -> None:
    told: list[str] = []

    def last(messages: list[BaseMessage]) -> str:
        told.append(messages[-1].text)
        return "Milk [1]."

    answer = ask(READ, READ, last, limits=Limits(model_calls=3))
    assert "Answer now" in told[0]
    assert answer.status == "grounded"
    assert "limit: 3 model calls" in notes(answer)


def test_a_hundred_calls_in_one_turn_are_not_all_run(ask: Callable[..., Answer]) -> None:
    many = AIMessage(
        "", tool_calls=[{"name": "read", "args": {"start": i % 10, "end": 18}, "id": f"c{i}"} for i in range(100)]
    )
    answer = ask(many, "Milk [1].", limits=Limits(tool_calls=8))
    assert sum(not step.error for step in answer.steps) == 8
    assert answer.usage.tool_calls == 8
    assert "limit: 8 tool calls" in notes(answer)
    assert answer.status == "grounded"


def test_calls_made_together_are_told_in_the_order_of_the_model(ask: Callable[..., Answer]) -> None:
    slow = {"name": "browse", "args": {"question": "What is this about?"}, "id": "slow"}
    quick = [{"name": "read", "args": {"start": start, "end": 18}, "id": "same"} for start in (14, 16)]
    answer = ask(AIMessage("", tool_calls=[slow, *quick]), "Milk [1].", summary_llm="extractive")
    assert [step.tool for step in answer.steps] == ["browse", "read", "read"]
    assert [step.args.get("start") for step in answer.steps] == [None, 14, 16]
    assert all(step.seconds is not None for step in answer.steps)


def test_tokens_run_out(ask: Callable[..., Answer]) -> None:
    costly = call("read", start=13, end=18).model_copy(
        update={"usage_metadata": {"input_tokens": 900, "output_tokens": 200, "total_tokens": 1100}}
    )
    answer = ask(costly, "Milk [1].", limits=Limits(tokens=1000))
    assert "limit: 1000 tokens" in notes(answer)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (900, 200)
    assert answer.status == "grounded"


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Set after the test, for what hangs in it."""
    event = threading.Event()
    yield event
    event.set()


def test_it_hangs(ask: Callable[..., Answer], never: threading.Event) -> None:
    answer = ask(lambda messages: str(never.wait()), limits=Limits(seconds=0.5))
    assert (answer.text, answer.status) == ("There is no answer.", "not_found")
    assert "limit: 0.5 seconds" in notes(answer)


async def test_it_hangs_in_async_code(tea: Path, tea_memory: CaptionStore, never: threading.Event) -> None:
    llm = ScriptedLLM(lambda messages: str(never.wait()))
    answer = await VideoAgent(tea, memory=tea_memory, llm=llm, limits=Limits(seconds=0.5)).aask(QUESTION)
    assert "limit: 0.5 seconds" in notes(answer)
    never.set()  # the event loop waits for its threads


def test_a_tool_hangs(ask: Callable[..., Answer], never: threading.Event) -> None:
    @tool
    def ponder(what: str) -> str:
        """Think about it."""
        return str(never.wait())

    answer = ask(call("ponder", what="milk"), "Milk [1].", tools=[ponder], limits=Limits(seconds=3))
    assert "did not return within" in (answer.steps[0].error or "")
    assert "limit: 3 seconds" in notes(answer)
    assert answer.text == "Milk [00:14-00:18]."


def test_a_tool_breaks(ask: Callable[..., Answer]) -> None:
    @tool
    def ponder(what: str) -> str:
        """Think about it."""
        raise RuntimeError("secret /etc/passwd")

    seen: list[str] = []

    def after(messages: list[BaseMessage]) -> AIMessage:
        seen.append(messages[-1].text)
        return READ

    answer = ask(call("ponder", what="milk"), after, "Milk [1].", tools=[ponder])
    assert seen == ["ponder failed (RuntimeError). Try other arguments or another tool."]
    assert answer.status == "grounded"


@pytest.mark.parametrize("mode", ["agent", "retrieve"])
def test_an_empty_answer(ask: Callable[..., Answer], mode: str) -> None:
    answer = ask("", "", mode=mode)
    assert (answer.text, answer.status) == ("There is no answer.", "not_found")
    assert "empty answer" in notes(answer)
    assert ask("", READ, "Milk [1].").status == "grounded"


def test_ten_thousand_tokens(ask: Callable[..., Answer]) -> None:
    answer = ask("The milk is poured [1]. " + "And so on and on [1] [2] [99]. " * 2000, mode="retrieve")
    assert len(answer.text) < 25_000
    assert "Cut: the answer had" in notes(answer)
    assert answer.status == "partly"


@pytest.mark.parametrize("mode", ["agent", "retrieve"])
def test_rate_limited_twice_then_fine(ask: Callable[..., Answer], mode: str) -> None:
    limited = [ModelRateLimitError("429"), ModelRateLimitError("429")]
    answer = ask(*limited, *([READ] if mode == "agent" else []), "Milk [1].", mode=mode)
    assert answer.status == "grounded"


def test_rate_limited_for_good(ask: Callable[..., Answer]) -> None:
    with pytest.raises(LLMError, match="ScriptedLLM did not answer: 429 slow down"):
        ask(*[ModelRateLimitError("429 slow down")] * 3)


def test_the_context_overflows_and_is_cut(tea: Path, tmp_path: Path) -> None:
    sizes: list[int] = []

    def picky(messages: list[BaseMessage]) -> str:
        sizes.append(sum(len(message.text) for message in messages[1:]))
        if len(sizes) < 3:
            raise ContextOverflowError("too long")
        assert QUESTION in messages[1].text
        return "Milk [1]."

    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        llm = ScriptedLLM(picky, picky, picky)
        agent = VideoAgent(tea, memory=memory, preset=["subtitles"], llm=llm, mode="retrieve", verify=False)
        agent.watch()
        stored = memory.captions_of(agent.video.id)
        stored.record(
            [Caption(agent.video.id, i / 5, i / 5 + 1, "clip_caption", f"cup number {i}", "test") for i in range(90)]
        )
        answer = agent.ask(QUESTION)
    assert sizes[0] > sizes[1] > sizes[2]
    assert answer.status == "grounded"


def test_the_context_never_fits(ask: Callable[..., Answer]) -> None:
    with pytest.raises(LLMError, match="maximum context length"):
        ask(*[ValueError("This model's maximum context length is 12 tokens")] * 3)


def test_caption_dumps_do_not_fill_the_window(ask: Callable[..., Answer]) -> None:
    sent: list[int] = []

    def again(messages: list[BaseMessage]) -> AIMessage:
        sent.append(sum(len(message.text) for message in messages))
        return call("read", start=0, end=20)

    ask(*[again] * 8, "Milk [1].", context_tokens=3000)
    assert max(sent[4:]) < sent[3] + 800


WRONG = "Milk comes at 00:05 [1]."
"""What its citation, 00:14-00:18, cannot bear."""


def test_what_its_citation_does_not_bear_goes_back(ask: Callable[..., Answer]) -> None:
    asked: list[str] = []

    def after(messages: list[BaseMessage]) -> AIMessage:
        asked.append(messages[-1].text)
        return READ

    answer = ask(WRONG, after, "Milk, slowly [1].")
    assert (
        "“Milk comes at 00:05.” is not borne out by what it cites (it says 00:05, which 00:14-00:18 is not" in asked[0]
    )
    assert (answer.text, answer.status) == ("Milk, slowly [00:14-00:18].", "grounded")


def test_one_that_insists_is_doubted(ask: Callable[..., Answer]) -> None:
    answer = ask(WRONG, WRONG)
    assert (answer.status, answer.usage.model_calls) == ("partly", 2)
    assert "Doubtful: “Milk comes at 00:05.” (it says 00:05, which 00:14-00:18 is not)" in notes(answer)


def test_one_that_cites_nothing_for_half_of_what_it_says_is_doubted(ask: Callable[..., Answer]) -> None:
    answer = ask("The milk is poured [1]. A cat drinks it.")
    assert answer.status == "partly"
    assert "Doubtful: “A cat drinks it.” (nothing is cited for it)" in notes(answer)


def test_a_draft_stays_when_the_model_then_fails(ask: Callable[..., Answer]) -> None:
    answer = ask(WRONG, ValueError("gone"))
    assert answer.text == "Milk comes at 00:05 [00:14-00:18]."
    assert answer.status == "partly"
    assert "failed (gone): this is a draft" in notes(answer)


@pytest.mark.parametrize(
    "judge",
    [ValueError("gone"), "", "Looks fine to me.", "9: CONFIRMED", "1: CONFIRMED\n1: REJECTED"],
    ids=["fails", "empty", "chats", "another number", "both ways"],
)
@pytest.mark.parametrize(("verify", "status"), [("auto", "grounded"), (True, "partly")])
def test_a_judge_that_does_not_judge_confirms_nothing(
    ask: Callable[..., Answer], judge: Any, verify: Verify, status: str
) -> None:
    answer = ask("Milk [1].", judge, mode="retrieve", verify=verify)
    assert (answer.text, answer.status) == ("Milk [00:14-00:18].", status)
    assert [verdict.judgement for verdict in answer.verdicts] == ["unverified"]
    assert "by a second call: 1 unverified" in notes(answer)


def test_a_judge_cannot_mend_a_time_that_is_wrong(ask: Callable[..., Answer]) -> None:
    answer = ask(WRONG, "1: CONFIRMED - it says so", mode="retrieve", verify="auto")
    assert answer.status == "partly"
    assert "Doubtful: “Milk comes at 00:05.”" in notes(answer)


def test_one_that_rejects_itself_is_marked(ask: Callable[..., Answer]) -> None:
    answer = ask("Milk [1].", "1: REJECTED - no milk", mode="retrieve", verify="auto")
    assert (answer.text, answer.status) == (f"Milk [00:14-00:18]. {MARK}", "partly")


def test_a_judge_hangs(ask: Callable[..., Answer], never: threading.Event) -> None:
    limits = Limits(seconds=0.5)
    answer = ask("Milk [1].", lambda messages: str(never.wait()), mode="retrieve", verify="auto", limits=limits)
    assert answer.text == "Milk [00:14-00:18]."
    assert [verdict.judgement for verdict in answer.verdicts] == ["unverified"]


@pytest.mark.parametrize("whole", ["", "so " * 400, ValueError("gone")], ids=["empty", "long", "fails"])
def test_a_follow_up_that_it_does_not_make_whole_is_asked_as_it_is(
    tea: Path, tea_memory: CaptionStore, whole: Any
) -> None:
    llm = ScriptedLLM("Milk [1].", whole, "Milk [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    agent.ask(QUESTION)
    answer = agent.ask("And how is it poured?")
    assert (answer.text, answer.status) == ("Milk [00:14-00:18].", "grounded")
    assert llm.sent[2][-1].text.endswith("Question: And how is it poured?")


def test_a_server_that_refuses_tools_is_asked_without_them(tea: Path, tea_memory: CaptionStore) -> None:
    refusal = ValueError("400: registry/model:1b does not support tools")
    llm = ScriptedLLM(refusal, "Milk [1].", "Milk again [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, verify=False)
    answer = agent.ask(QUESTION)
    assert (answer.status, agent.mode) == ("grounded", "retrieve")
    assert "cannot call tools" in notes(answer)
    assert "cannot call tools" not in notes(agent.ask(QUESTION))


class HandsOn(ScriptedLLM):
    """A wrapper whose `bind_tools` hands on to a model that has none."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return FakeListChatModel(responses=["unused"]).bind_tools(tools, **kwargs)


def test_a_wrapper_of_a_model_without_tools_is_asked_without_them(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm=HandsOn(script=["Milk [1]."]), verify=False)
    assert agent.mode == "agent"
    answer = agent.ask(QUESTION)
    assert (answer.status, agent.mode) == ("grounded", "retrieve")
    assert "cannot call tools" in notes(answer)


@pytest.mark.parametrize("limits", [{"model_calls": 0}, {"seconds": -1}, {"tool_calls": 0}, {"tokens": 0}])
def test_limits_that_are_none_are_refused(limits: dict) -> None:
    with pytest.raises(InvalidArgument, match="must be a number above 0"):
        Limits(**limits)
