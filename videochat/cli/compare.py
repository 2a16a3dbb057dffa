"""`videochat compare`: one question about videos and pictures, answered by several models side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from videochat.cli.common import Commands, add_command, add_json_option, add_video_options, print_json
from videochat.cli.progress import busy
from videochat.errors import VideoChatError
from videochat.printable import steering


def add_commands(commands: Commands) -> None:
    """Add `compare`."""
    compare = add_command(commands, "compare", _compare, "ask several models the same about videos and pictures")
    add_video_options(compare, several=True)
    compare.add_argument("question")
    compare.add_argument(
        "--with",
        action="append",
        required=True,
        dest="models",
        metavar="MODEL",
        help="PROVIDER:MODEL (reads captions), embed:DIR or video:DIR (looks at the video), extractive; in front of it "
        "agent: or retrieve: (captions, with tools or without), blind: (the question alone), subtitles: (what is said) "
        "or frames=16: (pictures alone); repeatable",
    )
    compare.add_argument("--html", metavar="FILE", help="also write a page with the pictures that each one saw")
    add_json_option(compare)


def _compare(options: argparse.Namespace) -> int:
    with busy("opening"):
        from rich.console import Console
        from rich.progress import Progress

        from videochat.comparison import compare
    console = Console(file=steering(sys.stderr))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing", total=None)
        found = compare(
            options.video,
            options.question,
            options.models,
            memory=options.memory,
            preset=options.preset,
            on_cell=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if options.html:
        try:
            Path(options.html).write_text(found.html(), encoding="utf-8")
        except OSError as error:
            raise VideoChatError(f"The page {options.html!r} cannot be written: {error}") from error
        print(f"Wrote {options.html}", file=sys.stderr)
    if options.json:
        print_json(found.as_dict())
    else:
        print(found)
    return 0
