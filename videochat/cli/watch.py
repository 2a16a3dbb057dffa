"""`videochat watch`, `captions` and `timeline`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from videochat.cli.common import (
    Commands,
    add_command,
    add_describe_options,
    add_json_option,
    add_video_options,
    add_watch_options,
    agent_for,
    finite_option,
    kind_option,
    print_json,
    say_forecast,
    time_option,
)
from videochat.cli.live import add_live_options, watch_live
from videochat.cli.offer import offer_models
from videochat.cli.progress import watch_progress
from videochat.cli.watch_many import add_many_options, means_many, watch_many
from videochat.errors import VideoChatError
from videochat.intervals import check_interval

if TYPE_CHECKING:
    from videochat.media import Video
    from videochat.memory import VideoCaptions
    from videochat.records import Kind


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    watch = add_command(commands, "watch", _watch, "watch videos, or parts of them, and remember what was seen")
    captions = add_command(commands, "captions", _captions, "list what is remembered of a video")
    timeline = add_command(commands, "timeline", _timeline, "show over time what is remembered of a video")
    watch.add_argument(
        "video",
        nargs="+",
        metavar="PATH",
        help="videos, folders, patterns such as 'lectures/**/*.mp4', http(s) addresses; - for a list of them, one a "
        "line, on the standard input",
    )
    add_watch_options(watch)
    for command in (captions, timeline):
        add_video_options(command)
    for command in (watch, captions):
        command.add_argument(
            "--start", type=time_option, default=0.0, metavar="TIME", help="from here (seconds or MM:SS)"
        )
        command.add_argument("--end", type=time_option, default=None, metavar="TIME", help="up to here")
        add_json_option(command)
    watch.add_argument(
        "--fps", type=finite_option, metavar="RATE", help="pictures per second (default: each sense's own rate)"
    )
    add_describe_options(watch)
    add_many_options(watch)
    add_live_options(watch, every=10.0)
    watch.add_argument("--forecast", action="store_true", help="say what would be asked of --describe, and stop")
    captions.add_argument("--kind", type=kind_option, help="only captions of this kind, or of this sense")
    timeline.add_argument("--output", metavar="FILE", help="write a picture (.png, .svg, .pdf) instead of text")


def _watch(options: argparse.Namespace) -> int:
    from videochat.live_source import is_live

    if any(map(is_live, options.video)):
        return watch_live(options)
    offer_models(options)
    if means_many(options):
        return watch_many(options)
    with agent_for(options) as agent:
        asks = say_forecast(agent, options.start, options.end)
        if options.forecast:
            print("Nothing that costs money." if not asks else "Nothing was watched.", file=sys.stderr)
            return 0
        with watch_progress(agent) as progress:
            report = agent.watch(options.start, options.end, fps=options.fps, progress=progress)
    if options.json:
        print_json(report.as_dict())
    else:
        print(report)
    return 0


def _captions(options: argparse.Namespace) -> int:
    with _stored(options) as (_, stored):
        check_interval(options.start, math.inf if options.end is None else options.end, open_end=True)
        kinds: list[Kind] | None = None if options.kind is None else [options.kind]
        found = stored.between(options.start, math.inf if options.end is None else options.end, kinds)
        nothing = (
            "No caption of this kind or range is remembered."
            if stored.between()
            else f"Nothing is remembered; run: videochat watch {options.video}"
        )
    if options.json:
        print_json([caption.as_dict() for caption in found])
    else:
        print("\n".join(map(str, found)) or nothing)
    return 0


def _timeline(options: argparse.Namespace) -> int:
    from videochat.timeline import draw_timeline, print_timeline

    with _stored(options) as (video, stored):
        captions = stored.between()
    if options.output:
        try:
            draw_timeline(captions, video.duration_seconds, title=video.name).savefig(options.output, dpi=150)
        except (OSError, ValueError) as error:
            raise VideoChatError(f"The picture {options.output!r} cannot be written: {error}") from error
        print(f"Wrote {options.output}", file=sys.stderr)
    else:
        from shutil import get_terminal_size

        print(print_timeline(captions, video.duration_seconds, width=get_terminal_size().columns))
    return 0


@contextmanager
def _stored(options: argparse.Namespace) -> Iterator[tuple[Video, VideoCaptions]]:
    """Give a video and what is remembered of it, without the agent: that takes longer to import than to read."""
    from videochat.live_recording import open_video
    from videochat.memory import CaptionStore

    video = open_video(options.video)
    with CaptionStore(options.memory) as store:
        yield video, store.captions_of(video.id)
