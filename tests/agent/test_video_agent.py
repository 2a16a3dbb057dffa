"""The agent over a drawn clip: both ways of answering, several turns, proof."""

import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from videochat import Limits, VideoAgent
from videochat.agent.prompts import PAPER_INSTRUCTION
from videochat.errors import InvalidArgument, LLMError, MediaError, MissingDependency, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Answer
from videochat.testing import ScriptedLLM, call


@pytest.fixture
def clip(tea: Path) -> Path:
    return tea


@pytest.fixture
def memory(tea_memory: CaptionStore) -> CaptionStore:
    return tea_memory


def cited(answer: Answer) -> list[str]:
    return [citation.caption.text for citation in answer.citations]


MILK = "Now the milk is poured, slowly and last."


@pytest.mark.parametrize(
    ("question", "sentence", "text"),
    [
        ("When is the milk poured?", f"Somebody says: “{MILK}” [00:14-00:18]", MILK),
        (
            "What is said about leaves?",
            "Somebody says: “The leaves steep for exactly three minutes.” [00:09-00:13]",
            "The leaves steep for exactly three minutes.",
        ),
        (
            "What text is on screen at 2 seconds?",
            "The screen shows: “HOW TO MAKE TEA” [00:00-00:04]",
            "HOW TO MAKE TEA",
        ),
        ("What is written at the end?", "The screen shows: “THE END” [00:18-00:20]", "THE END"),
        (
            "What is said between 4 and 8 seconds?",
            "Somebody says: “First we boil fresh water in the kettle.” [00:04-00:08]",
            "First we boil fresh water in the kettle.",
        ),
    ],
)
def test_without_a_model_the_right_caption_is_quoted_first(
    clip: Path, memory: CaptionStore, question: str, sentence: str, text: str
) -> None:
    answer = VideoAgent(clip, memory=memory, llm="extractive").ask(question)
    assert answer.text.splitlines()[0] == sentence
    assert cited(answer)[0] == text
    assert answer.status == "grounded"
    assert answer.notes == ["No language model is configured, so the notes are quoted."]


@pytest.mark.parametrize("question", ["When does the cat jump?", "Is there a red car?", "What is said about Napoleon?"])
def test_what_is_absent_is_not_found(clip: Path, memory: CaptionStore, question: str) -> None:
    answer = VideoAgent(clip, memory=memory, llm="extractive").ask(question)
    assert answer.status == "not_found"
    refusal, *nearest = answer.text.splitlines()
    assert refusal.startswith(
        "Nothing noted in the video answers this (watched for: speech, text on screen, cuts, light, colours and motion)"
    )
    assert nearest[:1] == (["Nearest to it:"] if answer.citations else []), "what is cited is said not to answer"


def test_retrieve_sends_the_papers_words_and_keeps_the_video_out_of_the_system_message(
    clip: Path, memory: CaptionStore
) -> None:
    llm = ScriptedLLM("It comes last [1].")
    answer = VideoAgent(clip, memory=memory, llm=llm, mode="retrieve", verify=False).ask("When is the milk poured?")
    ((system, user),) = llm.sent
    assert isinstance(system, SystemMessage)
    assert system.text.startswith(PAPER_INSTRUCTION)
    assert "milk" not in system.text
    assert isinstance(user, HumanMessage)
    assert user.text.startswith("Video contexts in temporal order: <video>\n")
    assert "\nVideo tea.mp4: 00:20 (20.0 seconds) long, 640x360 pixels, " in user.text
    assert user.text.endswith("Question: When is the milk poured?")
    assert f"00:14-00:18: {MILK} [1]" in user.text
    assert str(answer).splitlines()[0] == "It comes last [00:14-00:18]."
    assert answer.status == "grounded"


def test_an_agent_searches_and_reads_before_it_answers(clip: Path, memory: CaptionStore) -> None:
    def answer_from(messages: list) -> str:
        found = {item["text"]: item["number"] for item in messages[-1].artifact}
        return f"Boiling [{found['1. Boil the water']}] and milk [1]."

    llm = ScriptedLLM(call("search", query="boil water"), call("read", start=0, end=20), answer_from)
    agent = VideoAgent(clip, memory=memory, llm=llm, verify=False)
    answer = agent.ask("When is the milk poured, and what comes first?")
    assert answer.status == "grounded"
    assert cited(answer) == ["1. Boil the water", MILK]
    assert [(step.tool, (step.captions or 0) > 0) for step in answer.steps] == [
        ("search", True),
        ("read", True),
    ]
    assert {tool["function"]["name"] for tool in llm.bound} == {"browse", "search", "read", "look", "count"}


