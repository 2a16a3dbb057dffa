from __future__ import annotations

import re

import pytest

from tests.fakes.tiny_embed import SHARED, need
from videochat.embed_model import prompts


@pytest.mark.material
def test_prompts_are_the_papers_word_for_word():
    """Numbers of tables as in the paper; its text has Markdown marks and lost line breaks, which are taken out."""
    text = need(SHARED / "paper.md").read_text()
    plain = re.sub(r"\s+", " ", text.replace("\\_", "_").replace("**", "").replace("’", "'"))

    def in_paper(said: str) -> bool:
        return re.sub(r"\s+", " ", said.replace("’", "'")) in plain

    names = {"origin_caption": "origin_caption", "textualizing_videos": "textualizing_videos"}
    assert in_paper(prompts.DESCRIPTION.format(**names))
    assert in_paper(prompts.REFINEMENT)
    for paragraph in prompts.CONVERSATION.split("\n"):
        assert in_paper(paragraph), paragraph
    assert f'respond with "{prompts.REFUSAL}"' in plain
    lists = (prompts.BRIEF_IMAGE, prompts.BRIEF_VIDEO, prompts.DETAILED_IMAGE, prompts.DETAILED_VIDEO)
    assert [len(set(one)) for one in lists] == [11, 11, 16, 16]
    for instruction in [one for several in lists for one in several]:
        assert in_paper(instruction), instruction


def test_prompts_have_the_places_that_are_filled_in():
    filled = prompts.DESCRIPTION.format(origin_caption="a cat", textualizing_videos="[00:00-00:02] ocr: HI")
    assert "a video of a cat. The content" in filled
    assert "[00:00-00:02] ocr: HI" in filled
    assert prompts.REFUSAL in prompts.CONVERSATION
    assert prompts.REFUSAL in prompts.DIALOGUE_FORMAT


def test_tables_8_and_9_have_their_instructions():
    lists = (prompts.BRIEF_IMAGE, prompts.BRIEF_VIDEO, prompts.DETAILED_IMAGE, prompts.DETAILED_VIDEO)
    assert [len(set(one)) for one in lists] == [11, 11, 16, 16]
    assert all(text.endswith(".") and "_" not in text for one in lists for text in one)
