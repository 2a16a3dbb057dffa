"""The forms of the OpenAI protocol: what clients send, and what they are answered with."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from videochat.intervals import clock_range
from videochat.printable import printable
from videochat.records import Answer
from videochat.serve.safety import Refused

_MOST_QUESTION = 20_000
_CLOCK = r"(?:\d+:)?\d{1,2}:\d\d"
_CITATION = re.compile(rf"\[([^\[\]]*?)\s*({_CLOCK}-{_CLOCK})\]")
_TASK = re.compile(
    r"^\s*###\s*Task:|^.{0,200}\b(?:generate|provide|create|write|suggest|make)\b.{0,80}\b(?:title|tags?)\b.{0,120}"
    r"\b(?:conversation|chat|history)\b",
    re.IGNORECASE | re.DOTALL,
)
_TITLE_WORDS = 6


@dataclass(frozen=True)
class Conversation:
    """What a client sent: earlier turns, the question, and the videos that it named."""

    question: str
    turns: list[tuple[str, str]] = field(default_factory=list)
    """Earlier questions, each with its answer."""
    videos: list[str] = field(default_factory=list)
    """Addresses of `video_url` parts, in their order."""

    @classmethod
    def read(cls, messages: object, param: str) -> Conversation:
        """Read the messages of a chat, or the input of a response.

        Args:
            messages: a text, or a list of messages with `role` and `content`.
            param: name of the field, for errors.

        Raises:
            Refused: they are none, or the last is not the user's.
        """
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        if not isinstance(messages, list) or not messages:
            raise Refused(400, f"{param} must be a list of messages that is not empty.", param=param)
        turns: list[tuple[str, str]] = []
        asked: list[str] = []
        videos: list[str] = []
        last = ""
        for number, message in enumerate(messages):
            if not isinstance(message, dict):
                raise Refused(400, f"{param}[{number}] must be an object with role and content.", param=param)
            role = last = str(message.get("role", ""))
            text = _text(message.get("content"), videos, f"{param}[{number}].content")
            if role == "user":
                asked.append(text)
            elif role == "assistant" and asked and text:
                turns.append(("\n".join(asked), text))
                asked = []
        if last != "user" or not asked or not asked[-1].strip():
            raise Refused(400, f"The last of {param} must be a question of the user, in words.", param=param)
        if len(asked[-1]) > _MOST_QUESTION:
            raise Refused(
                400, f"A question may have {_MOST_QUESTION:,} characters, got {len(asked[-1]):,}.", param=param
            )
        return cls(asked[-1], turns, list(dict.fromkeys(videos)))

    @property
    def task(self) -> str | None:
        """The answer to what a chat front end asks beside the conversation (title, tags, follow-ups); else None."""
        if not _TASK.search(self.question):
            return None
        head = self.question[:600].lower()
        first = re.search(r"(?:^|\n)\s*(?:USER|Human|User)\s*:\s*(.+)", self.question)
        about = first[1] if first else (self.turns[0][0] if self.turns else "About a video")
        title = " ".join(printable(about).split()[:_TITLE_WORDS]).strip(" ?.!\"'") or "About a video"
        for word, data in (
            ("follow", {"follow_ups": []}),
            ("tag", {"tags": ["Video"]}),
            ("quer", {"queries": []}),
            ("title", {"title": title}),
        ):
            if word in head:
                return json.dumps(data, ensure_ascii=False) if "json" in self.question.lower() else _plain(data)
        return "" if not self.turns else title


def _plain(data: Mapping[str, Any]) -> str:
    value = next(iter(data.values()))
    return value if isinstance(value, str) else ", ".join(value)


def _text(content: object, videos: list[str], param: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Refused(400, f"{param} must be a text or a list of parts.", param=param)
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in ("video_url", "input_video"):
            value = part.get("video_url")
            address = value.get("url") if isinstance(value, dict) else value
            if not isinstance(address, str):
                raise Refused(
                    400, f'{param}: a video is {{"type": "video_url", "video_url": {{"url": "..."}}}}.', param=param
                )
            videos.append(address)
        elif kind in ("refusal", "reasoning"):
            continue
        else:
            raise Refused(400, f"{param}: parts are text or video_url, got {str(kind)[:40]!r}.", param=param)
    return "\n".join(texts)


def url_citations(answer: Answer, base: str, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a `url_citation` for each citation in the text of an answer; its address opens the page at the second.

    Args:
        answer: the answer.
        base: address of the page, ending in a slash.
        names: name of each video by its id.
    """
    found = []
    for match in _CITATION.finditer(answer.text):
        fits = [c for c in answer.citations if clock_range(c.start_seconds, c.end_seconds) == match[2]]
        named = [c for c in fits if c.video_name == match[1].strip()]
        for cited in (named or fits)[:1]:
            caption = cited.caption
            name = names.get(caption.video_id, "video")
            found.append(
                {
                    "start_index": match.start(),
                    "end_index": match.end(),
                    "title": printable(f"{name} {match[2]}, {caption.kind.replace('_', ' ')}: {caption.text[:120]}"),
                    "url": f"{base}?video={quote(caption.video_id)}&t={cited.start_seconds:g},{cited.end_seconds:g}",
                }
            )
    return found


