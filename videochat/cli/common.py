"""What several commands share: options, the agent over the videos that were named, JSON."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from videochat.cli.progress import busy
from videochat.errors import InvalidArgument, MediaError, UnknownName
from videochat.intervals import parse_clock, parse_range
from videochat.records import KINDS, Kind

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.media import Video
    from videochat.tools.clip_captions import ClipCaptioner

Commands = Any
"""What `add_subparsers` returns; argparse keeps its type private."""

VIDEO_MODEL_HELP = (
    "VideoChat-Embed or another video model to look with, with settings behind it: "
    "DIR[,frames=N][,bits=8][,device=cuda:1][,memory_gb=N][,window=SECONDS]"
)
"""Help of `--video-model`."""


class Terminated(KeyboardInterrupt):
    """The process was told to end by SIGTERM; what was begun is closed, as after Ctrl-C."""


class Parser(argparse.ArgumentParser):
    """A parser that says what may have been meant; its commands are parsed by the same class."""

    def error(self, message: str) -> NoReturn:
        """Print usage and a sentence, and end with status 2."""
        if wrong := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", wrong[2])
            near = get_close_matches(wrong[1], known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            what = "command" if "COMMAND" in message else "choice"
            message = f"there is no {what} {wrong[1]!r}; the known ones are {', '.join(known)}.{hint}"
        super().error(message)


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: where to.
        name: what people type.
        run: takes the options and returns the exit status.
        text: what it does, beginning with a small letter.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    command.set_defaults(command=run)
    # Also after the command, where people put it; SUPPRESS keeps it from undoing the one before.
    command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return command


def add_group(commands: Commands, name: str, text: str) -> Commands:
    """Add a command that has commands of its own; alone it prints what they are.

    Args:
        commands: where to.
        name: what people type.
        text: what it does, beginning with a small letter.

    Returns:
        Where its commands are added.
    """
    group = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    group.set_defaults(group=group)
    group.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return group.add_subparsers(title="commands", metavar="COMMAND")


def add_video_options(command: argparse.ArgumentParser, *, several: bool = False, library: bool = False) -> None:
    """Add the video (or several, or all that are remembered) and how it is watched."""
    many = ", or a folder of videos; several are asked together" if several else ""
    videos = command.add_argument(
        "video", nargs="+" if several else None, help=f"path or http(s) address of a video{many}"
    )
    if library:
        command.add_argument(
            "--library",
            action=_Library,
            videos=videos,
            help="instead of videos, before the question: all that are remembered",
        )
    add_watch_options(command)


class _Library(argparse.Action):
    """An option after which no video need be named."""

    def __init__(self, option_strings: list[str], dest: str, videos: argparse.Action, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, **options)
        self._videos = videos

    def __call__(self, parser: object, options: argparse.Namespace, values: object, option: str | None = None) -> None:
        self._videos.nargs, self._videos.required = "*", False
        setattr(options, self.dest, True)


def add_watch_options(command: argparse.ArgumentParser) -> None:
    """Add where captions are kept and which senses watch."""
    command.add_argument(
        "--memory", metavar="DIR", help="directory of the captions, or a Chroma server (default: your data folder)"
    )
    command.add_argument(
        "--preset",
        type=_preset_option,
        metavar="NAME",
        help="line-up of senses, see `videochat presets`, or senses with commas between them, as speech,ocr (default: "
        "the richest preset whose weights are on this machine)",
    )


def add_describe_options(command: argparse.ArgumentParser) -> None:
    """Add who describes the video besides, and what that model costs."""
    command.add_argument(
        "--describe",
        metavar="MODEL",
        help="have the video described by a chat model that sees (PROVIDER:MODEL, such as openai:gpt-4.1-mini), or by "
        "a video-language model (folder or hub id)",
    )
    add_price_options(command)


def add_price_options(command: argparse.ArgumentParser) -> None:
    """Add what the tokens of a chat model cost."""
    for way, what in (("in", "reads"), ("out", "writes")):
        command.add_argument(
            f"--price-{way}", type=price_option, metavar="PRICE", help=f"of a million tokens that the model {what}"
        )


def price_option(text: str) -> float:
    """Read what something costs, for argparse."""
    if not (price := finite_option(text)) >= 0:
        raise argparse.ArgumentTypeError(f"a price is 0 or more, got {text!r}")
    return price


def finite_option(text: str) -> float:
    """Read a number that is one, for argparse: `nan` and `inf` are none."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"it must be a finite number, got {text!r}")
    return number


def _preset_option(text: str) -> str | list[str]:
    """Read the name of a preset, or a list of senses."""
    from videochat.tools import TOOLS

    return text.split(",") if "," in text or text in TOOLS else text


