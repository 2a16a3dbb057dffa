"""The command line: `videochat COMMAND ...`.

Errors are one sentence and exit status 1, wrong usage is 2, Ctrl-C is 130, SIGTERM 143 (a server that was told to end
has done its work: 0); `--debug`, anywhere, shows the trace.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from videochat.cli import (
    ask,
    clips,
    compare,
    completion,
    embed,
    evaluate,
    export,
    inspect,
    live,
    mcp,
    memory,
    serve,
    watch,
)
from videochat.cli.common import Parser, Terminated
from videochat.errors import VideoChatError
from videochat.printable import PrintableStream

_ENVIRONMENT = """environment variables:
  VIDEOCHAT_LLM          language model, PROVIDER:MODEL, or extractive for none
  OPENAI_API_KEY         with it, and without the one above, OpenAI answers
  OPENAI_BASE_URL        another server that speaks OpenAI's protocol
  VIDEOCHAT_HOME         folder of captions and downloads (default: that of your system for user data)
  VIDEOCHAT_EMBEDDINGS   what texts are compared by: a model, or builtin
  VIDEOCHAT_RERANKER     model that orders what a search found
  VIDEOCHAT_ENTAILMENT   model that holds sentences of an answer against what they cite
  VIDEOCHAT_VIDEO_MODEL  video model that the agent may look with
  VIDEOCHAT_MCP_TOKEN    what clients of `mcp --http` must send
  HF_HUB_OFFLINE=1       never ask the hub
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    Args:
        arguments: what follows `videochat`; None for those of the process.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A caption may hold what the terminal cannot write.
            stream.reconfigure(errors="backslashreplace")
    # What a video says, or is called, steers no terminal.
    with (
        redirect_stdout(cast("TextIO", PrintableStream(sys.stdout))),
        redirect_stderr(cast("TextIO", PrintableStream(sys.stderr))),
        _orderly_end(),
    ):
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    parser = make_parser()
    options = parser.parse_args(arguments)
    if not hasattr(options, "command"):
        getattr(options, "group", parser).print_help()
        return 2
    warnings.showwarning = _show_warning
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except VideoChatError as error:
        if options.debug:
            raise
        print(f"videochat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print("\nvideochat: stopped; what was seen is kept, and the next run goes on from there.", file=sys.stderr)
        serves = getattr(options, "serves", False)
        status = 130 if not isinstance(interrupt, Terminated) else 0 if serves else 143
        if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
            # A model computes on in its thread; nobody waits for it.
            sys.stdout.flush()
            os._exit(status)
        return status
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise
        # Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 0  # the reader (head, less) has enough
        print(f"videochat: Nothing more can be written ({error.strerror}); make room.", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """While a command runs SIGTERM, which container engines and service managers send, ends it as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return

    def end(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; nothing heavy is imported."""
    from importlib.metadata import version

    parser = Parser(
        prog="videochat",
        description="Ask questions about a video and get answers with timestamps that are true.",
        epilog=_ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"videochat {version('videochat')}")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (ask, watch, live, compare, evaluate, serve, clips, export, memory, mcp, embed, inspect, completion):
        module.add_commands(commands)
    parser.set_defaults(parser=parser)  # what completion reads
    return parser


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if category is UserWarning:
        print(f"videochat: {message}", file=sys.stderr)
