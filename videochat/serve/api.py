"""What the page asks for: the videos and their state, captions, search, pictures, media, questions, files to add."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from videochat.agent import VideoAgent
from videochat.answer_html import answer_html
from videochat.errors import InvalidArgument, MediaError, VideoChatError
from videochat.playback import browser_stream
from videochat.printable import printable
from videochat.records import Answer
from videochat.serve.operation import Figures
from videochat.serve.safety import Refused, read_json
from videochat.serve.videos import ServedVideo, ServedVideos

_MOST_STREAMS = 4
_MOST_QUESTION = 4000
_PICTURE_SIDES = {"small": 320, "large": 960}
_PIECE = 2**16
_PATIENCE_SECONDS = 20.0  # of a question with a video of which nothing has been noted yet
log = logging.getLogger("videochat.serve")


class Api:
    """The routes of the page, each a method of a request.

    Args:
        videos: what is served.
        figures: where answers are counted.
        most_upload_bytes: longest file that may be sent.
    """

    def __init__(self, videos: ServedVideos, figures: Figures, most_upload_bytes: int) -> None:
        self._videos, self._figures, self._most_upload_bytes = videos, figures, most_upload_bytes
        self._streams = threading.BoundedSemaphore(_MOST_STREAMS)
        self._pictures: dict[tuple[str, float, str], bytes] = {}

    async def list_videos(self, request: Request) -> Response:
        """GET /api/videos: every video with its state, and what may be added."""
        states = await asyncio.to_thread(lambda: [self._videos.state(served) for served in self._videos.all()])
        return JSONResponse(
            {
                "videos": states,
                "folders": [str(folder) for folder in self._videos.folders],
                "most_upload_bytes": self._most_upload_bytes,
            }
        )

    async def add_video(self, request: Request) -> Response:
        """POST /api/videos {"path": ...}: serve a file below an allowed folder, and watch it."""
        data = await read_json(request)
        path = data.get("path")
        if not isinstance(path, str) or not path.strip():
            raise Refused(400, 'Give the path of a video file, as {"path": "..."}.', param="path")
        served = await asyncio.to_thread(self._videos.add, path.strip())
        return JSONResponse(await asyncio.to_thread(self._videos.state, served), 201)

    async def upload(self, request: Request) -> Response:
        """POST /api/upload?name=...: the bytes of a file as the body; it is kept, served and watched."""
        name = _file_name(request.query_params.get("name", ""))
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._most_upload_bytes:
            raise self._too_large()
        folder = self._videos.uploads
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{os.urandom(8).hex()}.part"
        digest, received = hashlib.blake2b(digest_size=16), 0
        try:
            with part.open("wb") as file:
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > self._most_upload_bytes:
                        raise self._too_large()
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            if not received:
                raise Refused(400, f"The file {name!r} came without a byte; choose it again.")
            target = folder / f"{digest.hexdigest()}" / name
            target.parent.mkdir(exist_ok=True)
            if same := next((kept for kept in target.parent.iterdir() if kept != target), None):
                # Of one content sent under several names there is one copy on the disk.
                with contextlib.suppress(OSError):
                    os.link(same, part.with_suffix(".same"))
                    part.with_suffix(".same").replace(part)
            part.replace(target)
        except ClientDisconnect as error:
            raise Refused(400, "The client went away before the file was whole.") from error
        except OSError as error:
            raise Refused(507, f"The file cannot be kept: {error.strerror or error}.") from error
        finally:
            part.unlink(missing_ok=True)
        try:
            served = await asyncio.to_thread(self._videos.add, target)
        except MediaError as error:
            target.unlink(missing_ok=True)
            # The place on this machine is nothing to whoever sent it.
            raise Refused(415, str(error).replace(str(target), name), "no_video") from error
        return JSONResponse(await asyncio.to_thread(self._videos.state, served), 201)

    def _too_large(self) -> Refused:
        most = self._most_upload_bytes / 2**20
        return Refused(413, f"A file may have at most {most:,.0f} MB here (--upload-mb).", "too_large")

    async def get_video(self, request: Request) -> Response:
        """GET /api/videos/{id}: its state, and how the browser plays it."""
        served = self._served(request)
        data = await asyncio.to_thread(self._videos.state, served)
        if data["state"] != "gone":
            playback = await asyncio.to_thread(lambda: served.playback)
            data["playback"] = {"way": playback.way, "media_type": playback.media_type, "why": playback.why}
            # A video of the library begins to be watched, where it was not, when it is opened.
            await asyncio.to_thread(self._videos.agent, [served.id])
        return JSONResponse(data)

    async def captions(self, request: Request) -> Response:
        """GET /api/videos/{id}/captions: all that was noted, in temporal order."""
        served = self._served(request)
        found = await asyncio.to_thread(self._videos.captions, served)
        body = json.dumps({"captions": found}, ensure_ascii=False).encode()
        return _cached(request, body, "application/json")

    async def subtitles(self, request: Request) -> Response:
        """GET /api/videos/{id}/subtitles.vtt: what is said, for the player."""
        found = await asyncio.to_thread(self._videos.captions, self._served(request))
        return _cached(request, _vtt(c for c in found if c["kind"] == "speech").encode(), "text/vtt")

    async def picture(self, request: Request) -> Response:
        """GET /api/videos/{id}/picture?at=SECONDS: the picture a player shows then, as JPEG."""
        served, at = self._served(request), _seconds(request, "at")
        _check_there(served)
        size = request.query_params.get("size", "small")
        if size not in _PICTURE_SIDES:
            raise Refused(400, f"size must be one of {', '.join(_PICTURE_SIDES)}.", param="size")
        key = (served.id, round(at, 1), size)
        if key not in self._pictures:
            jpeg = await asyncio.to_thread(_jpeg, served, key[1], _PICTURE_SIDES[size])
            if len(self._pictures) > 500:
                self._pictures.pop(next(iter(self._pictures)))
            self._pictures[key] = jpeg
        return _cached(request, self._pictures[key], "image/jpeg")

    async def media(self, request: Request) -> Response:
        """GET /media/{id}: the file as it is, whole or in ranges."""
        served = self._served(request)
        _check_there(served)
        playback = await asyncio.to_thread(lambda: served.playback)
        stat = served.path.stat()
        etag = f'"{served.id}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        headers = {"etag": etag, "cache-control": "private, max-age=0, must-revalidate"}
        if _matches(request, etag) and "range" not in request.headers:
            return Response(status_code=304, headers=headers)
        return FileResponse(served.path, media_type=playback.media_type, headers=headers)

    async def stream(self, request: Request) -> Response:
        """GET /media/{id}/stream?from=SECONDS: what the browser cannot play, re-wrapped or encoded as it is read.

        The header `playback-start` says which second of the video its own time 0 is.
        """
        served, start = self._served(request), _seconds(request, "from")
        _check_there(served)
        playback = await asyncio.to_thread(lambda: served.playback)
        if not self._streams.acquire(blocking=False):
            raise Refused(
                503, f"{_MOST_STREAMS} videos are being made playable already; try again in a moment.", "busy"
            )
        stack = contextlib.ExitStack()
        stack.callback(self._streams.release)
        try:
            way = "encoded" if playback.way == "file" else playback.way
            began, pipe = await asyncio.to_thread(
                stack.enter_context, browser_stream(served.video, min(start, served.video.duration_seconds), way=way)
            )
        except BaseException:
            stack.close()
            raise
        headers = {"playback-start": f"{began:.6f}", "cache-control": "no-store"}

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for piece in iterate_in_threadpool(iter(lambda: pipe.read1(_PIECE), b"")):
                    yield piece
            finally:
                # Also where the reader went away: ffmpeg ends with it.
                stack.close()

        return StreamingResponse(pieces(), media_type="video/mp4", headers=headers)

    async def search(self, request: Request) -> Response:
        """GET /api/search?q=WORDS: moments of all videos, best first."""
        query = request.query_params.get("q", "")[:_MOST_QUESTION]
        found = await asyncio.to_thread(self._videos.search, query)
        return JSONResponse(
            {
                "moments": [
                    {
                        "video_id": served.id,
                        "video": served.name,
                        "start_seconds": hit.start_seconds,
                        "end_seconds": hit.end_seconds,
                        "kind": hit.caption.kind,
                        "text": hit.caption.text,
                    }
                    for served, hit in found
                ]
            }
        )

    async def ask(self, request: Request) -> Response:
        """POST /api/ask {"question", "videos", "conversation"}: a line of JSON for each event, the answer last."""
        data = await read_json(request)
        question, ids, thread = data.get("question"), data.get("videos"), data.get("conversation", "page")
        if not isinstance(question, str) or not question.strip() or len(question) > _MOST_QUESTION:
            raise Refused(400, f"question must be a text of 1 to {_MOST_QUESTION:,} characters.", param="question")
        if not isinstance(ids, list) or not ids or not all(isinstance(id_, str) for id_ in ids):
            raise Refused(400, "videos must be a list of the ids of one or several videos.", param="videos")
        if not isinstance(thread, str) or not re.fullmatch(r"[\w-]{1,64}", thread):
            raise Refused(400, "conversation must be a name of letters, digits and dashes.", param="conversation")
        agent = await asyncio.to_thread(self._videos.agent, ids)
        names = agent.video_set.names if agent.video_set.several else None

        async def lines() -> AsyncIterator[bytes]:
            try:
                until = time.monotonic() + _PATIENCE_SECONDS
                while time.monotonic() < until and not await asyncio.to_thread(_has_begun, agent):
                    yield _line(kind="waiting")
                    await asyncio.sleep(0.3)
                async for event in agent.astream(question, thread=f"page-{thread}"):
                    if event.answer is not None:
                        self._figures.answered("page", event.answer, videos=len(agent.videos))
                        shown = await asyncio.to_thread(_shown, event.answer, names)
                        yield _line(kind="answer", html=shown, answer=event.answer.as_dict())
                    elif event.step is not None:
                        yield _line(kind="step", tool=event.step.tool, error=event.step.error)
                    elif event.kind == "evidence":
                        yield _line(kind="evidence", captions=len(event.captions))
                    else:
                        yield _line(kind=event.kind, text=printable(event.text))
            except VideoChatError as error:
                self._figures.failed("page", error)
                yield _line(kind="error", message=str(error))
            except Exception as error:
                self._figures.failed("page", error)
                log.exception("a question failed")
                yield _line(kind="error", message=f"This question failed ({type(error).__name__}); ask it again.")

        return StreamingResponse(lines(), media_type="application/x-ndjson", headers={"cache-control": "no-store"})

    def _served(self, request: Request) -> ServedVideo:
        return self._videos.get(request.path_params["id"])


def _check_there(served: ServedVideo) -> None:
    if not served.is_there:
        raise Refused(
            410, f"The file of {served.name!r} was moved, deleted or replaced; put it back, or add it again.", "gone"
        )


def _has_begun(agent: VideoAgent) -> bool:
    """Whether anything can be said already: all has been watched, or something has been noted."""
    watch = agent.watching
    return watch is None or watch.done or any(agent.video_set.captions_of(video).count() for video in agent.videos)


def _shown(answer: Answer, names: dict[str, str] | None) -> str:
    pictures = [citation.thumbnail() if citation.thumbnail else None for citation in answer.citations]
    return answer_html(answer.as_dict(), pictures=pictures, names=names)


def _line(**data: Any) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _jpeg(served: ServedVideo, seconds: float, side: int) -> bytes:
    from PIL import Image

    video = served.video
    if not video.has_video:
        raise Refused(404, f"{served.name!r} has sound but no pictures.")
    jpeg = io.BytesIO()
    Image.fromarray(video.frame_at(seconds, max_side=side).image).save(jpeg, "JPEG", quality=78)
    return jpeg.getvalue()


def _seconds(request: Request, name: str) -> float:
    text = request.query_params.get(name, "0")
    if not re.fullmatch(r"\d{1,9}(?:\.\d{0,9})?", text, re.ASCII):
        raise InvalidArgument(f"{name} must be seconds, such as 12.5, got {text[:40]!r}.")
    return float(text)


def _file_name(text: str) -> str:
    """Return a name without folders, signs that steer, or what file systems keep for themselves."""
    name = re.sub(r"[^\w .()'&+-]", "_", Path(text.replace("\\", "/")).name).strip(" .")
    if not name:
        raise Refused(400, "A file needs a name: /api/upload?name=film.mp4.", param="name")
    return Path(name).stem.encode()[:150].decode(errors="ignore") + Path(name).suffix[:12]


def _matches(request: Request, etag: str) -> bool:
    return etag in (part.strip() for part in request.headers.get("if-none-match", "").split(","))


def _cached(request: Request, body: bytes, media_type: str) -> Response:
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": etag, "cache-control": "private, max-age=0, must-revalidate"}
    if _matches(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _vtt(captions: Iterator[dict[str, Any]]) -> str:
    def stamp(seconds: float) -> str:
        return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}:{seconds % 60:06.3f}"

    def words(text: str) -> str:
        return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    cues = [f"{stamp(c['start_seconds'])} --> {stamp(c['end_seconds'])}\n{words(c['text'])}\n" for c in captions]
    return "\n".join(["WEBVTT\n", *cues])
