"""A server on this machine that speaks OpenAI's chat completions, and says what a script says."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_core.messages import AIMessage


@dataclass(frozen=True)
class Fault:
    """An error instead of a reply."""

    status: int = 0
    """0: the connection is cut; where the client streams, after the first words."""
    code: str = ""
    message: str = ""
    seconds: float = 0.0
    """How long the server says nothing before."""


Reply = str | AIMessage | Fault
Scripted = Reply | Callable[[dict[str, Any]], Reply]


class OpenAIServer:
    """Replays replies; keeps what it was asked."""

    def __init__(self, *script: Scripted) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def reply(self, request: dict[str, Any]) -> Reply:
        with self._lock:
            self.requests.append(request)
            number = len(self.requests)
        if number > len(self.script):
            return Fault(400, "script_is_over", f"the script has {len(self.script)} replies, this is call {number}")
        scripted = self.script[number - 1]
        return scripted(request) if callable(scripted) else scripted

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve; give the base address."""

        class Handler(_Handler):
            server_: OpenAIServer = self

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_: OpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/chat/completions", self.path
        assert self.headers["Authorization"] == "Bearer test"
        reply = self.server_.reply(request)
        if isinstance(reply, Fault):
            self._fail(reply, bool(request.get("stream")))
            return
        message = AIMessage(reply) if isinstance(reply, str) else reply
        calls: list[dict[str, Any]] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": _as_json(call)}}
            for call in [*message.tool_calls, *message.invalid_tool_calls]
        ]
        end = "tool_calls" if calls else "stop"
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        common = {"id": "chatcmpl-1", "created": 0, "model": request["model"]}
        if not request.get("stream"):
            told = {"role": "assistant", "content": message.text or None} | ({"tool_calls": calls} if calls else {})
            choice = {"index": 0, "message": told, "finish_reason": end}
            self._send(200, common | {"object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self._open_stream()
        chunk = common | {"object": "chat.completion.chunk"}
        for word in re.findall(r"\S+\s*", message.text):
            self._chunk(chunk | {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
        for index, call in enumerate(calls):
            # As the real one does: first the name, then the arguments in pieces.
            words = call["function"]["arguments"]
            first = {"index": index} | call | {"function": {"name": call["function"]["name"], "arguments": ""}}
            pieces = [{"index": index, "function": {"arguments": half}} for half in (words[:7], words[7:])]
            for piece in [first, *pieces]:
                self._chunk(
                    chunk | {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}, "finish_reason": None}]}
                )
        self._chunk(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": end}]})
        self._chunk(chunk | {"choices": [], "usage": usage})
        self._write(b"data: [DONE]\n\n")
        self._write(b"")

    def _fail(self, fault: Fault, stream: bool) -> None:
        time.sleep(fault.seconds)
        if fault.status:
            error = {"message": fault.message, "type": "invalid_request_error", "param": None, "code": fault.code}
            self._send(fault.status, {"error": error})
            return
        if stream:
            self._open_stream()
            self._chunk({"choices": [{"index": 0, "delta": {"content": "The mi"}, "finish_reason": None}]})
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("retry-after-ms", "10")
        self.end_headers()
        self.wfile.write(body)

    def _open_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: dict[str, Any]) -> None:
        self._write(f"data: {json.dumps(data)}\n\n".encode())

    def _write(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def _as_json(call: Any) -> str:
    return call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])
