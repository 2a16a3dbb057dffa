"""`videochat export`: what is remembered of a video, as a file for other programs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from videochat.cli.common import Commands, add_command, add_video_options, agent_for, kind_option
from videochat.cli.progress import watch_progress
from videochat.errors import InvalidArgument, StoreError

# Named here and not imported: the help must not wait for the memory.
_FORMATS = ("srt", "vtt", "csv", "md", "json", "chapters")


def add_commands(commands: Commands) -> None:
    """Add `export`."""
    export = add_command(
        commands, "export", _export, "write what is remembered of a video as subtitles, a table, notes or chapters"
    )
    add_video_options(export)
    export.add_argument(
        "--format",
        choices=_FORMATS,
        help="srt, vtt: subtitles of what is said, or of --kind; md: notes; csv, json: everything; chapters: a list of "
        "parts with their times (default: what the name of the file ends with, else md)",
    )
    export.add_argument("-o", "--output", metavar="FILE", help="where to write (default: standard output)")
    export.add_argument(
        "--kind", action="append", type=kind_option, help="only captions of this kind, or of this sense; repeatable"
    )


def _export(options: argparse.Namespace) -> int:
    from videochat.memory.chapters import make_chapters
    from videochat.memory.exports import export_text

    ending = Path(options.output or "").suffix.lower().removeprefix(".")
    format_ = options.format or (ending if ending in _FORMATS else "md")
    with agent_for(options) as agent:
        with watch_progress(agent) as progress:
            agent.watch(progress=progress)
        video, everything = agent.video, agent.captions()
        chosen = [c for kind in options.kind for c in agent.captions(kind)] if options.kind else everything
    if format_ in ("srt", "vtt") and not options.kind:
        chosen = [caption for caption in everything if caption.kind == "speech"]
    elif format_ == "md" and not options.kind:
        # Cuts and measurements every two seconds are not what notes are read for.
        chosen = [caption for caption in everything if caption.kind not in ("shot", "measure")]
    if not chosen and format_ != "chapters":
        wanted = " or ".join(options.kind or ["speech"])
        kinds = ", ".join(sorted({caption.kind for caption in everything})) or "none"
        raise InvalidArgument(
            f"There is nothing to write of {video.name!r}: no caption of the kind {wanted}. "
            f"There are captions of the kinds: {kinds}; choose with --kind."
        )
    duration = video.duration_seconds
    text = export_text(
        chosen, format_, name=video.name, duration_seconds=duration, chapters=make_chapters(everything, duration)
    )
    if not options.output or options.output == "-":
        print(text, end="")
        return 0
    from videochat.local_files import check_target

    check_target(Path(options.output).expanduser(), [video.path])
    try:
        # No translation of line ends: a table has its own.
        Path(options.output).expanduser().write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise StoreError(f"{options.output!r} cannot be written ({error.strerror}).") from error
    print(f"Wrote {options.output}: {format_}, {len(chosen)} captions", file=sys.stderr)
    return 0
