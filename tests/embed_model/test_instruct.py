from __future__ import annotations

import re
import threading
import time
from dataclasses import replace

import pytest
from langchain_core.messages import AIMessage

from tests.fakes.instruction_writer import DIALOGUE, STORY, Writer, make, rows, watched
from videochat.agent import VideoAgent
from videochat.cli import main
from videochat.embed_model import prompts
from videochat.embed_model.annotations import Skips, Source, read_examples
from videochat.embed_model.instruct import WatchedVideo, fitting, forecast
from videochat.errors import VideoChatError
from videochat.memory import CaptionStore
from videochat.memory.textualize import textualize
from videochat.testing import ScriptedLLM


def test_every_item_from_a_watched_clip_is_valid_and_rests_on_stored_captions(clip, tmp_path):
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        agent = VideoAgent(clip, memory=store, llm="extractive")
        agent.watch()
        stored = {one.id: one for one in agent.captions()}
        llm = Writer()
        report = make(tmp_path, llm, [WatchedVideo(str(clip.path), agent.captions())])
    assert (report.kept, report.turns, report.rejected) == (2, 5, {})
    skips = Skips()
    (first, second) = read_examples([Source(report.out, tmp_path)], "instruction", skips)
    assert not skips.reasons
    assert {len(first.turns), len(second.turns)} == {1, 4}
    for row in rows(report.out):
        for turn in row["QA"]:
            for piece in turn["evidence"]:
                found = stored[piece["id"]]
                assert (found.start_seconds, found.end_seconds) == (piece["start_seconds"], piece["end_seconds"])
            assert turn["evidence"] or turn["a"].startswith(prompts.REFUSAL)
            assert "[" not in turn["a"]
    described = next(row for row in rows(report.out) if row["making"] == "description")["QA"][0]
    assert described["q"] in prompts.DETAILED_VIDEO
    assert 150 < len(described["a"].split()) < 200
    system = next(messages[0].content for messages in llm.sent if len(messages) == 2)
    assert system == f"{prompts.CONVERSATION}\n\n{prompts.DIALOGUE_FORMAT}"


@pytest.mark.material
@pytest.mark.parametrize("name", ["hitting_baseball.mp4", "making_cake.mp4"])
def test_items_from_real_clips_resolve(material, tmp_path, name):
    path = material / "videos" / name
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as store:
        agent = VideoAgent(path, memory=store, llm="extractive")
        agent.watch(start_seconds=0, end_seconds=5)
        stored = {one.id for one in agent.captions()}
        assert stored
        said = re.sub(r"\[(\d+(, )?)+\](\[\d+\])?", "[1]", DIALOGUE)
        report = make(tmp_path, Writer(conversation=said), [WatchedVideo(str(path), agent.captions())])
    assert (report.kept, report.rejected) == (2, {})
    used = {piece["id"] for row in rows(report.out) for turn in row["QA"] for piece in turn["evidence"]}
    assert used
    assert used <= stored


FRENCH = "Question: Que voit-on dans la cuisine ?\nAnswer: On voit une personne qui verse du lait dans la tasse. [1]"


CYRILLIC = "Сначала мы видим кухню, потом кто-то наливает молоко в чашку."


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "empty"),
        (STORY[:-1].rsplit(".", 1)[0] + ". Overall, the", "cut off"),
        (AIMessage(STORY, response_metadata={"finish_reason": "length"}), "cut off"),
        (CYRILLIC, "language"),
        (prompts.DESCRIPTION, "prompt repeated"),
        (f"{STORY} {prompts.REFINEMENT}", "prompt repeated"),
        (STORY.replace("Next,", "###Assistant: Next,"), "role separator"),
        (" ".join(STORY.split()[:60]) + ".", "length"),
        (f"{STORY} {STORY}", "length"),
        (STORY.replace("Then a bright", "At 00:06 a bright"), "absolute time"),
        (STORY.replace("Then a bright", "After six seconds a bright"), "absolute time"),
        (STORY.rsplit(". ", 1)[0] + ". " + STORY.split(". ")[0] + ".", "duplicate"),
        (ConnectionError("the line is dead"), "no answer"),
    ],
)
def test_a_description_that_is_not_good_goes_to_the_rejects(tmp_path, said, reason):
    report = make(tmp_path, Writer(said), item_kinds=["description"])
    assert (report.kept, report.rejected) == (0, {reason: 1})
    (row,) = rows(report.rejects)
    assert row["reason"].startswith(reason)
    assert row["video"] == "v.mp4"
    if isinstance(said, str):
        assert row["text"] == said.strip()
    assert report.out.read_text() == ""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "empty"),
        ("I am sorry, I cannot do that.", "no dialogue"),
        (AIMessage(DIALOGUE, response_metadata={"stop_reason": "max_tokens"}), "cut off"),
        ("Question: What is said?\nAnswer: The screen shows a", "cut off"),
        ("Question: What is shown?\nAnswer: A kitchen. [9]", "unknown evidence"),
        ("Question: What is shown?\nAnswer: A kitchen.", "no evidence"),
        ("Question: Is it cold?\nAnswer: The provided video doesn't present this information.", "refusal reworded"),
        ("Question: What is shown?\nAnswer: The captions mention a kitchen. [1]", "speaks of its source"),
        (FRENCH, "language"),
        (CYRILLIC, "language"),
        (prompts.CONVERSATION, "prompt repeated"),
        (TimeoutError("after 60 s"), "no answer"),
    ],
)
def test_a_conversation_that_is_not_good_goes_to_the_rejects(tmp_path, said, reason):
    report = make(tmp_path, Writer(conversation=said), item_kinds=["conversation"])
    assert (report.kept, report.rejected) == (0, {reason: 1})
    assert rows(report.rejects)[0]["reason"].startswith(reason)