def extension(answer: Answer) -> dict[str, Any]:
    """Return what the protocol has no field for: status, notes, and the citations as they are stored."""
    found = {"status": answer.status, "notes": answer.notes, "citations": [c.as_dict() for c in answer.citations]}
    return found | ({"claims": [claim.as_dict() for claim in answer.claims]} if answer.claims else {})


def pieces(text: str) -> Iterator[str]:
    """Yield a text word by word, as clients expect a stream to come."""
    yield from re.findall(r"\S+\s*|\s+", text)


@dataclass(frozen=True)
class Reply:
    """What is said to a client, whatever the form."""

    text: str
    citations: list[dict[str, Any]] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    more: dict[str, Any] | None = None
    """Of the extension."""

    @classmethod
    def of(cls, answer: Answer, base: str, names: Mapping[str, str]) -> Reply:
        """Return the reply that an answer is."""
        usage = answer.usage
        return cls(
            answer.text,
            url_citations(answer, base, names),
            usage.input_tokens or 0,
            usage.output_tokens or 0,
            extension(answer),
        )

    @property
    def nested(self) -> list[dict[str, Any]]:
        """The annotations as chat completions have them."""
        return [{"type": "url_citation", "url_citation": citation} for citation in self.citations]

    @property
    def flat(self) -> list[dict[str, Any]]:
        """The annotations as responses have them."""
        return [{"type": "url_citation", **citation} for citation in self.citations]


class Completion:
    """One chat completion, whole or as chunks."""

    def __init__(self, model: str) -> None:
        self.id, self.created, self.model = f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), model

    def whole(self, reply: Reply) -> dict[str, Any]:
        """Return it whole."""
        message = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": reply.nested}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        data = self._head("chat.completion") | {"choices": [choice], "usage": self._usage(reply)}
        return data | ({"videochat": reply.more} if reply.more else {})

    def opening(self) -> dict[str, Any]:
        """Return the first chunk."""
        return self._chunk({"role": "assistant", "content": ""})

    def chunks(self, reply: Reply, *, with_usage: bool) -> Iterable[dict[str, Any]]:
        """Yield the chunks after the first."""
        for piece in pieces(reply.text):
            yield self._chunk({"content": piece})
        if reply.citations:
            yield self._chunk({"annotations": reply.nested})
        yield self._chunk({}, "stop") | ({"videochat": reply.more} if reply.more else {})
        if with_usage:
            yield self._head("chat.completion.chunk") | {"choices": [], "usage": self._usage(reply)}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return self._head("chat.completion.chunk") | {"choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    @staticmethod
    def _usage(reply: Reply) -> dict[str, Any]:
        read, written = reply.input_tokens, reply.output_tokens
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


class Response:
    """One response of the Responses API, whole or as events."""

    def __init__(self, model: str, previous: str | None) -> None:
        self.id, self.created, self.model, self.previous = f"resp_{uuid.uuid4().hex}", int(time.time()), model, previous
        self._item_id = f"msg_{uuid.uuid4().hex}"
        self._number = -1

    def whole(self, reply: Reply | None) -> dict[str, Any]:
        """Return it whole; without a reply as it is while in progress."""
        data: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": "in_progress" if reply is None else "completed",
            "model": self.model,
            "output": [] if reply is None else [self._item(reply)],
            "previous_response_id": self.previous,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
            "usage": None,
        }
        if reply is not None:
            data["usage"] = {
                "input_tokens": reply.input_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": reply.output_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": reply.input_tokens + reply.output_tokens,
            }
            if reply.more:
                data["videochat"] = reply.more
        return data

    def opening(self) -> list[dict[str, Any]]:
        """Return the events before the answer is known."""
        return [
            self._event("response.created", response=self.whole(None)),
            self._event("response.in_progress", response=self.whole(None)),
        ]

    def events(self, reply: Reply) -> Iterable[dict[str, Any]]:
        """Yield the events of the answer, in the order of the protocol."""
        empty = Reply("")
        item, part = self._item(reply), self._part(reply)
        at = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        started = self._item(empty) | {"status": "in_progress", "content": []}
        yield self._event("response.output_item.added", output_index=0, item=started)
        yield self._event("response.content_part.added", **at, part=self._part(empty))
        for piece in pieces(reply.text):
            yield self._event("response.output_text.delta", **at, delta=piece, logprobs=[])
        for number, citation in enumerate(reply.flat):
            yield self._event(
                "response.output_text.annotation.added", **at, annotation_index=number, annotation=citation
            )
        yield self._event("response.output_text.done", **at, text=reply.text, logprobs=[])
        yield self._event("response.content_part.done", **at, part=part)
        yield self._event("response.output_item.done", output_index=0, item=item)
        yield self._event("response.completed", response=self.whole(reply))

    def _event(self, kind: str, **data: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number, **data}

    def _item(self, reply: Reply) -> dict[str, Any]:
        content: Sequence[dict[str, Any]] = [self._part(reply)]
        return {"id": self._item_id, "type": "message", "role": "assistant", "status": "completed", "content": content}

    @staticmethod
    def _part(reply: Reply) -> dict[str, Any]:
        return {"type": "output_text", "text": reply.text, "annotations": reply.flat, "logprobs": []}
