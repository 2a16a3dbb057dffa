"""`videochat embed ask`, `chat` and `describe`: a video model alone, without captions, memory or agent."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from videochat.cli.common import (
    VIDEO_MODEL_HELP,
    Commands,
    add_command,
    add_json_option,
    finite_option,
    print_json,
    read_line,
    time_option,
)
from videochat.cli.progress import busy
from videochat.errors import InvalidArgument, VideoChatError

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk, BaseMessage

    from videochat.agent import VideoAnswerer

_SETTINGS = ("frames", "llm_bits", "device", "memory_gb", "window_seconds")


def add_commands(commands: Commands) -> None:
    """Add `ask`, `chat` and `describe` to the commands of `embed`."""
    ask = add_command(commands, "ask", _ask, "ask a video model a question about a video or a picture")
    chat = add_command(commands, "chat", _chat, "ask it question after question; the earlier ones are remembered")
    describe = add_command(commands, "describe", _describe, "have it describe a video, window by window, or a picture")
    for command in (ask, chat, describe):
        command.add_argument("video", nargs="+", help="path or http(s) address of a video or a picture")
        command.add_argument(
            "--model", metavar="DIR", help=f"{VIDEO_MODEL_HELP} (default: what VIDEOCHAT_VIDEO_MODEL names)"
        )
        command.add_argument("--frames", type=int, metavar="N", help="pictures of a range (default: 8)")
        command.add_argument(
            "--bits", type=int, choices=(4, 8), dest="llm_bits", help="quantize the LLM of VideoChat-Embed"
        )
        command.add_argument("--device", help="where it runs: cpu, cuda, cuda:1 (default: the best there is)")
        command.add_argument(
            "--memory-gb", type=finite_option, metavar="N", help="most memory (default: most of the device's)"
        )
        command.add_argument(
            "--window", type=finite_option, metavar="SECONDS", dest="window_seconds", help="longest range (default: 60)"
        )
        command.add_argument("--start", type=time_option, default=0.0, metavar="TIME", help="from here")
        command.add_argument("--end", type=time_option, default=None, metavar="TIME", help="up to here")
    ask.add_argument("question")
    describe.add_argument("--brief", action="store_true", help="in a sentence")
    for command in (ask, describe):
        add_json_option(command)


def _looker(options: argparse.Namespace) -> VideoAnswerer:
    from videochat.media import Video

    named = options.model or os.environ.get("VIDEOCHAT_VIDEO_MODEL")
    if not named:
        raise InvalidArgument("Name a video model: --model DIR, a folder that `videochat embed convert` has written.")
    videos = [Video(path) for path in options.video]
    with busy("checking the model"):
        from videochat.agent import VideoAnswerer
        from videochat.tools import VideoModel

        given = {name: value for name in _SETTINGS if (value := getattr(options, name)) is not None}
        return VideoAnswerer(replace(VideoModel.parse(named), **given), videos)


def _say(looker: VideoAnswerer, messages: list[BaseMessage], options: argparse.Namespace) -> AIMessageChunk | None:
    """Stream an answer in front of a person, unless it is for a program; return the whole."""
    span: dict[str, Any] = {"start_seconds": options.start, "end_seconds": options.end}
    whole = None
    for piece in looker.stream(messages, **span):
        whole = piece if whole is None else whole + piece
        if not getattr(options, "json", False):
            print(piece.text, end="", flush=True)
    return whole


def _answer(options: argparse.Namespace, question: str) -> int:
    from langchain_core.messages import HumanMessage

    looker = _looker(options)
    answer = _say(looker, [HumanMessage(question)], options)
    assert answer is not None  # noqa: S101 - a stream that does not raise gives a piece
    if options.json:
        claims, usage = answer.additional_kwargs["claims"], answer.usage_metadata
        print_json({"text": answer.text, "claims": claims, "usage": usage})
    else:
        print()
        print(f"(a claim of {looker.model.name}, held against nothing)", file=sys.stderr)
    return 0


def _ask(options: argparse.Namespace) -> int:
    return _answer(options, options.question)


def _describe(options: argparse.Namespace) -> int:
    from videochat.embed_model.prompts import BRIEF_IMAGE, BRIEF_VIDEO, DETAILED_IMAGE, DETAILED_VIDEO
    from videochat.media import Video

    pictures = all(Video(path).is_picture for path in options.video)
    lists = (BRIEF_IMAGE, DETAILED_IMAGE) if pictures else (BRIEF_VIDEO, DETAILED_VIDEO)
    return _answer(options, lists[0 if options.brief else 1][0])


def _chat(options: argparse.Namespace) -> int:
    from langchain_core.messages import AIMessage, HumanMessage

    looker = _looker(options)
    print("Ask; an empty line or Ctrl-D ends.", file=sys.stderr)
    messages: list[BaseMessage] = []
    while (question := read_line("> ")) not in ("", "/quit", "/exit"):
        try:
            answer = _say(looker, [*messages, HumanMessage(question)], options)
            print()
        except VideoChatError as error:
            print(f"videochat: {error}", file=sys.stderr)
            continue
        messages += [HumanMessage(question), AIMessage("" if answer is None else answer.text)]
    return 0