def test_one_bad_turn_costs_that_turn(tmp_path):
    said = f"{DIALOGUE}\n\nQuestion: What does the first card say?\nAnswer: The same again. [1]"
    report = make(tmp_path, Writer(conversation=said), item_kinds=["conversation"])
    assert (report.kept, report.turns, report.rejected) == (1, 4, {"duplicate": 1})
    assert "The same again" in rows(report.rejects)[0]["text"]


def test_a_model_that_fails_now_and_then_loses_nothing(tmp_path):
    """Forty items, a third of them bad in every way: each is in one of the two files, once."""
    bad = iter(["", ConnectionError("gone"), CYRILLIC, DIALOGUE[:60], prompts.CONVERSATION, OSError("reset")] * 3)
    lock = threading.Lock()
    count = [0]

    def moody(_messages):
        with lock:
            count[0] += 1
            said = next(bad, DIALOGUE) if count[0] % 3 == 0 else DIALOGUE
        if isinstance(said, Exception):
            raise said
        return said

    videos = [watched(f"{number}.mp4") for number in range(40)]
    told = []
    report = make(
        tmp_path,
        Writer(conversation=moody),
        videos,
        item_kinds=["conversation"],
        on_item=lambda done, total: told.append((done, total)),
    )
    kept, rejected = ({row["video"] for row in rows(path)} for path in (report.out, report.rejects))
    assert kept | rejected == {video.name for video in videos}
    assert not kept & rejected
    assert report.kept == len(kept) == 40 - 13
    assert told == [(number, 40) for number in range(1, 41)]
    # What could not be reached is asked again, what was bad is not; then everything is settled.
    again = make(tmp_path, llm := Writer(), videos, item_kinds=["conversation"])
    unreached = sum(row["reason"].startswith("no answer") for row in rows(report.rejects))
    assert (again.kept, len(llm.sent), again.earlier) == (unreached, unreached, 40 - unreached)
    assert make(tmp_path, ScriptedLLM(), videos, item_kinds=["conversation"]).earlier == 40
    last = make(tmp_path, Writer(), videos, item_kinds=["conversation"], retry_rejected=True)
    assert {row["video"] for row in rows(report.out)} == {video.name for video in videos}
    assert last.earlier == 40 - last.kept


def test_the_same_description_twice_is_kept_once(tmp_path):
    report = make(tmp_path, Writer(), [watched("a.mp4"), watched("b.mp4")], item_kinds=["description"], concurrency=1)
    assert (report.kept, report.rejected) == (1, {"duplicate": 1})


def test_a_video_without_captions_is_rejected_without_a_call(tmp_path):
    report = make(tmp_path, ScriptedLLM(), [WatchedVideo("empty.mp4", [])])
    assert report.rejected == {"no captions": 2}


def test_the_forecast_counts_without_a_call(tmp_path):
    videos = [watched("a.mp4"), watched("b.mp4"), WatchedVideo("empty.mp4", [])]
    told = forecast(videos, tmp_path / "x.jsonl", textualize=textualize, price_in=1.0, price_out=2.0)
    assert (told.items, told.calls) == (4, 6)
    llm = Writer()
    make(tmp_path, llm, videos)
    sent = sum(len(str(message.content)) for messages in llm.sent for message in messages) / 4
    assert told.input_tokens == pytest.approx(sent, rel=0.15)
    assert told.cost == pytest.approx((told.input_tokens + 2 * told.output_tokens) / 1e6)
    assert str(told).startswith("4 items to make in 6 calls: about ")
    assert not (tmp_path / "x.jsonl").exists()


