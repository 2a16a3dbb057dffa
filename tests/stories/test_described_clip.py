"""A real clip that a vision server on this machine describes, and what can be asked of it then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.fakes.vision import asked_stretch
from videochat.agent import VideoAgent
from videochat.media import Video
from videochat.memory import CaptionStore

pytestmark = [pytest.mark.material, pytest.mark.enable_socket]

# What a person saw in the clip, and when.
SEEN = (
    (0.0, 0.6, "A man in a black vest stands barefoot in a kitchen, drawn figures beside him."),
    (0.6, 4.8, "The man is dancing, kicking one leg to the side, and the drawn figures copy him."),
    (4.8, 6.6, "The man bends his knees, both hands on his hips."),
    (6.6, 9.2, "The man lifts one knee after the other."),
    (9.2, 9.79, "The man spreads both arms wide and ends the dance."),
)


def test_what_the_man_does_is_answered_with_its_time(
    material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = Video(material / "videos" / "jesse_dance.mp4")

    def describe(request: dict[str, Any]) -> str:
        asked = asked_stretch(request)
        for seconds, picture in asked.pictures:
            shown = video.frame_at(seconds, max_side=max(picture.shape)).image
            assert np.abs(shown.astype(int) - picture).mean() < 6, "not the picture of that second"
        parts = [(max(start, asked.start), min(end, asked.end), text) for start, end, text in SEEN]
        lines = [f"{start:.1f}-{end:.1f}: {text}" for start, end, text in parts if start < end]
        return "Sure, here is what happens:\n" + "\n".join(lines)

    server = OpenAIServer(*[describe] * 20)
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    with server.running() as address, CaptionStore(tmp_path) as store:
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        agent = VideoAgent(video, preset=["shots"], clip_captions="openai:eyes", memory=store, llm="extractive")
        agent.watch()
        told = agent.captions("clip_caption")
        assert [caption.text for caption in told] == [text for *_, text in SEEN]
        assert [caption.start_seconds for caption in told] == pytest.approx([start for start, *_ in SEEN])
        assert "\n00:00-00:05 The man is dancing, kicking" in agent.textualize()
        doing = agent.ask("what is the man doing?")
        assert doing.status == "grounded"
        assert any("dancing" in citation.caption.text for citation in doing.citations)
        wide = agent.ask("When does the man spread his arms?")
        assert wide.citations[0].start_seconds == pytest.approx(9.2)
