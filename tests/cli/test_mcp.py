"""`videochat mcp`: what is refused before anything is served. Serving itself: tests/stories."""

import json
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.cli.mcp import CLIENTS


@pytest.mark.parametrize("address", ["soon", "localhost:", "0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "a.mp4", "--http", address]) == 1
    assert "--http needs PORT or HOST:PORT" in capsys.readouterr().err


def test_a_video_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "nothing.mp4"]) == 1
    assert "There is no file 'nothing.mp4'" in capsys.readouterr().err


@pytest.mark.parametrize("client", CLIENTS)
def test_what_sets_a_client_up_starts_this_server(
    client: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDEOCHAT_HOME", "my data")
    assert main(["mcp", "my film.mp4", "--memory", "store", "--print-config", client]) == 0
    printed = capsys.readouterr()
    if client == "claude-code":
        words = shlex.split(printed.out)
        assert words[:4] == ["claude", "mcp", "add", "videochat"]
        server = {"command": words[7], "args": words[8:], "env": {"VIDEOCHAT_HOME": words[5].partition("=")[2]}}
    elif client == "codex":
        server = tomllib.loads(printed.out)["mcp_servers"]["videochat"]
    else:
        server = json.loads(printed.out)["servers" if client == "vscode" else "mcpServers"]["videochat"]
    film, store = str(tmp_path / "my film.mp4"), str(tmp_path / "store")
    assert [server["command"], *server["args"]] == [
        *[sys.executable, "-m", "videochat.cli", "mcp", film, "--memory", store]
    ]
    assert server["env"] == {"VIDEOCHAT_HOME": str(tmp_path / "my data")}
    assert printed.err.count("\n") == 1
