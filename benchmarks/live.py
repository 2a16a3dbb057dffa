"""A live stream over loopback for minutes, with three cuts of the line: what is true of its seconds, gaps and alerts.

    python benchmarks/live.py --minutes 20 --stream tcp
    python benchmarks/live.py --minutes 20 --stream hls

A camera is drawn whose pictures carry their number and the time they were drawn. Another process records and watches
it, with a sense that reads those numbers, one that sees a figure, and the readers of text and of cuts; it alerts when
a person enters. Meanwhile questions are asked from here, words that say "yes, a person enters" are shown, and a caption
that says so is planted into the store. At the end every stored number is held against the second it was stored at.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fakes.live_sender import RATE, Camera, HlsSender, TcpSender, has_person, pictures, read
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools import PerceptionTool, Settled

CONDITION = "a person enters"
PLANTED = "yes, a person enters"
EVENT_SECONDS, EVENT_LASTS, WORDS_AFTER, WORDS_LAST = 50.0, 6.0, 20.0, 6.0
"""Every so often a figure stands there for so long; so long after it words do."""

_TICK_SECONDS = 0.001


class Numbers(PerceptionTool):
    """Reads the number and the time that a picture carries, every second."""

    name: ClassVar[str] = "numbers"
    kind: ClassVar[Kind] = "tags"
    sees: ClassVar[str] = "the number of a picture"
    source = "numbers"

    def __init__(self) -> None:
        self.needs = Sampling(every_seconds=1.0)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield a caption for each picture."""
        for frame in stream:
            number, second = read(frame.image)
            facts = {"number": number, "second_of_day": second}
            end = frame.end_seconds
            yield Caption(video.id, frame.seconds, end, self.kind, f"number {number}", self.source, attributes=facts)
        yield Settled(end_seconds)