def test_a_citation_that_was_never_retrieved_is_gone(clip: Path, memory: CaptionStore) -> None:
    llm = ScriptedLLM("The milk comes last [1]. The cat drinks it [99].")
    answer = VideoAgent(clip, memory=memory, llm=llm, verify=False).ask("When is the milk poured?")
    assert "99" not in answer.text
    assert cited(answer) == [MILK]
    assert answer.status == "partly"
    assert any("[99]" in note for note in answer.notes)
    assert "Doubtful: “The cat drinks it.” (nothing is cited for it)." in answer.notes


def test_only_invented_citations_means_not_found(clip: Path, memory: CaptionStore) -> None:
    answer = VideoAgent(clip, memory=memory, llm=ScriptedLLM("A cat [77].")).ask("Is there a cat?")
    assert answer.status == "not_found"
    assert answer.citations == []


def test_a_tool_error_goes_to_the_model(clip: Path, memory: CaptionStore) -> None:
    llm = ScriptedLLM(call("read", start=9, end=3), "Nothing noted in the video answers this.")
    answer = VideoAgent(clip, memory=memory, llm=llm).ask("What?")
    assert "holds nothing" in llm.sent[1][-1].text
    assert answer.status == "not_found"


def test_a_model_that_never_stops_is_stopped(clip: Path, memory: CaptionStore) -> None:
    llm = ScriptedLLM(*[call("search", query="milk")] * 50)
    answer = VideoAgent(clip, memory=memory, llm=llm).ask("When is the milk poured?")
    assert len(llm.sent) <= 12
    assert answer.status == "not_found"


def test_earlier_turns_condition_the_next(clip: Path, memory: CaptionStore) -> None:
    llm = ScriptedLLM("It comes last [1].", "Yes, slowly [1].", "Anew.")
    agent = VideoAgent(clip, memory=memory, llm=llm, mode="retrieve", verify=False)
    agent.ask("When is the milk poured?")
    second = agent.ask("Slowly?")
    assert [m.text for m in llm.sent[1][1:3]] == ["When is the milk poured?", "It comes last [1]."]
    assert cited(second) == [MILK]
    agent.reset()
    agent.ask("Anything?")
    assert len(llm.sent[2]) == 2


def test_a_model_without_tools_answers_from_one_retrieval(clip: Path, memory: CaptionStore) -> None:
    llm = FakeListChatModel(responses=["Last [1]."])
    assert VideoAgent(clip, memory=memory, llm=llm).mode == "retrieve"
    with pytest.warns(UserWarning, match="cannot call tools"):
        agent = VideoAgent(clip, memory=memory, llm=llm, mode="agent")
    assert cited(agent.ask("When is the milk poured?")) == [MILK]


def test_a_failing_model_is_one_sentence_and_leaves_no_turn(clip: Path, memory: CaptionStore) -> None:
    llm = ScriptedLLM(ValueError("no route"), "Last [1].")
    agent = VideoAgent(clip, memory=memory, llm=llm, mode="retrieve", verify=False)
    with pytest.raises(LLMError, match="did not answer: no route"):
        agent.ask("When is the milk poured?")
    assert agent.ask("When is the milk poured?").status == "grounded"


