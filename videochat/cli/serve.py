"""`videochat serve`: a page on which answers play, and an endpoint of the OpenAI protocol."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import sys
from typing import TYPE_CHECKING

from videochat.cli.common import VIDEO_MODEL_HELP, Commands, add_command, add_watch_options
from videochat.errors import InvalidArgument, MissingDependency
from videochat.hosts import AllowedHosts, is_loopback

if TYPE_CHECKING:
    from videochat.media import Video


def add_commands(commands: Commands) -> None:
    """Add `serve`."""
    serve = add_command(commands, "serve", _serve, "show videos, and what is asked of them, on a page in the browser")
    serve.add_argument("video", nargs="*", help="paths of videos")
    add_watch_options(serve)
    serve.add_argument("--library", action="store_true", help="also every video that the memory has captions of")
    serve.add_argument(
        "--folder", action="append", default=[], metavar="DIR", help="files below it may be added from the page"
    )
    serve.add_argument(
        "--llm",
        metavar="PROVIDER:MODEL",
        help="language model (default: VIDEOCHAT_LLM, OpenAI, none); embed:DIR for a video model that answers itself",
    )
    serve.add_argument("--video-model", metavar="DIR", help=VIDEO_MODEL_HELP)
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine alone)")
    serve.add_argument("--port", type=int, default=8421, help="port to listen at; 0 takes a free one (default: 8421)")
    serve.add_argument("--token", help="what whoever asks must know (default: none on this machine, else a new one)")
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name by which it is reached"
    )
    serve.add_argument(
        "--log", choices=("text", "json"), help="write a line for each request and answer (default: errors alone)"
    )
    serve.set_defaults(serves=True)
    serve.add_argument("--upload-mb", type=int, default=2048, metavar="N", help="largest file to send (default: 2048)")


def _serve(options: argparse.Namespace) -> int:
    if not (options.video or options.library or options.folder):
        raise InvalidArgument("There is nothing to serve; give a video, --library, or --folder DIR to add files from.")
    if not 0 <= options.port < 65536:
        raise InvalidArgument(f"--port must be from 0 to 65535, got {options.port}.")
    if options.token is not None and not options.token.isascii():
        raise InvalidArgument("--token must be of ASCII characters, as it travels in headers.")
    try:
        from videochat.serve.app import address_of, listen, make_app, run
        from videochat.serve.operation import log_to_stderr
    except ImportError as error:
        raise MissingDependency("`videochat serve` needs packages: pip install 'videochat[serve]'.") from error
    from videochat.serve.videos import ServedVideos

    sock = listen(options.host, options.port)
    try:
        port = address_of(sock)[1]
        token = options.token or (None if is_loopback(options.host) else secrets.token_urlsafe(24))
        videos = ServedVideos(
            options.video,
            memory=options.memory,
            preset=options.preset,
            llm=options.llm,
            video_model=options.video_model,
            library=options.library,
            folders=options.folder,
        )
        try:
            allowed = AllowedHosts.listening_at(options.host, port, options.allow_host)
            app = make_app(videos, allowed=lambda: allowed, token=token, most_upload_bytes=options.upload_mb * 2**20)
            if options.log:
                log_to_stderr(options.log)
            _say_where(options.host, port, token, [served.name for served in videos.all()])
            run(app, sock)
        finally:
            videos.close()
    finally:
        sock.close()
    return 0


def open_page(video: Video, start_seconds: float, end_seconds: float | None) -> int:
    """Serve a video on a free port, and open its page at a moment in the browser; Ctrl-C ends.

    Args:
        video: what is shown.
        start_seconds: from where.
        end_seconds: up to where; None for no end.

    Raises:
        ImportError: the extra `serve` is not installed.
    """
    from videochat.serve.app import address_of, listen, make_app, run
    from videochat.serve.videos import ServedVideos

    with contextlib.closing(listen("127.0.0.1", 0)) as sock, contextlib.closing(ServedVideos([video.path])) as videos:
        port = address_of(sock)[1]
        allowed = AllowedHosts.listening_at("127.0.0.1", port)
        until = "" if end_seconds is None else f",{end_seconds:g}"
        address = f"http://127.0.0.1:{port}/?video={video.id}&t={start_seconds:g}{until}"
        # The socket listens already: a browser that is quick waits for the first answer.
        opened = browse(address)
        print(
            f"{'Opened' if opened else 'Open this in a browser:'} {address}\nCtrl-C ends.", file=sys.stderr, flush=True
        )
        run(make_app(videos, allowed=lambda: allowed), sock)
    return 0


def browse(address: str) -> bool:
    """Open an address in the browser; return whether there is one."""
    import webbrowser

    try:
        return webbrowser.get().open(address)
    except webbrowser.Error:
        return False


def _say_where(host: str, port: int, token: str | None, names: list[str]) -> None:
    name = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104 - compared with
    address = f"http://{name}:{port}"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    print(f"videochat: {shown or 'no video yet'}", file=sys.stderr)
    print(f"videochat: page      {address}/{f'?token={token}' if token else ''}", file=sys.stderr)
    print(f"videochat: endpoint  {address}/v1 {f'(API key: {token})' if token else ''}".rstrip(), file=sys.stderr)
    if not is_loopback(host):
        print("videochat: whoever can reach this machine and knows the token can ask and see.", file=sys.stderr)
    print("videochat: Ctrl-C ends.", file=sys.stderr, flush=True)
