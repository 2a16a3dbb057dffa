"""What whoever runs a server sees of it: whether it works, figures for Prometheus, and a line of log for each event.

Nothing that was asked, answered or said in a video is written; names of files are, below `path`.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from videochat.hosts import App, Scope
from videochat.records import Answer
from videochat.serve.videos import ServedVideos

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of `Figures.text`."""
_GONE = 499
"""Status, in figures and logs, of a request whose client went away before it was answered."""
_ANSWER_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
log = logging.getLogger("videochat.serve")


class Figures:
    """What a server counts, for Prometheus.

    Args:
        videos: what is served.
    """

    def __init__(self, videos: ServedVideos) -> None:
        self._registry = registry = CollectorRegistry()
        registry.register(_Videos(videos))
        self.requests = Histogram(
            "videochat_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["handler", "status"],
            registry=registry,
        )
        self.running = Gauge("videochat_requests_running", "Requests that are being answered.", registry=registry)
        self._answers = Histogram(
            "videochat_answer_seconds",
            "From a question to its answer, by where it was asked and what the answer rests on.",
            ["surface", "status"],
            buckets=_ANSWER_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "videochat_model_tokens", "Tokens that the language model read and wrote.", ["way"], registry=registry
        )

    def answered(self, surface: str, answer: Answer, *, videos: int) -> None:
        """Count an answer, and log it.

        Args:
            surface: where it was asked: `page` or `endpoint`.
            answer: the answer.
            videos: of how many it was asked.
        """
        usage = answer.usage
        self._answers.labels(surface, answer.status).observe(usage.seconds)
        self._tokens.labels("read").inc(usage.input_tokens or 0)
        self._tokens.labels("written").inc(usage.output_tokens or 0)
        note("answer", surface=surface, status=answer.status, seconds=round(usage.seconds, 3), videos=videos)

    def failed(self, surface: str, error: Exception) -> None:
        """Count a question that got no answer, and log why."""
        self._answers.labels(surface, "failed").observe(0)
        note("answer", surface=surface, status="failed", error=str(error) or type(error).__name__)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        return generate_latest(self._registry)


class _Videos(Collector):
    def __init__(self, videos: ServedVideos) -> None:
        self._videos = videos

    def collect(self) -> Iterator[Metric]:
        """Yield what is known of the videos at this moment."""
        states = [self._videos.state(served) for served in self._videos.all()]
        by_state = GaugeMetricFamily("videochat_videos", "Videos that are served, by state.", labels=["state"])
        for state in ("stored", "waiting", "watching", "watched", "failed", "gone"):
            by_state.add_metric([state], sum(one["state"] == state for one in states))
        yield by_state
        yield GaugeMetricFamily(
            "videochat_video_seconds", "Length of the videos together.", sum(one["duration_seconds"] for one in states)
        )
        yield GaugeMetricFamily(
            "videochat_watched_seconds", "How much of it was watched.", sum(one["watched_seconds"] for one in states)
        )
        yield GaugeMetricFamily(
            "videochat_captions", "Captions that are stored of them.", sum(one["captions"] for one in states)
        )


class Observed:
    """ASGI middleware that counts and logs requests.

    Args:
        app: what answers.
        figures: where they are counted.
    """

    def __init__(self, app: App, figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Hand a request on, and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, sent = time.perf_counter(), _GONE, 0

        async def send_on(message: Any) -> None:
            nonlocal status, sent
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                sent += len(message.get("body", b""))

        self._figures.running.inc()
        try:
            await self._app(scope, receive, send_on)
        finally:
            self._figures.running.dec()
            seconds = time.perf_counter() - began
            # By the function that answered: an address has names in it, and there is no end of them.
            handler = getattr(scope.get("endpoint"), "__name__", "none")
            self._figures.requests.labels(handler, str(status)).observe(seconds)
            note(
                "request",
                client=(scope.get("client") or ("",))[0],
                method=scope["method"],
                path=scope["path"],  # without what follows "?": a token may stand there
                status=status,
                seconds=round(seconds, 4),
                bytes=sent,
            )


def note(event: str, **facts: Any) -> None:
    """Log an event with its facts."""
    log.info(event, extra={"facts": facts})


def log_to_stderr(form: str) -> None:
    """Write what happens to standard error from now on, a line an event.

    Args:
        form: `json`, an object a line, or `text`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if form == "json" else _TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    log.setLevel(logging.INFO)


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return an object in one line."""
        facts = {"time": _when(record), "level": record.levelname.lower(), "logger": record.name}
        facts |= {"event": record.getMessage(), **getattr(record, "facts", {})}
        if record.exc_info:
            facts["trace"] = self.formatException(record.exc_info)
        return json.dumps(facts, default=str)


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the time, what happened, and the facts."""
        facts = " ".join(f"{name}={value}" for name, value in getattr(record, "facts", {}).items())
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{_when(record)} {record.levelname.lower()} {record.getMessage()} {facts}".rstrip() + trace