def add_json_option(command: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    command.add_argument("--json", action="store_true", help="print JSON, for programs")


def time_option(text: str) -> float:
    """Read seconds or a clock time, for argparse."""
    try:
        return parse_clock(text)
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def range_option(text: str) -> tuple[float, float | None]:
    """Read a range such as 0:42-0:50, or a time, for argparse."""
    try:
        return parse_range(text)
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def kind_option(text: str) -> Kind:
    """Read a kind of caption, or a sense, which stands for the kind that it writes; for argparse."""
    from videochat.tools import PRESETS, TOOLS, tool_class

    if text in PRESETS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is a preset, a line-up of senses; a kind is what one of them writes: {', '.join(KINDS)}."
        )
    if text in TOOLS:
        return tool_class(text).kind
    if text not in KINDS:
        raise argparse.ArgumentTypeError(str(UnknownName("kind", text, KINDS)))
    return text


@contextlib.contextmanager
def agent_for(options: argparse.Namespace, **settings: Any) -> Iterator[VideoAgent]:
    """Give an agent over the videos that were named, and close it.

    Args:
        options: as `add_video_options` adds them, and `add_describe_options` where a command has them.
        settings: further arguments of `VideoAgent`.
    """
    # What is cheap to find wrong is found before the heavy parts load.
    videos = _opened([options.video] if isinstance(options.video, str) else options.video, options)
    with busy(f"opening {videos[0].name}" if len(videos) == 1 else f"opening {len(videos)} videos"):
        from videochat.agent import VideoAgent

        if (describes := clip_captioner(options)) is not None:
            settings["clip_captions"] = describes
        agent = VideoAgent(videos, preset=options.preset, memory=options.memory, **settings)
    try:
        yield agent
    finally:
        agent.close()


def _opened(named: list[str], options: argparse.Namespace) -> list[Video]:
    """Open videos, and those that folders and patterns stand for; of these, one that cannot be read is only said."""
    from videochat.live_recording import open_video
    from videochat.sources import find_sources, is_many

    if getattr(options, "library", False):
        if named:
            raise InvalidArgument("Name the videos, or give --library for all that are remembered; not both.")
        return _library(options)
    videos = []
    for text in named:
        if not is_many(text):
            videos.append(open_video(text))
            continue
        for source in find_sources([text]):
            if source.problem:
                raise MediaError(source.problem)
            try:
                videos.append(open_video(source.text))
            except MediaError as error:
                print(f"videochat: left out: {error}", file=sys.stderr)
    if not videos:
        raise MediaError(f"None of what {', '.join(named)} stands for can be read as a video.")
    return videos


def _library(options: argparse.Namespace) -> list[Video]:
    """Open every video of the memory whose file is where it was, or at another of its places."""
    from videochat.media import Video
    from videochat.memory import CaptionStore

    videos = []
    with CaptionStore(options.memory) as store:
        for stored in store.videos():
            files = [place for place in (stored.path, *reversed(stored.places)) if place and Path(place).is_file()]
            video = next((video for file in files if (video := Video(file)).id == stored.id), None)
            if video is None:
                print(f"videochat: left out: the file of {stored.name} is gone or changed.", file=sys.stderr)
            else:
                videos.append(video)
    if not videos:
        raise MediaError("The library holds no video whose file is there; `videochat memory list` says what it holds.")
    return videos


def clip_captioner(options: argparse.Namespace) -> ClipCaptioner | None:
    """Return who describes the video besides, as `add_describe_options` has it; None for nobody."""
    if not getattr(options, "describe", None):
        return None
    from videochat.tools.clip_captions import ClipCaptioner

    prices = (options.price_in, options.price_out)
    price = None if prices == (None, None) else (prices[0] or 0.0, prices[1] or 0.0)
    return ClipCaptioner(options.describe, price=price)


def say_forecast(agent: VideoAgent, start_seconds: float = 0.0, end_seconds: float | None = None) -> bool:
    """Say before a watch what it will ask of services that may cost money; return whether it will ask any."""
    clauses = agent.video_set.forecast(start_seconds, end_seconds)
    for clause in clauses:
        print(clause, file=sys.stderr)
    return bool(clauses)


def print_json(data: Any) -> None:
    """Print data for programs."""
    # Where the output cannot write a letter, JSON has its own way to.
    ascii_only = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    print(json.dumps(data, ensure_ascii=ascii_only, indent=2))


def fail_usage(command: str, error: Exception) -> int:
    """Say what is wrong with the options of a command; return the exit status."""
    print(f"videochat {command}: {error}", file=sys.stderr)
    return 2


def read_line(prompt: str) -> str:
    """Return the next line that a person writes, or a pipe holds; empty at the end."""
    try:
        if sys.stdin.isatty() and sys.stdout.isatty():
            return input(prompt).strip()
        # The prompt is for people; what comes out of a pipe stays clean.
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except (EOFError, KeyboardInterrupt):
        print(file=sys.stderr)
        return ""
