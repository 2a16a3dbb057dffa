"""`videochat mcp`: the agent's tools for clients of the Model Context Protocol."""

from __future__ import annotations

import argparse
import os

from videochat.cli.common import Commands, add_command, add_video_options
from videochat.errors import InvalidArgument


def add_commands(commands: Commands) -> None:
    """Add `mcp`."""
    mcp = add_command(commands, "mcp", _mcp, "serve the tools over the Model Context Protocol, on stdio or HTTP")
    add_video_options(mcp, several=True)
    mcp.add_argument("--http", metavar="[HOST:]PORT", help="serve over HTTP (host: 127.0.0.1) instead of stdio")
    mcp.add_argument(
        "--token", help="with --http: what clients must send (default: $VIDEOCHAT_MCP_TOKEN; made where needed)"
    )
    mcp.add_argument("--name", action="append", default=[], help="with --http: a further host name that it answers to")
    mcp.add_argument("--video-model", metavar="DIR", help="VideoChat-Embed or another video model to look with")


def _mcp(options: argparse.Namespace) -> int:
    from videochat.agent import VideoToolkit
    from videochat.mcp_server import serve_http, serve_stdio

    host, port = _address(options.http) if options.http else ("", 0)
    toolkit = VideoToolkit(
        options.video,
        preset=options.preset,
        memory=options.memory,
        video_model=options.video_model,
        pictures=True,
    )
    try:
        if options.http:
            token = options.token or os.environ.get("VIDEOCHAT_MCP_TOKEN")
            serve_http(toolkit, host, port, token=token, names=options.name)
        else:
            serve_stdio(toolkit)
    finally:
        toolkit.close()
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(f"--http needs PORT or HOST:PORT with a port from 1 to 65535, got {text!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)
