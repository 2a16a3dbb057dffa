"""A form that is filled in from a video: what cites nothing that was shown is left out, and said."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel, Field

from videochat.agent import VideoAgent
from videochat.agent.extraction import wish_of
from videochat.errors import InvalidArgument, LLMError
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, ScriptedLLM, call, draw_video

INGREDIENTS = ["flour", "butter", "honey", "ginger", "salt", "cocoa"]


class Step(BaseModel):
    """One step of a recipe."""

    what: str
    second: float = 0.0


class Recipe(BaseModel):
    """A recipe that is cooked in the video."""

    title: str = Field(description="the name of the dish")
    oven: int | None = None
    level: Literal["easy", "hard"] = "easy"
    steps: list[Step] = []
    ingredients: list[str] = []


def cited(value: object, *numbers: int) -> dict[str, object]:
    return {"value": value, "captions": list(numbers)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("clip") / "cake.mp4", [Scene(8, "x")])


class Kitchen:
    """An agent over a video in which things are said, and the numbers by which they are shown."""

    def __init__(self, clip: Path, memory: Path) -> None:
        self.said = [f"Now add the {name}." for name in random.sample(INGREDIENTS, 3)]
        self.said += ["Today we make a cake.", "Bake it at 180 degrees."]
        self.store = CaptionStore(memory)
        self.video = Video(clip)
        for place, text in enumerate(self.said):
            self.store.add([Caption(self.video.id, place, place + 1, "speech", text, "test")])
        self.numbers: dict[str, int] = {}

    def ask(self, *script: Any) -> VideoAgent:
        return VideoAgent(
            self.video, llm=ScriptedLLM(*script), preset=["subtitles"], memory=self.store, summary_llm="extractive"
        )

    def number(self, sent: list[BaseMessage], text: str) -> int:
        """Return the number in brackets after a text in what a model was sent."""
        context = str(sent[-1].content)
        line = next(line for line in context.splitlines() if text in line)
        return int(line.rsplit("[", 1)[1].split("]")[0])


@pytest.fixture
def kitchen(clip: Path, tmp_path: Path) -> Iterator[Kitchen]:
    kitchen = Kitchen(clip, tmp_path / "memory")
    yield kitchen
    kitchen.store.close()


def test_each_field_carries_what_it_rests_on(kitchen: Kitchen) -> None:
    def fill(sent: list[BaseMessage]) -> AIMessage:
        cake, oven, first = (kitchen.number(sent, kitchen.said[place]) for place in (3, 4, 0))
        return call(
            "Recipe",
            title=cited("cake", cake),
            oven=cited(180, oven),
            steps=[{"what": cited(kitchen.said[0], first), "second": cited(0.0, first)}],
        )

    with kitchen.ask(fill) as agent:
        found = agent.extract(Recipe)
    assert found.value == Recipe(title="cake", oven=180, steps=[Step(what=kitchen.said[0])])
    assert {path: [c.caption.text for c in cited] for path, cited in found.citations.items()} == {
        "title": [kitchen.said[3]],
        "oven": [kitchen.said[4]],
        "steps.0.what": [kitchen.said[0]],
        "steps.0.second": [kitchen.said[0]],
    }
    assert found.notes == []
    assert "title: [00:03-00:04] speech: Today we make a cake." in str(found)


def test_what_does_not_resolve_is_left_out_and_said(kitchen: Kitchen) -> None:
    def fill(sent: list[BaseMessage]) -> AIMessage:
        cake, first = kitchen.number(sent, kitchen.said[3]), kitchen.number(sent, kitchen.said[0])
        return call(
            "Recipe",
            title=cited("cake", cake, 77),
            oven=cited(180, 99),
            steps=[{"what": cited("Feed the cat.")}, {"what": cited(kitchen.said[0], first)}],
            ingredients=[cited("plutonium", 1234), cited(kitchen.said[0].split()[-1].strip("."), first)],
        )

    with kitchen.ask(fill) as agent:
        found = agent.extract(Recipe)
    assert found.value is not None
    assert found.value.oven is None
    assert [step.what for step in found.value.steps] == [kitchen.said[0]]
    assert len(found.value.ingredients) == 1
    assert set(found.citations) == {"title", "steps.0.what", "ingredients.0"}
    said = "\n".join(found.notes)
    assert "oven is left out: 180 cites [99], which was not shown" in said
    assert "steps.0.what is left out: 'Feed the cat.' cites nothing" in said
    assert "'plutonium'" in said
    assert "title: a citation is left out" in said


def test_a_value_that_its_captions_do_not_bear_is_doubted(kitchen: Kitchen) -> None:
    def fill(sent: list[BaseMessage]) -> AIMessage:
        oven = kitchen.number(sent, kitchen.said[4])
        return call("Recipe", title=cited("Submarine warfare in the Baltic", oven), oven=cited(240, oven))

    with kitchen.ask(fill) as agent:
        found = agent.extract(Recipe)
    assert [note.split(" = ")[0] for note in found.notes] == ["Doubtful: title", "Doubtful: oven"]


def test_without_a_field_that_it_must_have_there_is_no_form(kitchen: Kitchen) -> None:
    with kitchen.ask(call("Recipe", title=cited("cake", 500))) as agent:
        found = agent.extract(Recipe)
    assert found.value is None
    assert "Recipe is left out, since what the video bears does not fit: title: Field required" in found.notes[-1]


def test_the_model_is_told_what_is_wanted_and_never_speaks_for_the_video(kitchen: Kitchen) -> None:
    model = ScriptedLLM(call("Recipe", title=None), AIMessage("no form"), ValueError("out of order\nmore"))
    agent = VideoAgent(kitchen.video, llm=model, preset=["subtitles"], memory=kitchen.store, summary_llm="extractive")
    assert agent.extract(Recipe, "How is the cake baked?").citations == {}
    system, user = model.sent[0]
    assert "Guess nothing" in str(system.content)
    assert "How is the cake baked?" in str(user.content)
    assert wish_of(Recipe).startswith(
        "Recipe: A recipe that is cooked in the video. title (the name of the dish); oven"
    )
    with pytest.raises(LLMError, match="gave nothing that fits Recipe"):
        agent.extract(Recipe)
    with pytest.raises(LLMError, match="could not fill in Recipe: out of order$"):
        agent.extract(Recipe)


class Endless(BaseModel):
    """A form within itself."""

    inner: list["Endless"] = []


class Nothing(BaseModel):
    """No field at all."""


def test_what_cannot_be_filled_in_is_refused(kitchen: Kitchen) -> None:
    with kitchen.ask() as agent:
        for form, words in [(dict, "needs a pydantic model"), (Nothing, "no fields"), (Endless, "contains itself")]:
            with pytest.raises(InvalidArgument, match=words):
                agent.extract(form)  # type: ignore[arg-type]  # the refusal is what is tested
    with (
        VideoAgent(kitchen.video, llm="extractive", preset=["subtitles"], memory=kitchen.store) as agent,
        pytest.raises(LLMError, match="needs a chat model that gives structured output"),
    ):
        agent.extract(Recipe)
