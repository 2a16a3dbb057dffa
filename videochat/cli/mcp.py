"""`videochat mcp`: the agent's tools for clients of the Model Context Protocol."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from shlex import quote
from typing import Any

from videochat.cli.common import VIDEO_MODEL_HELP, Commands, add_command, add_video_options
from videochat.errors import InvalidArgument

_WHERE = {
    "claude": "Put this into claude_desktop_config.json (Settings, Developer, Edit Config), and start Claude anew.",
    "claude-code": "Run this line, then ask Claude Code about the video.",
    "codex": "Put this into ~/.codex/config.toml.",
    "cursor": "Put this into .cursor/mcp.json of a project, or into ~/.cursor/mcp.json.",
    "vscode": "Put this into .vscode/mcp.json of a project.",
    "windsurf": "Put this into ~/.codeium/windsurf/mcp_config.json.",
}
CLIENTS = tuple(_WHERE)


def client_config(client: str, options: argparse.Namespace) -> tuple[str, str]:
    """Return what sets the server up in a client, and where it goes.

    Args:
        client: one of `CLIENTS`.
        options: those of `videochat mcp`; paths are made absolute, since clients start servers elsewhere.
    """
    arguments = ["-m", "videochat.cli", "mcp"]
    arguments += [text if "://" in text else str(Path(text).expanduser().resolve()) for text in options.video]
    if options.preset:
        arguments += ["--preset", options.preset if isinstance(options.preset, str) else ",".join(options.preset)]
    if options.llm:
        arguments += ["--llm", options.llm]
    if options.memory:
        here = "://" not in options.memory
        arguments += ["--memory", str(Path(options.memory).expanduser().resolve()) if here else options.memory]
    if options.video_model:
        from videochat.tools.clip_models import VideoModel

        folder = VideoModel.parse(options.video_model).weights
        path, settings = Path(folder).expanduser(), options.video_model[len(folder) :]
        arguments += ["--video-model", f"{path.resolve() if path.exists() else folder}{settings}"]
    server: dict[str, Any] = {"command": sys.executable, "args": arguments}
    if home := os.environ.get("VIDEOCHAT_HOME"):
        server["env"] = {"VIDEOCHAT_HOME": str(Path(home).expanduser().resolve())}
    if client == "claude-code":
        variables = [f"--env {quote(f'{name}={value}')}" for name, value in server.get("env", {}).items()]
        line = " ".join(["claude mcp add videochat", *variables, "--", *map(quote, [sys.executable, *arguments])])
        return line, _WHERE[client]
    if client == "codex":
        # A JSON string is a TOML string, too.
        lines = [
            "[mcp_servers.videochat]",
            f"command = {json.dumps(sys.executable)}",
            f"args = {json.dumps(arguments)}",
        ]
        lines += [f"env = {{ {name} = {json.dumps(value)} }}" for name, value in server.get("env", {}).items()]
        return "\n".join(lines), _WHERE[client]
    if client == "vscode":
        return json.dumps({"servers": {"videochat": {"type": "stdio"} | server}}, indent=2), _WHERE[client]
    return json.dumps({"mcpServers": {"videochat": server}}, indent=2), _WHERE[client]


def add_commands(commands: Commands) -> None:
    """Add `mcp`."""
    mcp = add_command(commands, "mcp", _mcp, "serve the tools over the Model Context Protocol, on stdio or HTTP")
    add_video_options(mcp, several=True)
    mcp.set_defaults(serves=True)
    mcp.add_argument("--http", metavar="[HOST:]PORT", help="serve over HTTP (host: 127.0.0.1) instead of stdio")
    mcp.add_argument(
        "--token", help="with --http: what clients must send (default: $VIDEOCHAT_MCP_TOKEN; made where needed)"
    )
    mcp.add_argument("--name", action="append", default=[], help="with --http: a further host name that it answers to")
    mcp.add_argument(
        "--print-config",
        choices=CLIENTS,
        metavar="CLIENT",
        help=f"print what sets this server up in a client, and end: {', '.join(CLIENTS)}",
    )
    mcp.add_argument(
        "--llm",
        metavar="PROVIDER:MODEL",
        help="language model of the tool `ask` (default: VIDEOCHAT_LLM, OpenAI, none)",
    )
    mcp.add_argument("--video-model", metavar="DIR", help=VIDEO_MODEL_HELP)


def _mcp(options: argparse.Namespace) -> int:
    if options.print_config:
        text, where = client_config(options.print_config, options)
        print(text)
        print(where, file=sys.stderr)
        return 0
    from videochat.agent import VideoAgent, VideoToolkit
    from videochat.mcp_server import serve_http, serve_stdio

    host, port = _address(options.http) if options.http else ("", 0)
    with VideoAgent(
        options.video,
        llm=options.llm,
        preset=options.preset,
        memory=options.memory,
        video_model=options.video_model,
    ) as agent:
        toolkit = VideoToolkit(video_set=agent.video_set, video_model=options.video_model, pictures=True)
        if options.http:
            token = options.token or os.environ.get("VIDEOCHAT_MCP_TOKEN")
            serve_http(toolkit, host, port, agent=agent, token=token, names=options.name)
        else:
            serve_stdio(toolkit, agent)
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise InvalidArgument(f"--http needs PORT or HOST:PORT with a port from 1 to 65535, got {text!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)