class Figures(PerceptionTool):
    """Sees whether the figure stands there, twice a second."""

    name: ClassVar[str] = "figures"
    kind: ClassVar[Kind] = "objects"
    sees: ClassVar[str] = "a person"
    source = "figures"

    def __init__(self) -> None:
        self.needs = Sampling(every_seconds=0.5)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield a caption for each stretch in which it stands there."""
        begun: float | None = None
        for frame in stream:
            here = has_person(frame.image)
            if here and begun is None:
                begun = frame.seconds
            elif not here and begun is not None:
                yield Caption(video.id, begun, frame.seconds, self.kind, "a person", self.source)
                begun = None
        if begun is not None:
            yield Caption(video.id, begun, end_seconds, self.kind, "a person", self.source)
        yield Settled(end_seconds)


def senses() -> list[Any]:
    """Return the line-up."""
    return [Numbers(), Figures(), "ocr", "shots"]


def watch(source: str, memory: str, webhook: str) -> None:
    """Record and watch a source, alert, and print JSON lines, until the standard input ends."""
    from videochat.agent.alert_delivery import Teller
    from videochat.agent.alerts import AlertRule
    from videochat.agent.live_watch import LiveWatch
    from videochat.agent.second_look import look_with_sense

    def tell(**facts: Any) -> None:
        print(json.dumps(facts), flush=True)

    teller = Teller(f"webhook:{webhook}", lambda text: tell(said=text))
    live = LiveWatch(
        source,
        every_seconds=1.0,
        say=lambda text: tell(said=text),
        preset=senses(),
        memory=memory,
        llm="extractive",
    )
    live.start()
    stored = live.agent.video_set.captions_of(live.recording)

    def judged(alert: Any) -> None:
        tell(alert=alert.as_dict())
        if alert.judgement == "confirmed":
            teller(alert)

    rule = AlertRule(CONDITION, look_with_sense(live.agent.senses), judged, cool_down_seconds=10.0)
    live.on_watched.append(lambda recording, start, end: rule.check(recording, stored.between(start, end)))
    tell(started=True)
    threading.Thread(target=lambda: (sys.stdin.read(), live.recorder.stop()), daemon=True).start()
    while not live.wait(5.0):
        status = Path("/proc/self/status").read_text().splitlines()
        mb = int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024
        tell(
            rss_mb=round(mb, 1),
            cpu=round(time.process_time(), 1),
            recorded=live.recording.duration_seconds,
            watched=live.watched_seconds,
        )
    tell(counts=vars(rule.counts), lines=live.recorder.lines, captions=live.captions_added)
    live.stop()
    teller.close()


class Hook(http.server.ThreadingHTTPServer):
    """Takes what is posted, and when."""

    def __init__(self) -> None:
        self.got: list[tuple[float, dict[str, Any]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((time.time(), json.loads(data)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def script(second: float) -> dict[str, Any]:
    """Return what is seen at a second of the camera."""
    phase = second % EVENT_SECONDS
    facts: dict[str, Any] = {"words": f"GATE {int(second // 60)}"}
    if second > EVENT_SECONDS - 1:
        facts["person"] = phase < EVENT_LASTS
    if WORDS_AFTER <= phase < WORDS_AFTER + WORDS_LAST:
        facts["words"] = PLANTED
    return facts


def run(stream: str, minutes: float, cuts: list[tuple[float, float]]) -> dict[str, Any]:
    """Send, cut, ask, and return what was found.

    Args:
        stream: `tcp` or `hls`.
        minutes: how long.
        cuts: when the line is cut, in seconds of the camera, and for how long.
    """
    folder = Path(tempfile.mkdtemp())
    os.environ |= {"VIDEOCHAT_HOME": str(folder), "VIDEOCHAT_EMBEDDINGS": "builtin"}

    camera, hook = Camera(script), Hook()
    sender: Any = TcpSender(camera) if stream == "tcp" else HlsSender(camera, folder / "hls")
    camera.start()
    time.sleep(4.0)  # a list needs a segment
    command = [sys.executable, __file__, "--watch", sender.address, "--memory", str(folder / "memory")]
    command += ["--webhook", f"http://127.0.0.1:{hook.server_port}/"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    told: list[dict[str, Any]] = []

    def listen() -> None:
        for line in child.stdout or ():
            told.append(json.loads(line) | {"at": round(time.time() - camera.began_at, 1)})
            if os.environ.get("LIVE_TOLD"):
                print(line.strip()[:300], file=sys.stderr, flush=True)

    threading.Thread(target=listen, daemon=True).start()
    while not any("started" in line for line in told):
        if child.poll() is not None:
            raise SystemExit(f"the watch ended: {told}")
        time.sleep(0.2)
    asking = subprocess.Popen(
        [sys.executable, __file__, "--ask", sender.address, "--memory", str(folder / "memory")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    asked: list[dict[str, Any]] = []

    def hear() -> None:
        for line in asking.stdout or ():
            asked.append(json.loads(line))

    threading.Thread(target=hear, daemon=True).start()
    end, next_question, planted = minutes * 60, min(minutes * 30, 150.0), 0
    loads = []
    while (second := time.time() - camera.began_at) < end:
        down = any(start <= second < start + lasts for start, lasts in cuts)
        if down and not sender.refusing:
            sender.refusing = True
            if stream == "tcp":
                sender.cut()
        elif not down:
            sender.refusing = False
        if second >= next_question:
            next_question = second + 60.0
            loads.append(os.getloadavg()[0])
            print("ask", file=asking.stdin, flush=True)
            planted += 1
        time.sleep(0.1)
    length = time.time() - camera.began_at
    asking.stdin.close() if asking.stdin else None
    asking.wait(180)
    child.stdin.close() if child.stdin else None
    child.wait(180)
    camera.stopped.set()
    found = judge(camera, length, folder / "memory", sender.address, told, hook, cuts)
    return found | {
        "stream": stream,
        "minutes": minutes,
        "questions_asked": len(asked),
        "questions_answered_within_range": sum(question["true"] for question in asked),
        "question_seconds_median": round(statistics.median(q["seconds"] for q in asked), 2) if asked else None,
        "planted_captions": planted,
        "load": [round(min(loads), 1), round(max(loads), 1)] if loads else None,
        "questions": asked,
        "said": [line["said"] for line in told if "said" in line],
    }


def ask(source: str, memory: Path) -> None:
    """Ask as another process does, by wall clock, at every line; what is cited is held against the time asked for."""
    from videochat.agent import VideoAgent

    with VideoAgent(source, preset=senses(), memory=memory, llm="extractive") as agent:
        recording = agent.video
        for _ in sys.stdin:
            now = time.time()
            minute = datetime.fromtimestamp(now - 75).astimezone().replace(second=0, microsecond=0)
            for question, since, until in (
                ("Which words were shown in the last minute?", now - 75, now + 1),
                (f"Which words were shown at {minute:%H:%M}?", minute.timestamp(), minute.timestamp() + 60),
            ):
                began = time.perf_counter()
                answer = agent.ask(question)
                took = round(time.perf_counter() - began, 2)
                spans = [(c.start_seconds, c.end_seconds) for c in answer.citations]
                times = [(recording.taken_at(start), recording.taken_at(stop)) for start, stop in spans]
                true = bool(times) and all(start <= until and stop >= since for start, stop in times)
                told = {"question": question, "true": true, "seconds": took, "text": answer.text[:160]}
                print(json.dumps(told), flush=True)
            plant(source, memory)


def plant(source: str, memory: Path) -> None:
    """Write a caption into the store that says what the alert waits for, as if the sense had seen it."""
    from videochat.live_recording import open_video
    from videochat.memory import CaptionStore

    recording = open_video(source)
    at = max(recording.duration_seconds - 1.5, 0.0)
    with CaptionStore(memory) as store:
        store.add([Caption(recording.id, at, at + 1.0, "objects", PLANTED, "figures")])


def judge(
    camera: Camera,
    length: float,
    memory: Path,
    source: str,
    told: list[dict[str, Any]],
    hook: Hook,
    cuts: list[tuple[float, float]],
) -> dict[str, Any]:
    """Return what is true of seconds, gaps, alerts and memory.

    Args:
        camera: what was drawn.
        length: for how many seconds.
        memory: the store.
        source: address that was watched.
        told: lines of the process that watched.
        hook: what got the alerts.
        cuts: when the line was cut, and for how long.
    """
    from videochat.live_recording import open_video
    from videochat.memory import CaptionStore

    recording = open_video(source)
    with CaptionStore(memory) as store:
        captions = store.captions_of(recording.id).between()
        gaps = [gap for gap in store.captions_of(recording.id).gaps() if gap.source == "line"]
        others = [gap for gap in store.captions_of(recording.id).gaps() if gap.source != "line"]
    # Every picture that is kept, and every picture that was noted.
    kept = [(at, number, of_day) for at, number, of_day in pictures(recording)]
    midnight = datetime.fromtimestamp(recording.began_at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    drawn = [midnight.timestamp() + of_day for _, _, of_day in kept]
    origin = statistics.median(at - taken for (at, *_), taken in zip(kept, drawn, strict=True))
    media = [at - taken - origin for (at, *_), taken in zip(kept, drawn, strict=True)]
    wall = [recording.taken_at(at) - taken for (at, *_), taken in zip(kept, drawn, strict=True)]
    seconds = [at for at, *_ in kept]
    numbers = [caption for caption in captions if caption.source == "numbers"]
    wrong = 0
    for caption in numbers:
        # Pictures come ten to a second, so that many begin at a full one, give or take some tenths of a millisecond.
        around = (caption.start_seconds - _TICK_SECONDS, caption.start_seconds + _TICK_SECONDS)
        shown = {kept[max(bisect_right(seconds, at) - 1, 0)][1] for at in around}
        stamped = datetime.fromisoformat(str(caption.attributes["wall_clock"])).timestamp()
        same_moment = abs(stamped - recording.taken_at(caption.start_seconds)) < 0.002
        wrong += caption.attributes["number"] not in shown or not same_moment
    # Which events could be seen: the figure comes while the line is up, and stays up for a little.
    first = (recording.began_at - camera.began_at) + 2.0
    events = [at for at in _events(length) if at > first and not _down(at, cuts) and at < length - 6.0]
    raised = [(when, alert) for when, alert in hook.got]
    late = []
    for at in events:
        came = camera.began_at + at
        near = [when - came for when, alert in raised if -1.0 < _alert_time(alert) - came < EVENT_LASTS]
        late.append(round(near[0], 2) if near else None)
    drawn_times = [camera.began_at + at for at in _events(length)]
    false = [a for _, a in raised if not any(-1 < _alert_time(a) - t < EVENT_LASTS + 1 for t in drawn_times)]
    told_last = next((line for line in reversed(told) if "cpu" in line), None)
    rss = [line["rss_mb"] for line in told if "rss_mb" in line]
    third = max(len(rss) // 3, 1)
    known = [value for value in late if value is not None]
    return {
        "pictures_checked": len(kept),
        "picture_seconds": 1 / RATE,
        "media_error_max": round(max(map(abs, media)), 4),
        "wall_error_max": round(max(map(abs, wall)), 4),
        "wall_error_median": round(statistics.median(wall), 4),
        "captions_checked": len(numbers),
        "captions_with_another_picture_or_time": wrong,
        "gaps_said": [f"{gap.start_seconds:.1f}-{gap.end_seconds:.1f}: {gap.reason}" for gap in gaps],
        "other_gaps": [f"{gap.source} {gap.start_seconds:.1f}-{gap.end_seconds:.1f}: {gap.reason}" for gap in others],
        "events": len(events),
        "alerts_raised": len(raised),
        "events_missed": late.count(None),
        "false_alerts": len(false),
        "alert_seconds": late,
        "alert_seconds_median": statistics.median(known) if known else None,
        "alert_seconds_max": max(known, default=None),
        "counts": next((line["counts"] for line in told if "counts" in line), None),
        "rss_mb_first_middle_last_third": [
            round(statistics.median(part), 1) if part else None
            for part in (rss[:third], rss[third : 2 * third], rss[2 * third :])
        ],
        "cpu_share": round(told_last["cpu"] / told_last["at"], 2) if told_last else None,
        "captions": len(captions),
        "read_as_text": sum(PLANTED.split(",")[1].strip() in caption.text.lower() for caption in captions),
        "lag_seconds_max": round(max((x["recorded"] - x["watched"] for x in told if "watched" in x), default=0.0), 1),
    }


def _events(length: float) -> list[float]:
    return [n * EVENT_SECONDS for n in range(1, int(length / EVENT_SECONDS) + 1)]


def _down(second: float, cuts: list[tuple[float, float]]) -> bool:
    return any(start - 2 < second < start + lasts + 12 for start, lasts in cuts)


def _alert_time(alert: dict[str, Any]) -> float:
    return datetime.fromisoformat(alert["wall_clock"]).timestamp()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--stream", choices=("tcp", "hls"), default="tcp")
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--webhook", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch(options.watch, options.memory, options.webhook)
    elif options.ask:
        ask(options.ask, Path(options.memory))
    else:
        seconds = options.minutes * 60
        breaks = [(seconds * share, lasts) for share, lasts in ((0.3, 5.0), (0.5, 20.0), (0.75, 10.0))]
        print(json.dumps(run(options.stream, options.minutes, breaks), indent=2))
