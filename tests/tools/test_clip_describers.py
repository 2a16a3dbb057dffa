"""Who is asked about a stretch, and how calls run beside the reading of the video."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from tests.fakes.tiny_embed import toy_model
from videochat.intervals import Interval
from videochat.media import Video
from videochat.testing import ScriptedLLM
from videochat.tools.clip_captions import ClipCaptioner
from videochat.tools.clip_describers import ChatDescriber, Descriptions, LocalDescriber, describe, spread
from videochat.tools.clip_replies import Line, UnfitReply


def chat(*script: str) -> tuple[ChatDescriber, ScriptedLLM]:
    model = ScriptedLLM(*script)
    return ChatDescriber(model, "a model", language="en", frames=2, max_side=64, workers=1), model


def test_pictures_stand_in_the_middle_of_equal_parts() -> None:
    assert spread((10.0, 20.0), 4) == [11.25, 13.75, 16.25, 18.75]
    assert spread((0.0, 0.1), 1) == [0.05]


def test_a_reply_that_fails_is_told_why_and_asked_for_once_more(clip: Video) -> None:
    describer, model = chat("90-95: A disc.", "2-4: A disc moves.")
    assert describe(describer, clip, (0.0, 6.0), "en") == [Line(2, 4, "A disc moves.")]
    first, second = model.sent
    assert [message.type for message in second] == ["system", "human", "ai", "human"]
    assert second[:2] == first
    assert second[2].text == "90-95: A disc."
    assert "names 90 s" in second[3].text
    assert "from 0 to 6 seconds" in second[3].text
    describer, _ = chat("", "I'm sorry.")
    with pytest.raises(UnfitReply, match="refusal"):
        describe(describer, clip, (0.0, 6.0), "en")


def test_stretches_come_in_their_order_whichever_is_ready_first() -> None:
    at_once, most = 0, 0
    lock = threading.Lock()

    def slow_first(stretch: Interval) -> list[Line]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.2 if stretch[0] == 0 else 0.01)
        with lock:
            at_once -= 1
        if stretch[0] == 2:
            raise UnfitReply("nothing")
        return [Line(*stretch, "x")]

    work = Descriptions(slow_first, 3)
    stretches = [(float(number), number + 1.0) for number in range(8)]
    for stretch in stretches:
        work.give(stretch)
    assert list(work.outcomes()) == [], "nobody waits while the video is read"
    outcomes = list(work.outcomes(wait=True))
    assert [stretch for stretch, _ in outcomes] == stretches
    assert [isinstance(outcome, Exception) for _, outcome in outcomes] == [number == 2 for number in range(8)]
    assert most == 3
    work.stop()


def test_stopped_it_waits_for_no_call_and_begins_no_other() -> None:
    began: list[float] = []
    go_on = threading.Event()

    def hang(stretch: Interval) -> list[Line]:
        began.append(stretch[0])
        go_on.wait(20)
        return []

    work = Descriptions(hang, 2)
    for number in range(6):
        work.give((float(number), number + 1.0))
    while len(began) < 2:
        time.sleep(0.01)
    before = time.monotonic()
    work.stop()
    assert time.monotonic() - before < 1
    go_on.set()
    time.sleep(0.1)
    assert len(began) == 2


def test_a_video_language_model_is_asked_with_its_pictures_and_freed(tiny: TinyCheckpoints, clip: Video) -> None:
    describer = LocalDescriber(Path(tiny("talking_smolvlm")), language="en", frames=2)
    first = describer.ask(clip, (0.0, 4.0))
    assert first
    assert describer.ask(clip, (0.0, 4.0)) == first
    describer.close()
    assert describer.ask(clip, (0.0, 4.0)) == first
    describer.close()


def test_videochat_embed_is_asked_the_same_way(tmp_path: Path, clip: Video) -> None:
    toy_model().save_pretrained(tmp_path)
    describer = LocalDescriber(tmp_path, language="en", frames=4)
    assert describer.ask(clip, (0.0, 4.0)) == describer.ask(clip, (0.0, 4.0))
    describer.close()
    sense = ClipCaptioner(tmp_path, seconds=6, frames=4)
    sense.prepare()
    # Random weights write nothing that can be kept: each stretch is a gap, and the sense comes to its end.
    items = list(sense.perceive(clip.frames(None, max_side=64), clip, 0.0, 12.0))
    assert items
    sense.close()
