"""A question of several sentences: what each of them asks is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.harbour import harbour, noted
from videochat import VideoAgent
from videochat.agent.question_parts import parts_of
from videochat.memory import CaptionStore


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoAgent]:
    folder: Path = tmp_path_factory.mktemp("harbour")
    video = harbour(folder)
    with CaptionStore(folder / "memory", embeddings="builtin") as store:
        store.captions_of(video.id).record(noted(video))
        yield VideoAgent(video, preset=["subtitles"], memory=store, llm="extractive")


def test_what_stands_before_what_is_asked_is_passed_over(agent: VideoAgent) -> None:
    answer = agent.ask("Subtitle translator here, thanks for your help: what exactly is the line about the fish?")
    assert "Fresh fish is sold here every morning." in answer.text
    assert answer.status == "grounded"


def test_two_questions_are_both_answered(agent: VideoAgent) -> None:
    answer = agent.ask("Any giraffe around? And how many shots do you count?")
    assert "giraffe" in answer.text
    assert "There are 3 shots." in answer.text
    assert len(answer.citations) == 3


def test_what_none_of_them_finds_is_refused(agent: VideoAgent) -> None:
    answer = agent.ask("My aunt was in Peru. Who is right? Is there a giraffe?")
    assert answer.status == "not_found"


def test_sentences() -> None:
    assert parts_of("Is there a dog? And how many cars?") == ["Is there a dog?", "how many cars?"]
    assert parts_of("What is said at 3.5 s?") == ["What is said at 3.5 s?"]
    assert parts_of("有狗吗？有几辆车？") == ["有狗吗？", "有几辆车？"]
    assert parts_of("Oh. No. Well. So. What?") == ["Oh. No. Well. So. What?"]
    assert parts_of("?") == []
