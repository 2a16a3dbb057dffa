"""The endpoint of the OpenAI protocol: models, chat completions and responses, answered from the videos.

A conversation is what the client sends. Where it goes on from an answer of ours, its evidence is remembered too, so
that "and after that?" is read by what was cited; else its earlier turns are read as text.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from videochat.agent import VideoAgent
from videochat.errors import UnknownName, VideoChatError
from videochat.intervals import clock
from videochat.serve import openai_forms as forms
from videochat.serve.operation import Figures
from videochat.serve.safety import Refused, read_json
from videochat.serve.videos import ServedVideos

_ALL = "videochat"
_MOST_THREADS = 500
_BEAT_SECONDS = 2.0
log = logging.getLogger("videochat.serve")


class OpenAIApi:
    """The routes below `/v1`.

    Args:
        videos: what is served; each is a model by its name, and `videochat` asks all of them together.
        figures: where answers are counted.
    """

    def __init__(self, videos: ServedVideos, figures: Figures) -> None:
        self._videos, self._figures = videos, figures
        self._threads: OrderedDict[str, str] = OrderedDict()
        self._responses: OrderedDict[str, tuple[list[tuple[str, str]], list[str]]] = OrderedDict()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/models", self.models),
            Route("/v1/models/{id:path}", self.model),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/v1/responses", self.responses, methods=["POST"]),
        ]

    async def models(self, request: Request) -> Response:
        """GET /v1/models: `videochat`, and each video by its name."""
        names = [_ALL, *(served.name for served in self._videos.all())]
        return JSONResponse({"object": "list", "data": [_model(name) for name in names]})

    async def model(self, request: Request) -> Response:
        """GET /v1/models/NAME."""
        name = request.path_params["id"]
        self._ids(name)
        return JSONResponse(_model(name))

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        data = await read_json(request)
        asked = forms.Conversation.read(data.get("messages"), "messages")
        model = self._model_of(data)
        options = data.get("stream_options") or {}
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        completion = forms.Completion(model)
        answer = await self._answering(request, model, asked)
        if not data.get("stream"):
            return JSONResponse(completion.whole(await answer(None)))

        async def lines() -> AsyncIterator[str]:
            yield _sse(completion.opening())
            async for item in _with_beats(answer):
                if isinstance(item, str):
                    yield item
                else:
                    for chunk in completion.chunks(item, with_usage=with_usage):
                        yield _sse(chunk)
            yield "data: [DONE]\n\n"

        return _stream(lines())

    async def responses(self, request: Request) -> Response:
        """POST /v1/responses."""
        data = await read_json(request)
        asked = forms.Conversation.read(data.get("input"), "input")
        model, previous = self._model_of(data), data.get("previous_response_id")
        if previous is not None:
            if not isinstance(previous, str) or previous not in self._responses:
                raise Refused(
                    404,
                    "There is no such response here any more; send the whole conversation as input.",
                    "previous_response_not_found",
                    "previous_response_id",
                )
            turns, videos = self._responses[previous]
            asked = forms.Conversation(asked.question, [*turns, *asked.turns], asked.videos or videos)
        response = forms.Response(model, previous)
        answer = await self._answering(request, model, asked)

        def keep(reply: forms.Reply) -> forms.Reply:
            self._responses[response.id] = [*asked.turns, (asked.question, reply.text)], asked.videos
            if len(self._responses) > _MOST_THREADS:
                self._responses.popitem(last=False)
            return reply

        if not data.get("stream"):
            return JSONResponse(response.whole(keep(await answer(None))))

        async def lines() -> AsyncIterator[str]:
            for event in response.opening():
                yield _sse(event, event["type"])
            async for item in _with_beats(answer):
                if isinstance(item, str):
                    yield item
                else:
                    for event in response.events(keep(item)):
                        yield _sse(event, event["type"])

        return _stream(lines())

    def _model_of(self, data: dict[str, Any]) -> str:
        model = data.get("model", _ALL)
        if not isinstance(model, str) or not model:
            raise Refused(400, "model must be the name of a model; GET /v1/models lists them.", param="model")
        if data.get("n") not in (None, 1):
            raise Refused(400, "There is one answer to a question; leave n out.", param="n")
        self._ids(model)
        return model

    def _ids(self, model: str) -> list[str]:
        if model == _ALL:
            return [served.id for served in self._videos.all()]
        try:
            return [self._videos.get(model.removeprefix(f"{_ALL}/")).id]
        except UnknownName as error:
            message = str(error).replace("no video", "no model").replace("known ones are", f"known ones are {_ALL},")
            raise Refused(404, message, "model_not_found", "model") from error

    async def _answering(
        self, request: Request, model: str, asked: forms.Conversation
    ) -> Callable[[Callable[[str], None] | None], Awaitable[forms.Reply]]:
        """Return what answers; what is wrong with the request has been said before."""
        if (task := asked.task) is not None:

            async def at_once(_: Callable[[str], None] | None) -> forms.Reply:
                return forms.Reply(task)

            return at_once
        base = str(request.base_url)
        ids = [await asyncio.to_thread(self._video_at, address, request) for address in asked.videos]
        ids = ids or self._ids(model)
        if not ids:
            raise Refused(404, "No video is served yet; add one on the page, or name one as a video_url.", "no_video")
        agent = await asyncio.to_thread(self._videos.agent, ids)
        names = {served.id: served.name for served in self._videos.all()}

        async def answer(tell: Callable[[str], None] | None) -> forms.Reply:
            while agent.needs_captions and (watch := agent.watching) is not None and not watch.done:
                if tell is not None:
                    tell(f"watching, {clock(watch.seconds)} of {clock(agent.video_set.duration_seconds)}")
                elif await request.is_disconnected():
                    raise Refused(499, "The client went away.")
                await asyncio.sleep(0.1)
            return forms.Reply.of(await self._ask(agent, ids, asked), base, names)

        return answer

    async def _ask(self, agent: VideoAgent, ids: Sequence[str], asked: forms.Conversation) -> Any:
        # A thread is gone on with once: who asks again from an earlier turn gets a thread of their own.
        thread = self._threads.pop(_key(ids, asked.turns), None) if asked.turns else None
        if thread is None:
            thread = f"v1-{uuid.uuid4().hex}"
        try:
            answer = await agent.aask(asked.question, thread=thread, history=asked.turns)
        except Exception as error:
            self._figures.failed("endpoint", error)
            raise
        self._figures.answered("endpoint", answer, videos=len(ids))
        self._threads[_key(ids, [*asked.turns, (asked.question, answer.text)])] = thread
        if len(self._threads) > _MOST_THREADS:
            agent.reset(self._threads.popitem(last=False)[1])
        return answer

    def _video_at(self, address: str, request: Request) -> str:
        parts = urlsplit(address)
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            return self._videos.add(unquote(parts.path)).id
        if parts.scheme in ("http", "https") and parts.netloc == request.url.netloc:
            named = parse_qs(parts.query).get("video", [""])[0] or re.sub(r"^/media/", "", parts.path).split("/")[0]
            return self._videos.get(named).id
        raise Refused(
            400,
            "A video_url is file:///... below a folder of --folder, or an address of this server "
            f"({request.base_url}media/ID); other addresses are not fetched.",
            "video_not_allowed",
            "messages",
        )


async def _with_beats(
    answer: Callable[[Callable[[str], None] | None], Awaitable[forms.Reply]],
) -> AsyncIterator[str | forms.Reply]:
    """Yield comments while an answer is on its way, so that nobody in between gives up; then it, or the error."""
    news = "thinking"

    def tell(text: str) -> None:
        nonlocal news
        news = text

    task = asyncio.ensure_future(answer(tell))
    try:
        while not (await asyncio.wait([task], timeout=_BEAT_SECONDS))[0]:
            yield f": {news}\n\n"
        try:
            yield task.result()
        except VideoChatError as error:
            yield _sse({"error": {"message": str(error), "type": "server_error", "param": None, "code": None}}, "error")
        except Exception as error:
            log.exception("a question failed")
            said = f"This question failed ({type(error).__name__}); the log of the server says more."
            yield _sse({"error": {"message": said, "type": "server_error", "param": None, "code": None}}, "error")
    finally:
        task.cancel()


def _stream(lines: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(lines, media_type="text/event-stream", headers={"cache-control": "no-store"})


def _sse(data: dict[str, Any], event: str = "") -> str:
    return (f"event: {event}\n" if event else "") + f"data: {json.dumps(data)}\n\n"


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "videochat"}


def _key(ids: Sequence[str], turns: Sequence[tuple[str, str]]) -> str:
    return hashlib.blake2b(json.dumps([sorted(ids), turns]).encode(), digest_size=16).hexdigest()
