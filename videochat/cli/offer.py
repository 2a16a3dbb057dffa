"""The one offer that is made without being asked: models that see, where none are on the machine."""

from __future__ import annotations

import argparse
import json
import os
import sys

from videochat.errors import VideoChatError
from videochat.home import home

_OFFERED = "small"


def offer_models(options: argparse.Namespace) -> None:
    """Offer to fetch the preset `small`, once, to a person at a terminal who has only what comes with the package.

    The answer is kept in the data folder, so that nobody is asked twice. Nobody is asked in CI, where the output is
    for programs, where a preset or another model that sees was named, or where the network is forbidden.

    Args:
        options: of a command that watches.
    """
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not terminal or os.environ.get("CI") or getattr(options, "json", False):
        return
    if options.preset is not None or getattr(options, "describe", None) or (home() / "offers.json").exists():
        return
    from huggingface_hub import constants

    from videochat.hub import find_weights, is_here
    from videochat.tools import DEFAULT_PRESET, PRESETS, best_present

    if constants.is_offline_mode() or best_present() != DEFAULT_PRESET:
        return
    wanted = [weights for weights in PRESETS[_OFFERED].weights() if not is_here(weights)]
    size = sum(weights.download_mb or 0 for weights in wanted) / 1000
    print(
        "So far text, cuts and light are seen, but no people, things or actions. The models of the preset "
        f"{_OFFERED!r} see them, on a CPU too: {size:.1f} GB to download "
        f"({', '.join(weights.model for weights in wanted)}).",
        file=sys.stderr,
    )
    accepted = _yes("Fetch them now? This is asked once. [y/N] ")
    home().mkdir(parents=True, exist_ok=True)
    (home() / "offers.json").write_text(json.dumps({_OFFERED: "accepted" if accepted else "declined"}))
    if not accepted:
        print(f"`videochat download {_OFFERED}` fetches them at any time.", file=sys.stderr)
        return
    try:
        for weights in wanted:
            print(weights, file=sys.stderr)
            find_weights(weights, needed_by=f"The preset {_OFFERED!r}", allow_download=True)
    except VideoChatError as error:
        print(f"{error} Until then it is watched without; `videochat download {_OFFERED}` goes on.", file=sys.stderr)


def _yes(question: str) -> bool:
    # Not input(question): that writes to the standard output, which may be a file.
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().casefold() in ("y", "yes", "j", "ja", "o", "oui", "s", "sí", "是")
