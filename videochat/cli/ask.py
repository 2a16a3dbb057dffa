"""`videochat ask` and `videochat chat`."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from videochat.cli.common import (
    VIDEO_MODEL_HELP,
    Commands,
    add_command,
    add_describe_options,
    add_json_option,
    add_video_options,
    agent_for,
    print_json,
    read_line,
    say_forecast,
)
from videochat.cli.offer import offer_models
from videochat.cli.progress import watch_progress
from videochat.errors import InvalidArgument, StoreError, VideoChatError
from videochat.home import home

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.records import Answer

_HELP = (
    "Ask in your own words; earlier questions are remembered. /reset forgets them; /exit, /quit or an empty line ends. "
    "Arrow keys bring earlier lines back, also those of earlier runs."
)
_MOST_LINES = 1000


def add_commands(commands: Commands) -> None:
    """Add `ask` and `chat`."""
    ask = add_command(commands, "ask", _ask, "answer a question about a video, watching it first if needed")
    add_video_options(ask, several=True, library=True)
    ask.add_argument("question")
    chat = add_command(commands, "chat", _chat, "ask question after question; the earlier ones are remembered")
    add_video_options(chat, several=True, library=True)
    chat.add_argument("--conversation", metavar="FILE", help="keep the conversation in this file and go on with it")
    for command in (ask, chat):
        add_describe_options(command)
        command.add_argument(
            "--llm",
            metavar="PROVIDER:MODEL",
            help="language model (default: VIDEOCHAT_LLM, OpenAI, none); embed:DIR for a video model that answers from "
            "the video itself, with settings behind it, as embed:DIR,frames=16,bits=8,captions=yes",
        )
        command.add_argument("--video-model", metavar="DIR", help=VIDEO_MODEL_HELP)
        command.add_argument(
            "--mode", choices=("agent", "retrieve"), help="let the model look further, or answer at once"
        )
        command.add_argument(
            "--verify",
            action=argparse.BooleanOptionalAction,
            default="auto",
            help="have each cited sentence judged against what it cites (default: where there is a language model)",
        )
        command.add_argument(
            "--sees",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="whether the language model sees pictures (default: what its profile says)",
        )
        command.add_argument(
            "--context-tokens",
            type=int,
            metavar="N",
            help="how many tokens the language model reads at once (default: what its profile says, else 32000)",
        )
    ask.add_argument(
        "--show-prompt", action="store_true", help="print what the language model would be sent, and do not ask it"
    )
    ask.add_argument("--html", metavar="FILE", help="also write the answer as a page whose citations play the video")
    add_json_option(ask)


def _ask(options: argparse.Namespace) -> int:
    if options.video:
        _check_order(options)
    offer_models(options)
    with agent_for(options, **_answering(options)) as agent:
        if agent.needs_captions:
            say_forecast(agent)
            # Where another process is watching, the question is asked of what it has seen so far.
            with watch_progress(agent) as progress, contextlib.suppress(StoreError):
                agent.watch(progress=progress)
        if options.show_prompt:
            return _show_prompt(agent, options)
        answer = agent.ask(options.question) if options.json else _print_answer(agent, options.question)
        if options.html:
            _write_page(agent, options, answer)
    if options.json:
        print_json(answer.as_dict())
    return 0


def _check_order(options: argparse.Namespace) -> None:
    """Tell people who gave the question first, or without quotes, how to ask."""
    from videochat.local_files import is_there

    first, *others = options.video
    if is_there(options.question) and Path(options.question).is_file() and not is_there(first) and "://" not in first:
        asked = " ".join(options.video)
        raise InvalidArgument(
            f"The question comes last: videochat ask {shlex.quote(options.question)} {shlex.quote(asked)}, "
            "not the other way round."
        )
    words = [text for text in others if not is_there(text) and "://" not in text]
    if words and "." not in words[0] and (is_there(first) or "://" in first):
        asked = " ".join([*others[others.index(words[0]) :], options.question])
        raise InvalidArgument(
            f"{words[0]!r} is no file; a question of several words needs quotes: "
            f"videochat ask {shlex.quote(first)} {shlex.quote(asked)}"
        )


def _write_page(agent: VideoAgent, options: argparse.Namespace, answer: Answer) -> None:
    from videochat.answer_html import answer_page
    from videochat.local_files import check_target

    target = Path(options.html)
    videos = {video.id: (agent.video_set.names[video.id], _address(video.path, target)) for video in agent.videos}
    check_target(target, [video.path for video in agent.videos])
    pictures = [citation.thumbnail() if citation.thumbnail else None for citation in answer.citations]
    try:
        target.write_text(
            answer_page(options.question, answer.as_dict(), videos=videos, pictures=pictures), encoding="utf-8"
        )
    except OSError as error:
        raise VideoChatError(f"The page {options.html!r} cannot be written: {error}") from error
    print(f"Wrote {options.html}", file=sys.stderr)


def _address(video: Path, page: Path) -> str:
    """Return the address of a video for a page: beside or below it a relative one, so that both can be moved."""
    path, folder = video.resolve(), page.resolve().parent
    return quote(path.relative_to(folder).as_posix()) if path.is_relative_to(folder) else path.as_uri()


def _show_prompt(agent: VideoAgent, options: argparse.Namespace) -> int:
    messages = agent.messages(options.question)
    if options.json:
        print_json([{"role": message.type, "content": message.text} for message in messages])
    else:
        print("\n\n".join(f"{message.type.upper()}\n{message.text}" for message in messages))
    return 0


def _answering(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "llm": options.llm,
        "mode": options.mode,
        "video_model": options.video_model,
        "verify": options.verify,
        "pictures": options.sees,
        "context_tokens": options.context_tokens,
    }


def _chat(options: argparse.Namespace) -> int:
    with (
        kept_lines(home() / "chat_history"),
        agent_for(options, checkpointer=options.conversation, **_answering(options)) as agent,
    ):
        if agent.needs_captions:
            say_forecast(agent)
            with watch_progress(agent) as progress:
                print(agent.watch(progress=progress), file=sys.stderr)
        names = ", ".join(agent.video_set.names.values())
        print(f"Ask about {names}; an empty line or Ctrl-D ends, /help says more.", file=sys.stderr)
        while (question := read_line("> ")) not in ("", "/quit", "/exit"):
            if question == "/reset":
                agent.reset()
                print("The conversation is forgotten.", file=sys.stderr)
            elif question == "help" or question.startswith("/"):
                unknown = "" if question in ("help", "/help") else f"There is no command {question!r}. "
                print(f"{unknown}{_HELP}", file=sys.stderr)
            else:
                try:
                    _print_answer(agent, question)
                except VideoChatError as error:
                    print(f"videochat: {error}", file=sys.stderr)
    return 0


@contextlib.contextmanager
def kept_lines(file: Path) -> Iterator[None]:
    """While lines are read from a terminal its arrow keys bring back those of earlier runs; new ones are kept.

    Args:
        file: where they are kept, readable by its owner alone.
    """
    try:
        import readline
    except ImportError:  # Python was built without it
        yield
        return
    readline.clear_history()
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    before = readline.get_current_history_length()
    try:
        yield
    finally:
        new = readline.get_current_history_length() - before
        with contextlib.suppress(OSError):  # a folder that may not be written: they are not kept
            if new > 0:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch(mode=0o600)
                file.chmod(0o600)
                # Appended: another chat may have ended meanwhile.
                readline.set_history_length(_MOST_LINES)
                readline.append_history_file(new, file)


def _print_answer(agent: VideoAgent, question: str) -> Answer:
    """Answer in front of a person: on a terminal what the model does and says appears as it comes."""
    live = sys.stdout.isatty()
    streamed = ""
    for event in agent.stream(question):
        if event.step is not None:
            arguments = ", ".join(f"{name}={value!r}" for name, value in event.step.args.items())
            found = event.step.error or f"{event.step.captions} captions"
            print(f"  {event.step.tool}({arguments}): {found}", file=sys.stderr)
        elif event.kind == "token" and live:
            print(event.text, end="", flush=True)
            streamed += event.text
        elif event.kind == "again" and streamed:
            print("\n  ... looking again", file=sys.stderr)
            streamed = ""
    answer = event.answer
    assert answer is not None  # noqa: S101 - a stream that does not raise ends with the answer
    if streamed.strip() == answer.text.strip():
        print(str(answer)[len(answer.text) :])
    else:
        print(f"\n{answer}" if streamed else answer)
    print(f"({answer.status}, {answer.usage.seconds:.1f} s)", file=sys.stderr)
    return answer
