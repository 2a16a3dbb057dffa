"""Who may ask a server, and what it says of itself to browsers: token, headers, bounded bodies, one form of error."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from videochat.hosts import App, Scope

COOKIE = "videochat_token"
MOST_JSON_BYTES = 2 * 2**20
"""No question is longer; more is refused before it is read."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
_OPEN_PATHS = re.compile(r"/(?:static/[\w.-]+|health)?")


class Refused(Exception):
    """A request that is answered with a status and a sentence.

    Args:
        status: of HTTP.
        message: what was given, what was expected, what to do.
        code: a word for programs.
        param: the part of the request that is wrong.
    """

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def problem(status: int, message: str, code: str | None = None, param: str | None = None) -> JSONResponse:
    """Return an error in the form of the OpenAI protocol, which the page reads too."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    if status == 401:
        kind = "authentication_error"
    headers = {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": "2"} if status == 503 else {}
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers)


async def read_json(request: Request, most: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """Return the object that a request carries.

    Raises:
        Refused: it is too long (413), or no JSON object (400).
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise Refused(413, f"The body has {int(length):,} bytes; at most {most:,} are read.", "too_large")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise Refused(413, f"The body has more than {most:,} bytes, which is all that is read.", "too_large")
    except ClientDisconnect as error:
        raise Refused(400, "The client went away before the body was whole.") from error
    try:
        data = json.loads(body)
        json.dumps(data, ensure_ascii=False).encode()  # half a character is text nowhere
    except (ValueError, RecursionError) as error:
        raise Refused(
            400, f"The body is no JSON: {str(error)[:200] or type(error).__name__}.", "invalid_json"
        ) from error
    if not isinstance(data, dict):
        raise Refused(400, f"The body must be a JSON object, got {type(data).__name__}.", "invalid_json")
    return data


class Guard:
    """ASGI middleware: the headers of every answer, and a token where one was set.

    A browser gives the token once in the address (`/?token=...`) and then in a cookie; programs as
    `Authorization: Bearer ...`.

    Args:
        app: what answers.
        token: None where anybody who reaches the server may ask.
    """

    def __init__(self, app: App, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answer 401 without the token, and hand on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in there)]
            await send(message)

        answer: App = self._app
        if self._token is not None:
            answer = self._with_token(scope)
        await answer(scope, receive, send_with_headers)

    def _with_token(self, scope: Scope) -> App:
        request = Request(scope)
        asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"))
        given = next((value for name, value in asked if name == "token"), "")
        if scope["path"] == "/" and given:
            # The page, at the moment that was asked for, without the token in its address.
            rest = urlencode([(name, value) for name, value in asked if name != "token"])
            place = f"/?{rest}".rstrip("?")
            if self._is_right(given):
                response: Response = Response(status_code=303, headers={"location": place})
                response.set_cookie(COOKIE, given, httponly=True, samesite="strict", max_age=30 * 86400)
                return response
            if "text/html" in request.headers.get("accept", ""):
                # The page asks for the right one.
                return Response(status_code=303, headers={"location": f"{place}#refused"})
            return problem(401, "The token in the address is not this server's; copy the address that it printed.")
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if self._is_right(_cookie(request)) or (scheme.lower() == "bearer" and self._is_right(bearer.strip())):
            return self._app
        if _OPEN_PATHS.fullmatch(scope["path"]) and scope["method"] in ("GET", "HEAD"):
            return self._app
        return problem(
            401,
            "This server needs its token: open the address that it printed, or send it as 'Authorization: Bearer ...' "
            "(the API key of an OpenAI client).",
            "invalid_api_key",
        )

    def _is_right(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
