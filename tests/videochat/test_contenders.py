"""Contenders: each gets what it should and nothing else, and what it cites is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from videochat.contenders import Answering, Contender, Reply, named
from videochat.errors import InvalidArgument, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM

QUESTION = "When is the milk poured?"
OPTIONS = ["at the start", "at the end"]


class Asked(ScriptedLLM):
    """Says one thing, and keeps what it was sent."""

    def __init__(self, text: str) -> None:
        super().__init__(*[AIMessage(text)] * 9, profile={"tool_calling": False})

    def last(self) -> BaseMessage:
        return self.sent[-1][-1]


def reply(model: ScriptedLLM | str, way: str, tea: Path, store: CaptionStore, **more: object) -> Reply:
    contender = Contender(model, "m", way, **more)  # type: ignore[arg-type]  # as tests name them
    answering = Answering(contender, store, "builtin")
    try:
        return answering.reply(Video(tea), QUESTION, None if way == "search" else OPTIONS)
    finally:
        answering.close()


def test_names_say_what_a_model_gets() -> None:
    assert Contender.of("frames=32:openai:gpt") == Contender("openai:gpt", "frames=32:openai:gpt", "frames", 32)
    assert Contender.of("openai:gpt").way == ""
    assert Contender.of("embed:DIR,frames=4") == Contender("embed:DIR,frames=4", "embed:DIR,frames=4")
    models = [Contender.of("x"), Contender.of("x"), Contender("x", "x", "blind"), Contender.of("blind:x")]
    assert [name for name, _ in named(models)] == ["x", "x (2)", "blind:x", "blind:x (2)"]
    with pytest.raises(UnknownName, match="Did you mean 'blind'"):
        Contender("x", way="blnd")  # type: ignore[arg-type]  # that is what is refused
    with pytest.raises(UnknownName, match="Did you mean 'dense'"):
        Contender.of("search:dens")
    with pytest.raises(InvalidArgument, match="one picture or more"):
        Contender.of("frames=0:x")


def test_blind_gets_the_question_alone(tea: Path, tea_memory: CaptionStore) -> None:
    model = Asked("(B) [00:14-00:18]")
    found = reply(model, "blind", tea, tea_memory)
    assert model.last().text.startswith(f"{QUESTION}\n(A) at the start\n(B) at the end")
    assert "poured, slowly" not in model.last().text
    assert (found.answer.option, found.cited, found.invented) == ("B", [], 1)


def test_subtitles_get_what_is_said(tea: Path, tea_memory: CaptionStore) -> None:
    model = Asked("(B) [00:14-00:18] and [00:01-00:02]")
    found = reply(model, "subtitles", tea, tea_memory)
    assert "[00:14-00:18] Now the milk is poured, slowly and last." in model.last().text
    assert "HOW TO MAKE TEA" not in model.last().text
    assert (found.cited, found.invented) == ([(14.0, 18.0)], 1)


def test_frames_get_pictures_with_their_times(tea: Path, tea_memory: CaptionStore) -> None:
    model = Asked("(B), seen at [00:17]")
    found = reply(model, "frames", tea, tea_memory, frames=4)
    blocks = model.last().content
    assert [block["text"] for block in blocks[:-1] if block["type"] == "text"] == [  # type: ignore[index]
        "At 00:02:",
        "At 00:07:",
        "At 00:12:",
        "At 00:17:",
    ]
    assert sum(block["type"] == "image" for block in blocks) == 4  # type: ignore[index]
    assert (found.answer.usage.frames, found.cited, found.invented) == (4, [(17.0, 18.0)], 0)


def test_captions_are_cited_and_nothing_is_invented(tea: Path, tea_memory: CaptionStore) -> None:
    found = reply(Asked("(B) It is poured [1] [99] [07:00-07:05]."), "retrieve", tea, tea_memory)
    assert found.answer.option == "B"
    assert len(found.cited) == 1
    assert found.invented == 0, "what nothing bears was removed before it came here"


def test_an_invented_citation_is_counted(
    tea: Path, tea_memory: CaptionStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = reply(Asked("(B) It is poured [1]."), "retrieve", tea, tea_memory).answer
    with CaptionStore(tmp_path / "other", embeddings="builtin") as empty:
        answering = Answering(Contender(Asked("(B)"), "m", "retrieve"), empty, ["subtitles"])
        agent = answering.agent(Video(tea))
        said = real.__class__(f"{real.text} [03:00-03:05]", real.citations, real.status)
        monkeypatch.setattr(agent, "ask", lambda *_, **__: said)
        found = answering.reply(Video(tea), QUESTION, OPTIONS)
        answering.close()
    assert found.invented >= 1, "a time that is no citation's"


@pytest.mark.parametrize("way", ["hybrid", "dense", "lexical", "random"])
def test_a_search_cites_what_it_finds(way: str, tea: Path, tea_memory: CaptionStore) -> None:
    found = reply(way, "search", tea, tea_memory)
    assert found.cited
    if way == "hybrid":
        assert found.cited[0][0] == pytest.approx(14.0, abs=1.0)


def test_a_long_transcript_keeps_something_of_every_part(tea: Path, tea_memory: CaptionStore) -> None:
    model = Asked("(A)")
    model.profile = {"tool_calling": False, "max_input_tokens": 50}
    reply(model, "subtitles", tea, tea_memory)
    assert 0 < model.last().text.count("[00:") < 4


def test_a_sense_is_asked_by_itself(tea: Path, tea_memory: CaptionStore) -> None:
    answering = Answering(Contender("itself", "itself", "sense"), tea_memory, None)
    found = answering.reply(Video(tea), "ocr")
    assert "HOW TO MAKE TEA" in found.answer.text
    assert found.cited
