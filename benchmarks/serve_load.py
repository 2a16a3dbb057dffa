"""How the page answers many clients at once.

python benchmarks/serve_load.py --clients 200 --seconds 60

Serves the demo clip in a process of its own on loopback. Each client keeps a connection and visits the page every few
seconds (`--pause`), as a browser does that has it already. Prints requests, errors and percentiles in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from videochat.demo import draw_demo

# Each client would read them anew, which takes longer than a thousand of its requests.
_CERTIFICATES = ssl.create_default_context()
ADDRESSES = ("/", "/static/page.css", "/static/page.js", "/static/answer.css", "/api/videos")


async def client(base: str, until: float, pause: float, times: list[float], errors: list[str]) -> None:
    """Read the page until a moment; remember how long each request took."""
    etags: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=base, timeout=30, verify=_CERTIFICATES) as session:
        await asyncio.sleep(random.random() * pause)
        while time.monotonic() < until:
            for address in ADDRESSES:
                began = time.perf_counter()
                try:
                    response = await session.get(address, headers={"if-none-match": etags.get(address, "")})
                    if response.status_code not in (200, 304):
                        errors.append(f"{address}: {response.status_code}")
                except httpx.HTTPError as error:
                    errors.append(f"{address}: {type(error).__name__}")
                    continue
                times.append((time.perf_counter() - began) * 1000)
                etags[address] = response.headers.get("etag", "")
            await asyncio.sleep(pause * (0.5 + random.random()))


async def measure(base: str, clients: int, seconds: float, pause: float) -> dict[str, object]:
    """Run all clients and sum up."""
    times: list[float] = []
    errors: list[str] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(base, until, pause, times, errors) for _ in range(clients)))
    if not times:
        raise SystemExit(f"no request was answered: {errors[:3]}")
    ordered = sorted(times)
    figures = {f"p{part}_ms": round(ordered[len(ordered) * part // 100], 1) for part in (50, 95, 99)}
    return {"clients": clients, "seconds": seconds, "requests": len(times), "errors": len(errors), **figures}


def main() -> None:
    """Serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between two visits of a client")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = draw_demo(Path(folder) / "tea.mp4")
        command = [sys.executable, "-m", "videochat.cli", "serve", str(clip), "--port", "0", "--llm", "extractive"]
        environment = os.environ | {"VIDEOCHAT_EMBEDDINGS": "builtin"}
        server = subprocess.Popen(
            [*command, "--memory", f"{folder}/memory"], stderr=subprocess.PIPE, text=True, env=environment
        )
        assert server.stderr is not None
        try:
            base = next(found[1] for line in server.stderr if (found := re.search(r"page\s+(http://\S+)/", line)))
            while httpx.get(f"{base}/api/videos", timeout=30).json()["videos"][0]["state"] != "watched":
                time.sleep(0.5)
            print(json.dumps(asyncio.run(measure(base, options.clients, options.seconds, options.pause))))
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
