"""`videochat presets`, `download`, `doctor` and `demo`: what is on this machine, and how to get what is not."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from videochat.cli.common import Commands, add_command, add_json_option, print_json

if TYPE_CHECKING:
    from videochat.hub import Weights


def add_commands(commands: Commands) -> None:
    """Add the commands."""
    presets = add_command(commands, "presets", _presets, "list the line-ups of senses")
    download = add_command(commands, "download", _download, "fetch the weights of a preset, or of one model")
    download.add_argument(
        "what",
        metavar="WHAT",
        help="a preset, `embeddings` (search by meaning), `find_frames`, `find_objects`, or a model's hub id",
    )
    doctor = add_command(commands, "doctor", _doctor, "say what this machine can do")
    demo = add_command(commands, "demo", _demo, "draw two small videos and ask four questions about them")
    demo.add_argument("path", nargs="?", default="videochat-demo.mp4", help="where to write it")
    for command in (presets, doctor):
        add_json_option(command)


def _demo(options: argparse.Namespace) -> int:
    from videochat.demo import run_demo

    run_demo(options.path)
    return 0


def _download(options: argparse.Namespace) -> int:
    from videochat.hub import find_weights

    who, wanted = _wanted(options.what)
    for weights in wanted:
        size = f", about {weights.download_mb} MB" if weights.download_mb else ""
        print(f"{weights.model} ({weights.licence}{size})", file=sys.stderr)
        print(find_weights(weights, needed_by=who, allow_download=True))
    if not wanted:
        print(f"{who} needs no downloads.", file=sys.stderr)
    return 0


def _wanted(what: str) -> tuple[str, list[Weights]]:
    """Return who needs weights, as a message begins, and which."""
    from videochat.errors import UnknownName
    from videochat.hub import known
    from videochat.memory.embeddings import DEFAULT_MODEL
    from videochat.tools import DEFAULT_PRESET, PRESETS
    from videochat.tools.frame_embeddings import FrameEmbedder
    from videochat.tools.object_search import ObjectFinder
    from videochat.tools.whisper import whisper_weights

    if what == DEFAULT_PRESET:
        return f"The preset {what!r}", [whisper_weights("base", "faster-whisper"), known(DEFAULT_MODEL)]
    if what in PRESETS:
        return f"The preset {what!r}", PRESETS[what].weights()
    if what == "embeddings":
        return "Search by meaning", [known(DEFAULT_MODEL)]
    if what == "find_frames":
        return "The search for pictures", [FrameEmbedder().weights]
    if what == "find_objects":
        return "The search for things", [ObjectFinder().weights]
    if "/" not in what:
        raise UnknownName("download", what, [*PRESETS, "embeddings", "find_frames", "find_objects", "OWNER/MODEL"])
    return "The download", [known(what)]


def _presets(options: argparse.Namespace) -> int:
    from videochat.hub import is_here
    from videochat.tools import PRESETS, make_tools

    listed: dict[str, dict[str, Any]] = {
        preset.name: {
            "summary": preset.summary,
            "weights": [dataclasses.asdict(weights) | {"here": is_here(weights)} for weights in preset.weights()],
            "tools": {tool.name: {"kind": tool.kind, "sees": tool.sees} for tool in make_tools(preset.name)},
        }
        for preset in PRESETS.values()
    }
    if options.json:
        print_json(listed)
        return 0
    for name, preset in listed.items():
        print(f"{name}: {preset['summary']}")
        for tool, facts in preset["tools"].items():
            print(f"  {tool:<15} {facts['kind']:<13} {facts['sees']}")
        for weights in preset["weights"]:
            state = "on this machine" if weights["here"] else f"about {weights['download_mb']} MB to download"
            print(f"    {weights['model']} ({weights['licence']}): {state}, {weights['memory_mb']} MB in memory")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from videochat.doctor import examine

    findings = examine()
    if options.json:
        print_json([{"part": f.part, "ok": f.ok, "found": f.found, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else '-- '} {finding.part}: {finding.found}")
            if finding.fix:
                print(f"    {finding.fix}")
    return 0 if all(f.ok or not f.needed for f in findings) else 1
