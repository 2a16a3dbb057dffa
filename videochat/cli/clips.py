"""`videochat play`, `cut` and `highlights`: what was found, shown and kept."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from videochat.cli.common import (
    Commands,
    add_command,
    add_json_option,
    add_video_options,
    agent_for,
    print_json,
    range_option,
)
from videochat.cli.progress import watch_progress
from videochat.cli.serve import browse, open_page
from videochat.errors import InvalidArgument, MediaError
from videochat.intervals import clock_range

if TYPE_CHECKING:
    from videochat.media import Video


def add_commands(commands: Commands) -> None:
    """Add `play`, `cut` and `highlights`."""
    play = add_command(
        commands, "play", _play, "play a video at a moment, by mpv, ffplay or on the page in the browser"
    )
    cut = add_command(commands, "cut", _cut, "write a range of a video, or several, into a file")
    for command in (play, cut):
        command.add_argument("video", help="path or http(s) address of a video")
    play.add_argument(
        "when", type=range_option, nargs="?", default=(0.0, None), help="a time (0:42) or a range (0:42-0:50)"
    )
    cut.add_argument(
        "ranges", type=range_option, nargs="+", metavar="RANGE", help="such as 0:42-0:50; several are joined"
    )
    cut.add_argument(
        "--fast",
        action="store_true",
        help="copy what is stored instead of encoding it anew: no loss, at once, from the key picture before",
    )
    highlights = add_command(
        commands, "highlights", _highlights, "list the moments that tell most of a video, or write them as one clip"
    )
    add_video_options(highlights)
    highlights.add_argument("--most", type=int, default=5, metavar="N", help="how many at most (default: 5)")
    add_json_option(highlights)
    cut.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="the clip: .mp4, .mkv, .mov, .webm, .m4a, .mp3 ..."
    )
    highlights.add_argument("-o", "--output", metavar="FILE", help="write them, one after another, into this clip")


def _play(options: argparse.Namespace) -> int:
    from videochat.clips import player_command
    from videochat.media import Video

    video = Video(options.video)
    start, end = options.when
    video.span(start, end)
    command = player_command(video, start, end)
    if command is None:
        options.serves = True
        try:
            return open_page(video, start, end)
        except ImportError:
            return _open_file(video, start, end)
    print(f"Playing {video.name} {clock_range(start, end) if end else f'from {start:g} s'}", file=sys.stderr)
    return subprocess.run(command, check=False).returncode


def _open_file(video: Video, start: float, end: float | None) -> int:
    """Let the browser play the file itself, where there is no server to show it on the page."""
    from videochat.clips import file_address

    address = file_address(video, start, end)
    if not browse(address):
        raise MediaError(
            f"No player was found to show {video.name!r} at second {start:g}; install mpv or ffmpeg's ffplay, or the "
            f"page (pip install 'videochat[serve]'), or open {address} in a browser."
        )
    print(f"Opened {address}", file=sys.stderr)
    return 0


def _cut(options: argparse.Namespace) -> int:
    from videochat.clips import cut_clip
    from videochat.media import Video

    video = Video(options.video)
    ranges = [(start, video.duration_seconds if end is None else end) for start, end in options.ranges]
    print(cut_clip(video, ranges, options.output, fast=options.fast))
    return 0


def _highlights(options: argparse.Namespace) -> int:
    from videochat.clips import cut_clip
    from videochat.memory.chapters import highlights

    with agent_for(options) as agent:
        with watch_progress(agent) as progress:
            agent.watch(progress=progress)
        found = highlights(agent.captions(), agent.video.duration_seconds, most=options.most)
        if not found:
            raise InvalidArgument(
                f"Nothing in {agent.video.name!r} is told in words; `videochat captions` lists what is."
            )
        clip = cut_clip(agent.video, [span for span, _ in found], options.output) if options.output else None
    if options.json:
        print_json([{"start_seconds": s, "end_seconds": e, "caption": c.as_dict()} for (s, e), c in found])
    else:
        print("\n".join(f"[{clock_range(*span)}] {caption.kind}: {caption.text}" for span, caption in found))
    if clip is not None:
        print(clip, file=sys.stderr)
    return 0