def test_an_empty_answer_is_said(clip: Path, memory: CaptionStore) -> None:
    answer = VideoAgent(clip, memory=memory, llm=ScriptedLLM(AIMessage("")), mode="retrieve").ask("When?")
    assert answer.status == "not_found"
    assert any("empty" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"video": "nothing.mp4"}, MediaError, "no file"),
        ({"preset": "biultin"}, UnknownName, "Did you mean 'builtin'"),
        ({"preset": ["orc"]}, UnknownName, "Did you mean 'ocr'"),
        ({"mode": "think"}, UnknownName, "retrieve"),
    ],
)
def test_bad_settings_are_one_sentence(
    clip: Path, memory: CaptionStore, change: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        VideoAgent(**({"video": clip, "memory": memory} | change))


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(clip: Path, memory: CaptionStore, question: str) -> None:
    with pytest.raises(InvalidArgument, match="empty"):
        VideoAgent(clip, memory=memory).ask(question)


def test_a_question_that_is_no_text_is_refused(clip: Path, memory: CaptionStore) -> None:
    with pytest.raises(InvalidArgument, match="must be a text, got NoneType"):
        VideoAgent(clip, memory=memory).ask(None)  # type: ignore[arg-type]  # the refusal is what is tested


def test_a_question_with_a_book_pasted_in_is_answered(clip: Path, memory: CaptionStore) -> None:
    agent = VideoAgent(clip, memory=memory, llm="extractive")
    assert cited(agent.ask("When is the milk poured? " + "lorem ipsum " * 20_000)) == [MILK]


def test_an_answer_shows_pictures_of_what_it_cites(clip: Path, memory: CaptionStore) -> None:
    answer = VideoAgent(clip, memory=memory, llm="extractive").ask("When is the milk poured?")
    page = answer._repr_html_()
    assert "data:image/jpeg;base64," in page
    assert re.search(r">00:14-00:18</(button|a|span)>.{0,80}speech", page, re.S)


def test_the_tools_work_outside_the_agent(clip: Path, memory: CaptionStore) -> None:
    agent = VideoAgent(clip, memory=memory)
    agent.watch()
    tools = {tool.name: tool for tool in agent.langchain_tools()}
    assert MILK in tools["search"].invoke({"query": "milk"})
    assert "THE END" in tools["read"].invoke({"start": 18, "end": 20})


def test_a_denser_look_is_kept_beside_the_first(clip: Path, tmp_path: Path) -> None:
    agent = VideoAgent(clip, memory=CaptionStore(tmp_path, embeddings="builtin"), preset=["ocr"])
    agent.watch()
    before = agent.captions("ocr")
    report = agent.watch(3, 6, fps=4, senses=["ocr"])
    assert not report.already_watched
    assert {c.source for c in agent.captions("ocr")} == {"rapidocr", "rapidocr@4fps"}
    assert set(before) < set(agent.captions("ocr"))
    assert [c.start_seconds for c in agent.captions("ocr") if c.source != "rapidocr"] == [3.0, 4.0]


def test_it_closes_itself(clip: Path, tmp_path: Path) -> None:
    store = CaptionStore(tmp_path, embeddings="builtin")
    with VideoAgent(clip, memory=store, preset=["subtitles"], llm="extractive") as agent:
        watching = agent.start_watching()
    assert watching.done
    assert CaptionStore(tmp_path, embeddings="builtin").between(agent.video.id) == store.between(agent.video.id)


def test_old_keywords_still_work_and_warn(clip: Path, memory: CaptionStore) -> None:
    with pytest.warns(DeprecationWarning, match="'brakes' of VideoAgent.__init__\\(\\) is now 'limits'"):
        agent = VideoAgent(  # type: ignore[call-arg]  # the old name is what is tested
            clip, memory=memory, llm=ScriptedLLM(*[call("browse")] * 3), brakes=Limits(model_calls=2)
        )
    assert "limit: 2 model calls" in " ".join(agent.ask("What?").notes)
    with pytest.warns(DeprecationWarning, match="'tools' of VideoAgent.watch\\(\\) is now 'senses'"):
        agent.watch(0, 2, tools=["subtitles"])  # type: ignore[call-arg]  # the old name is what is tested


@pytest.mark.parametrize("how", ["ask", "stream", "astream"])
def test_a_keyword_that_does_not_exist_is_one_sentence(clip: Path, memory: CaptionStore, how: str) -> None:
    agent = VideoAgent(clip, memory=memory, llm="extractive")
    with pytest.raises(TypeError) as caught:
        getattr(agent, how)("When?", verfy=True)
    assert str(caught.value) == (
        f"{how}(): There is no keyword 'verfy'; the known ones are history, options, progress, thread, verify, "
        "wait_seconds. Did you mean 'verify'?"
    )


def test_a_filter_that_does_not_exist_is_one_sentence(clip: Path, memory: CaptionStore) -> None:
    with pytest.raises(TypeError, match="There is no keyword 'kk'; the known ones are end_seconds, k, kinds, start_"):
        VideoAgent(clip, memory=memory, llm="extractive").as_retriever(kk=2)  # type: ignore[call-arg]  # the refusal is what is tested


@pytest.mark.parametrize("thread", [3, None, b"main"])
def test_a_thread_is_a_text(clip: Path, memory: CaptionStore, thread: Any) -> None:
    agent = VideoAgent(clip, memory=memory, llm="extractive")
    with pytest.raises(InvalidArgument, match="thread must be a text"):
        agent.ask("When?", thread=thread)
    with pytest.raises(InvalidArgument, match="thread must be a text"):
        agent.reset(thread)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"limits": 3}, r"limits must be Limits\(\.\.\.\), got 3"),
        ({"video": 3}, "A video is a path, an http.s. address or a Video, or a list of them; got 3"),
        ({"preset": 3}, "A preset is a name or a list of tool names and tools, got 3"),
        ({"preset": "shots"}, r"'shots' is a sense, not a preset; give a list: \['shots'\]"),
        ({"models_gb": -1}, "models_gb must be a number above 0, got -1"),
        ({"models_gb": "a"}, "models_gb must be a number above 0, got 'a'"),
    ],
)
def test_a_wrong_argument_is_one_sentence(clip: Video, arguments: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"video": clip} | arguments
    with pytest.raises(InvalidArgument, match=words):
        VideoAgent(**given)


def test_missing_weights_of_a_preset_name_the_command_that_fetches_them(clip: Video, memory: CaptionStore) -> None:
    said = "`videochat download small` fetches all that the preset 'small' needs"
    with pytest.raises(MissingDependency, match=said):
        VideoAgent(clip, memory=memory, llm="extractive", preset="small").watch()