def test_calls_are_concurrent_and_no_more_than_allowed(tmp_path):
    running, most, lock = [0], [0], threading.Lock()

    def slow(_messages):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1
        return DIALOGUE

    videos = [watched(f"{number}.mp4") for number in range(6)]
    make(tmp_path, Writer(conversation=slow), videos, item_kinds=["conversation"], concurrency=3)
    assert most[0] == 3
    began = time.monotonic()
    make(tmp_path / "slow", Writer(), videos[:3], item_kinds=["conversation"], calls_per_minute=600)
    assert time.monotonic() - began > 0.15


def test_the_command_says_the_cost_before_it_asks(clip, tmp_path, capsys, monkeypatch):
    llm = Writer()
    monkeypatch.setattr("videochat.agent.chat_models.resolve_llm", lambda _name: llm)
    words = ["instruct", str(clip.path), "--llm", "openai:some", "--memory", str(tmp_path / "memory")]
    words += ["--out", str(tmp_path / "out.jsonl"), "--price-in", "1", "--price-out", "4"]
    assert main([*words, "--forecast"]) == 0
    said = capsys.readouterr()
    assert re.search(r"2 items to make in 3 calls: .* about 0\.\d\d at the prices given", said.err)
    assert not llm.sent
    assert not (tmp_path / "out.jsonl").exists()
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("2 items (5 turns) in ")
    assert len(rows(tmp_path / "out.jsonl")) == 2


def test_half_a_character_in_an_answer_is_a_reason_not_a_traceback(tmp_path):
    broken = DIALOGUE.replace("welcomes us", "welcomes \ud83d us")
    report = make(tmp_path, Writer(conversation=broken, description="A cup.\udcff"))
    assert (report.kept, report.rejected) == (0, {"half a character": 2})
    found = rows(report.rejects)
    assert {row["text"] for row in found} == {broken.strip(), "A cup.\udcff"}
    assert all("lone surrogate, at position" in row["reason"] for row in found)


def test_a_video_whose_name_is_not_utf8_keeps_its_name(tmp_path):
    name = "caf\udce9.mp4"
    report = make(tmp_path, Writer(), [WatchedVideo(name, watched().captions)], item_kinds=["conversation"])
    assert (report.kept, report.rejected) == (1, {})
    (row,) = rows(report.out)
    assert row["video"] == name
    assert make(tmp_path, Writer(), [WatchedVideo(name, watched().captions)], item_kinds=["conversation"]).earlier == 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1, got 0"),
        ({"calls_per_minute": 0}, "calls_per_minute must be positive"),
        ({"item_kinds": ["poem"]}, "no kind of instruction data 'poem'; the known ones are conversation, description"),
    ],
)
def test_arguments_out_of_range(tmp_path, wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        make(tmp_path, Writer(), **wrong)
    assert isinstance(caught.value, VideoChatError)


def test_the_old_keyword_makings_still_works(tmp_path):
    with pytest.warns(DeprecationWarning, match="'makings' of make_instructions"):
        assert make(tmp_path, Writer(), makings=["conversation"]).kept == 1


def test_a_long_video_is_kept_within_the_window_of_the_model(tmp_path):
    everything = watched(count=2000)
    kept = fitting(everything.captions, textualize, 4000)
    assert 10 < len(kept) < 400
    assert kept[0].start_seconds < 100
    assert kept[-1].start_seconds > 1900, "what is kept is spread over the whole video"
    assert fitting(everything.captions, textualize, None) is everything.captions
    assert fitting(everything.captions[:5], textualize, 4000) == everything.captions[:5]
    llm = Writer(conversation="Question: What is there?\nAnswer: There are many lines to be read. [1]")
    report = make(tmp_path, llm, [everything], context_tokens=4000, item_kinds=("conversation",))
    assert report.kept == 1
    assert len(str(llm.sent[0])) < 4000 * 4
    assert rows(report.out)[0]["left_out"] == 2000 - len(kept)
    assert make(tmp_path, llm, [everything], context_tokens=4000, item_kinds=("conversation",)).earlier == 1


def test_what_is_said_again_goes_first():
    said = [replace(one, text="the same line") for one in watched(count=300).captions]
    other = replace(said[0], start_seconds=500.0, end_seconds=501.0, text="another line")
    assert fitting([*said, other], textualize, 2000) == [said[0], other]


def test_a_forecast_knows_what_will_be_left_out(tmp_path):
    much, little = (
        forecast([watched(count=2000)], tmp_path / "x.jsonl", textualize=textualize, context_tokens=window)
        for window in (None, 4000)
    )
    assert little.items == much.items
    assert little.input_tokens < much.input_tokens / 3
