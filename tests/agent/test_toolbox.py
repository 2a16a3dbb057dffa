"""The tools on their own: LangChain's standard suites, and apps of other shapes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from tests.fakes.video_language_models import smolvlm
from videochat import VideoAgent, VideoToolkit
from videochat.agent import Evidence
from videochat.agent.toolbox import Toolbox
from videochat.agent.video_set import VideoSet
from videochat.fence import unfenced
from videochat.memory import CaptionStore
from videochat.records import Caption, Kind
from videochat.testing import Scene, ScriptedLLM, call, draw_video
from videochat.tools import VideoModel

ARGUMENTS: dict[str, dict[str, Any]] = {
    "browse": {"question": "What happens?"},
    "search": {"query": "milk"},
    "read": {"start": 13, "end": 18},
    "look": {"start": 4, "end": 6, "tool": "ocr", "rate": 2},
    "count": {"what": "cup"},
    "frames": {"start": 0, "end": 4, "n": 2},
}


@pytest.fixture(scope="module")
def toolkit(tea: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoToolkit]:
    with CaptionStore(tmp_path_factory.mktemp("with-cups"), embeddings="builtin") as memory:
        agent = VideoAgent(tea, memory=memory, llm="extractive")
        agent.watch()
        memory.add(Caption(agent.video.id, 14.0 + i, 17.0, "objects", "cup", "test", track_id=i) for i in (1, 2))
        yield VideoToolkit(tea, memory=memory, pictures=True)


def tools(toolkit: VideoToolkit) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in toolkit.get_tools()}


class Standard:
    @pytest.fixture(autouse=True, params=sorted(ARGUMENTS))
    def _which(self, request: pytest.FixtureRequest, toolkit: VideoToolkit) -> None:
        self.name = request.param
        self.tool_ = tools(toolkit)[self.name]

    @property
    def tool_constructor(self) -> BaseTool:
        return self.tool_

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return ARGUMENTS[self.name]


class TestUnit(Standard, ToolsUnitTests):
    pass


class TestIntegration(Standard, ToolsIntegrationTests):
    pass


def test_what_is_counted_is_counted_once(toolkit: VideoToolkit) -> None:
    count = tools(toolkit)["count"]
    assert "cup: 2 seen, 2 at once, from 00:15 to 00:17" in count.invoke({"what": "cups"})
    none = count.invoke({"what": "dog"})
    assert "Only these were followed: <video>" in none
    assert unfenced(none) == "cup"


def test_equal_captions_that_touch_are_read_as_one_interval(tea: Path, tmp_path: Path) -> None:
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        toolbox = Toolbox(VideoSet([tea], memory=memory, preset=["subtitles"]), Evidence())
        (video,) = toolbox.video_set.videos
        memory.add(Caption(video.id, float(i), i + 1.0, "objects", "cup", "test", track_id=1) for i in range(3))
        text, brought = toolbox.read(1, 3)
        assert "00:01-00:03 thing: cup [1]" in text.splitlines()
        assert len(brought) == 1
        assert toolbox.evidence.check("A cup [1].").text == "A cup [00:01-00:03]."


def test_a_closer_look_is_stored(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    look = {tool.name: tool for tool in agent.langchain_tools()}["look"]
    text = look.invoke({"start": 4, "end": 8, "question": "What is written?", "rate": 4})
    assert "looked with ocr at 4 pictures a second from 00:04-00:08" in text
    assert "Boil the water" in text
    assert any(caption.source == "rapidocr@4fps" for caption in agent.captions("ocr"))


def test_a_graph_with_a_tool_node_uses_the_tools(toolkit: VideoToolkit) -> None:
    llm = ScriptedLLM(call("search", query="milk"), "It is poured last [1].")
    given = toolkit.get_tools()
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [llm.bind_tools(given).invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(given))
    graph.add_edge(START, "model")
    graph.add_conditional_edges(
        "model", lambda state: "tools" if state["messages"][-1].tool_calls else END, ["tools", END]
    )
    graph.add_edge("tools", "model")
    result = graph.compile().invoke({"messages": [HumanMessage("When is the milk poured?")]})
    brought = result["messages"][2]
    assert "Now the milk is poured, slowly and last." in [caption["text"] for caption in brought.artifact]
    assert result["messages"][-1].text == "It is poured last [1]."


def test_a_retriever_in_a_chain(tea: Path, tea_memory: CaptionStore) -> None:
    retriever = VideoAgent(tea, memory=tea_memory, llm="extractive").as_retriever(k=2, kinds=["speech"])
    llm = ScriptedLLM(lambda messages: messages[0].text)
    chain = (
        {"contexts": retriever, "question": RunnablePassthrough()}
        | RunnablePassthrough()
        | (lambda parts: f"{[d.page_content for d in parts['contexts']]} {parts['question']}")
        | llm
        | StrOutputParser()
    )
    assert "Now the milk is poured" in chain.invoke("When is the milk poured?")


def test_pictures_go_to_the_user_turn_each_after_its_number(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM(call("frames", start=0, end=4, n=2), "Nothing noted in the video answers this.")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, pictures=True)
    agent.ask("When is the milk poured?")
    *_, result, pictures = llm.sent[1]
    assert isinstance(result.content, str)
    content: Any = pictures.content
    heading, *blocks = content
    assert heading["type"] == "text"
    assert [block["type"] for block in blocks] == ["text", "image"] * 2
    assert re.fullmatch(r"Picture at 1\.00 s \(00:01\) \[\d+\]:", blocks[0]["text"])
    assert blocks[0]["text"] in result.content


@pytest.fixture
def claiming(tea: Path, tmp_path: Path) -> Iterator[tuple[Toolbox, Caption]]:
    """A toolbox whose video model has been asked once, and what it claimed."""
    smolvlm(tmp_path / "vlm")
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        videos = VideoSet([tea], memory=memory, preset=["subtitles"])
        videos.watch_all()
        toolbox = Toolbox(videos, Evidence(), video_model=VideoModel(str(tmp_path / "vlm")))
        toolbox.watch_clip("What is shown?", 3, 9)
        (claim,) = videos.captions_of(videos.videos[0]).between(kinds=["claim"])
        yield toolbox, claim


def test_what_a_video_model_says_is_shown_without_a_number_beside_what_was_noted(
    claiming: tuple[Toolbox, Caption],
) -> None:
    toolbox, claim = claiming
    text, brought = toolbox.watch_clip("What is shown?", 3, 9)
    said, _, noted = text.partition("What was noted there:")
    assert "00:03-00:09 another model says of this clip: " in said
    assert not re.search(r"\[\d+\]", said)
    assert "00:04-00:08: First we boil fresh water in the kettle. [1]" in noted
    assert [item["kind"] for item in brought] == ["speech"]
    assert dict(claim.attributes) == {"question": "What is shown?"}
    assert claim.id not in toolbox.evidence.numbers


@pytest.mark.parametrize("kinds", [None, ["claim"]])
def test_a_claim_is_never_found_and_never_numbered(claiming: tuple[Toolbox, Caption], kinds: list[Kind] | None) -> None:
    toolbox, claim = claiming
    _, found = toolbox.search(claim.text, kinds=kinds)
    _, read = toolbox.read(0, 20)
    toolbox.browse()
    assert "claim" not in {item["kind"] for item in [*found, *read]}
    assert claim.id not in toolbox.evidence.numbers


def test_an_agent_may_cite_what_was_noted_where_a_claim_sent_it(tea: Path, tmp_path: Path) -> None:
    def cite(messages: list) -> str:
        (noted,) = messages[-1].artifact
        return f"They boil fresh water [{noted['number']}]."

    llm = ScriptedLLM(call("watch_clip", question="What is shown?", start=3, end=9), cite)
    smolvlm(tmp_path / "vlm")
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        agent = VideoAgent(
            tea, memory=memory, preset=["subtitles"], llm=llm, video_model=tmp_path / "vlm", verify=False
        )
        answer = agent.ask("What is boiled?")
        assert answer.status == "grounded", answer
        assert [citation.caption.kind for citation in answer.citations] == ["speech"]
        assert len(agent.captions("claim")) == 1
        assert "claim" not in {caption.kind for caption in agent.captions()}


def test_what_was_counted_may_be_said(tea: Path, tmp_path: Path) -> None:
    def cite(messages: list) -> str:
        (cup,) = messages[-1].artifact
        return f"There are 3 cups [{cup['number']}]."

    llm = ScriptedLLM(call("count", what="cup"), cite, "There are 3 cups [1].")
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        agent = VideoAgent(tea, memory=memory, preset=["subtitles"], llm=llm, verify=False)
        memory.add(Caption(agent.video.id, 14.0 + i, 18.0, "objects", "cup", "test", track_id=i) for i in (1, 2, 3))
        answer = agent.ask("How many cups are there?")
    assert (answer.status, len(llm.sent)) == ("grounded", 2), answer


def test_browsing_has_the_summary_written_by_the_language_model_once(tea: Path, tmp_path: Path) -> None:
    llm = ScriptedLLM(
        call("browse"),
        "Tea is made, and milk comes last.",
        call("browse"),
        "Nothing noted in the video answers this.",
    )
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        agent = VideoAgent(tea, memory=memory, preset=["subtitles"], llm=llm)
        agent.ask("What happens?")
    once, again = (message.text for message in llm.sent[3] if isinstance(message, ToolMessage))
    assert "00:00-00:20 Tea is made, and milk comes last. [" in once
    assert unfenced(once) == unfenced(again)


def test_several_videos_are_asked_together(tea: Path, tmp_path: Path) -> None:
    words = [(2.0, 4.0, "The coffee is ground by hand.")]
    coffee = draw_video(tmp_path / "coffee.mp4", [Scene(6, "COFFEE")], subtitles=words)
    llm = ScriptedLLM(
        call("browse"),
        call("search", query="coffee ground", videos=["coffee.mp4"]),
        AIMessage(
            "", tool_calls=[_read("coffee.mp4", 1, 5, "a"), _read("tea.mp4", 13, 18, "b"), _read(None, 0, 1, "c")]
        ),
        lambda messages: " ".join(f"{said['text']} [{said['number']}]" for m in messages[-3:-1] for said in _said(m)),
    )
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        agent = VideoAgent(
            [tea, coffee, tea], memory=memory, preset=["subtitles"], llm=llm, summary_llm="extractive", verify=False
        )
        assert len(agent.videos) == 2
        answer = agent.ask("What is done by hand, and when is the milk poured?")
    assert "[coffee.mp4 00:02-00:04]" in answer.text
    assert "[tea.mp4 00:1" in answer.text
    (error,) = [step.error for step in answer.steps if step.error]
    assert "the known ones are coffee.mp4, tea.mp4" in error
    assert answer.status == "grounded"


def _said(message: BaseMessage) -> list[dict[str, Any]]:
    assert isinstance(message, ToolMessage)
    return [caption for caption in message.artifact if caption["kind"] == "speech"]


def _read(video: str | None, start: float, end: float, id_: str) -> Any:
    return {"name": "read", "args": {"video": video, "start": start, "end": end}, "id": id_}
