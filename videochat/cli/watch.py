"""`videochat watch`, `captions` and `timeline`."""

from __future__ import annotations

import argparse
import sys

from videochat.cli.common import (
    Commands,
    add_command,
    add_json_option,
    add_video_options,
    agent_for,
    kind_option,
    print_json,
    time_option,
    watch_progress,
)
from videochat.errors import VideoChatError


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    watch = add_command(commands, "watch", _watch, "watch a video, or a part of it, and remember what was seen")
    captions = add_command(commands, "captions", _captions, "list what is remembered of a video")
    timeline = add_command(commands, "timeline", _timeline, "show over time what is remembered of a video")
    for command in (watch, captions, timeline):
        add_video_options(command)
    for command in (watch, captions):
        command.add_argument(
            "--start", type=time_option, default=0.0, metavar="TIME", help="from here (seconds or MM:SS)"
        )
        command.add_argument("--end", type=time_option, default=None, metavar="TIME", help="up to here")
        add_json_option(command)
    watch.add_argument("--fps", type=float, metavar="RATE", help="pictures per second (default: each sense's own rate)")
    captions.add_argument("--kind", type=kind_option, help="only captions of this kind, or of this sense")
    timeline.add_argument("--output", metavar="FILE", help="write a picture (.png, .svg, .pdf) instead of text")


def _watch(options: argparse.Namespace) -> int:
    with agent_for(options) as agent, watch_progress(agent) as progress:
        report = agent.watch(options.start, options.end, fps=options.fps, progress=progress)
    if options.json:
        print_json(report.as_dict())
    else:
        print(report)
    return 0


def _captions(options: argparse.Namespace) -> int:
    with agent_for(options) as agent:
        found = agent.captions(options.kind, options.start, options.end)
        nothing = (
            "No caption of this kind or range is remembered."
            if agent.captions()
            else f"Nothing is remembered; run: videochat watch {options.video}"
        )
    if options.json:
        print_json([caption.as_dict() for caption in found])
    else:
        print("\n".join(map(str, found)) or nothing)
    return 0


def _timeline(options: argparse.Namespace) -> int:
    with agent_for(options) as agent:
        if options.output:
            try:
                agent.timeline().savefig(options.output, dpi=150)
            except (OSError, ValueError) as error:
                raise VideoChatError(f"The picture {options.output!r} cannot be written: {error}") from error
            print(f"Wrote {options.output}", file=sys.stderr)
        else:
            from shutil import get_terminal_size

            from videochat.agent.timeline import print_timeline

            print(print_timeline(agent.captions(), agent.video.duration_seconds, width=get_terminal_size().columns))
    return 0
