"""`videochat serve` in a process of its own, and the browser that looks at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@contextmanager
def serving(*arguments: str, home: Path, token: str | None = None) -> Iterator[str]:
    """Run a server on a free port until the block ends; give its address."""
    arguments = (*arguments, "--token", token) if token else arguments
    environment = os.environ | {"VIDEOCHAT_HOME": str(home), "VIDEOCHAT_EMBEDDINGS": "builtin"}
    command = [sys.executable, "-m", "videochat.cli", "serve", *arguments, "--port", "0", "--preset", "builtin"]
    server = subprocess.Popen([*command, "--llm", "extractive"], stderr=subprocess.PIPE, env=environment, text=True)
    assert server.stderr is not None
    said: list[str] = []
    try:
        for line in server.stderr:
            said.append(line)
            if found := re.search(r"page\s+(http://\S+)/", line):
                break
        else:
            raise AssertionError(f"the server ended: {''.join(said)}")
        # Read on, or a full pipe would stop it.
        reading = threading.Thread(target=lambda: said.extend(server.stderr or ()), daemon=True)
        reading.start()
        _wait_until_watched(found[1], token)
        yield found[1]
        assert server.poll() is None, "the server stays up"
    finally:
        server.terminate()
        assert server.wait(90) == 0, "it ends in order"
        reading.join()
        assert "Traceback" not in "".join(said)
        assert "stopped; what was seen is kept" in said[-1]


def _wait_until_watched(address: str, token: str | None) -> None:
    request = Request(f"{address}/api/videos", headers={"Authorization": f"Bearer {token}"} if token else {})
    while True:
        with urlopen(request) as answer:
            states = {video["state"] for video in json.load(answer)["videos"]}
        if not states & {"waiting", "watching"}:
            assert states <= {"watched"}
            return
        time.sleep(0.1)


@contextmanager
def browser() -> Iterator[Any]:
    """Give a headless chromium; without one the test is skipped, where CI promises it, it fails."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:
        reason = "the page is tried in chromium, by playwright: one of them is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)  # a user's machine needs no browser to be tested
    with sync_playwright() as playwright:
        # Containers have no user namespaces for its sandbox; it opens only what this test serves.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu", *_QUIET])
        yield chromium
        chromium.close()
