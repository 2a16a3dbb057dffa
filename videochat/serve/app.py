"""The server of `videochat serve`: routes, errors, files of the page, and listening."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from videochat.answer_html import answer_style
from videochat.errors import MediaError, StoreInUse, UnknownName, VideoChatError
from videochat.hosts import AllowedHosts, App, HostCheck
from videochat.serve.api import Api
from videochat.serve.openai_api import OpenAIApi
from videochat.serve.operation import MEDIA_TYPE, Figures, Observed, note
from videochat.serve.safety import Guard, Refused, problem
from videochat.serve.videos import ServedVideos

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_THREADS = 32
log = logging.getLogger("videochat.serve")


def make_app(
    videos: ServedVideos,
    *,
    allowed: Callable[[], AllowedHosts],
    token: str | None = None,
    most_upload_bytes: int = 2 * 2**30,
) -> App:
    """Return the server as an ASGI app.

    Args:
        videos: what is served; the caller closes it.
        allowed: the names under which it is asked.
        token: what whoever asks must know; None for nobody to be asked.
        most_upload_bytes: longest file that may be sent.
    """
    figures = Figures(videos)
    api, openai = Api(videos, figures, most_upload_bytes), OpenAIApi(videos, figures)
    page = _Page()

    async def health(request: Request) -> Response:
        """GET /health: whether questions can be answered; for those who start servers anew."""
        try:
            await asyncio.to_thread(videos.check)
        except VideoChatError as error:
            return problem(503, str(error), "unhealthy")
        return JSONResponse({"status": "ok"})

    async def metrics(request: Request) -> Response:
        """GET /metrics: figures for Prometheus."""
        return Response(await asyncio.to_thread(figures.text), headers={"content-type": MEDIA_TYPE})

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        # Answers wait in threads; the few of the default would let a slow model stop everybody.
        loop, threads = asyncio.get_running_loop(), ThreadPoolExecutor(_THREADS, "videochat-serve")
        loop.set_default_executor(threads)
        note("started", videos=len(videos.all()))
        yield
        note("stopping")
        # Whoever asked has gone: nobody waits for a slow model, and the loop has none to wait for.
        threads.shutdown(wait=False, cancel_futures=True)
        loop.set_default_executor(ThreadPoolExecutor(1))

    app = Starlette(
        routes=[
            Route("/", page.index),
            Route("/static/{name}", page.file),
            Route("/api/videos", api.list_videos, methods=["GET"]),
            Route("/api/videos", api.add_video, methods=["POST"]),
            Route("/api/videos/{id}", api.get_video),
            Route("/api/videos/{id}/captions", api.captions),
            Route("/api/videos/{id}/subtitles.vtt", api.subtitles),
            Route("/api/videos/{id}/picture", api.picture),
            Route("/api/upload", api.upload, methods=["POST"]),
            Route("/api/search", api.search),
            Route("/api/ask", api.ask, methods=["POST"]),
            Route("/media/{id}", api.media),
            Route("/media/{id}/stream", api.stream),
            Route("/health", health),
            Route("/metrics", metrics),
            *openai.routes(),
        ],
        exception_handlers={
            Refused: _refused,
            VideoChatError: _refused,
            PermissionError: _refused,
            OSError: _refused,
            HTTPException: _refused,
            Exception: _broken,
        },
        lifespan=life,
    )
    return Observed(HostCheck(Guard(app, token), allowed), figures)


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return problem(error.status, str(error), error.code, error.param)
    if isinstance(error, HTTPException):
        there = "There is nothing at this address" if error.status_code == 404 else str(error.detail)
        return problem(error.status_code, f"{there}: {request.method} {request.url.path[:200]}.")
    if isinstance(error, UnknownName):
        return problem(404, str(error), "not_found")
    if isinstance(error, StoreInUse):
        return problem(409, str(error), "in_use")
    if isinstance(error, PermissionError) and not error.errno:
        return problem(403, str(error), "not_allowed")
    away = isinstance(error, MediaError) and re.search("no file|has changed since it was watched", str(error))
    if away or isinstance(error, FileNotFoundError):
        return problem(
            410, "The file of this video was moved, deleted or replaced; put it back, or add it again.", "gone"
        )
    if isinstance(error, VideoChatError):
        return problem(400, str(error))
    return await _broken(request, error)


async def _broken(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, f"This request failed ({type(error).__name__}); the log of the server says more.")


class _Page:
    """The files of the page, read once."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str, str]] = {}
        for file in files("videochat.serve").joinpath("page").iterdir():
            self._put(file.name, file.read_bytes())
        self._put("answer.css", answer_style().encode())

    def _put(self, name: str, body: bytes) -> None:
        digest = hashlib.blake2b(body, digest_size=12).hexdigest()
        self._files[name] = body, f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", f'"{digest}"'

    async def index(self, request: Request) -> Response:
        """GET /: the page."""
        return self._answer(request, "index.html")

    async def file(self, request: Request) -> Response:
        """GET /static/...: a file of the page."""
        return self._answer(request, request.path_params["name"])

    def _answer(self, request: Request, name: str) -> Response:
        if name not in self._files:
            raise HTTPException(404)
        body, media_type, etag = self._files[name]
        headers = {"etag": etag, "cache-control": "no-cache"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers | {"content-type": media_type})


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any that is free.

    Raises:
        VideoChatError: the port is taken, or the address is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(512)
    except (OSError, OverflowError) as error:
        sock.close()
        why = getattr(error, "strerror", None) or error
        raise VideoChatError(
            f"Nothing can be served at {host} port {port} ({why}); --port 0 takes any port that is free."
        ) from error
    return sock


def run(app: App, sock: socket.socket) -> None:
    """Serve on a listening socket until interrupted."""
    config = uvicorn.Config(
        app,
        log_config=None,  # its warnings go where ours go
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=20,
        http="h11",  # the other reads a header without end
        h11_max_incomplete_event_size=2**15,
    )
    uvicorn.Server(config).run(sockets=[sock])


def address_of(sock: socket.socket) -> tuple[str, int]:
    """Return host and port at which a socket listens."""
    name: Any = sock.getsockname()
    return str(name[0]), int(name[1])
