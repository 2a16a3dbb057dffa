"""`videochat watch` of a live source, and `videochat alert`."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from videochat.cli.common import Commands, add_command, add_json_option, add_watch_options
from videochat.errors import InvalidArgument
from videochat.intervals import clock

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.agent.alerts import Alert, AlertRule
    from videochat.agent.live_watch import LiveWatch

_STATUS_SECONDS = 60.0
_LOOK_BACK_SECONDS = 120.0


def add_commands(commands: Commands) -> None:
    """Add `alert`."""
    alert = add_command(commands, "alert", _alert, "tell when something is seen in a live source")
    alert.add_argument(
        "source", help="rtsp://, http(s)://...m3u8, tcp://, udp://, /dev/video0, or live:FILE that grows"
    )
    alert.add_argument("condition", help='what is to be seen, in words, as "a person enters"')
    alert.add_argument(
        "--on",
        default="log",
        metavar="log|command:LINE|webhook:URL",
        help="whom to tell: nobody else (log), a program, which gets JSON on its input, or an address, to which it is "
        "posted (default: log)",
    )
    alert.add_argument(
        "--cool-down", type=length_option, default=60.0, metavar="TIME", help="after an alert none for so long (60s)"
    )
    add_watch_options(alert)
    add_live_options(alert, every=1.0)
    alert.add_argument(
        "--llm", metavar="PROVIDER:MODEL", help="language model; one that sees looks again before an alert is raised"
    )
    add_json_option(alert)


def add_live_options(command: argparse.ArgumentParser, *, every: float) -> None:
    """Add how a live source is recorded.

    Args:
        command: where to.
        every: seconds after which what has come is watched.
    """
    live = command.add_argument_group("live sources")
    live.add_argument(
        "--keep", type=length_option, default=86_400.0, metavar="TIME", help="keep pictures and sound so long (24h)"
    )
    live.add_argument(
        "--keep-captions", type=length_option, default=30 * 86_400.0, metavar="TIME", help="keep captions so long (30d)"
    )
    live.add_argument(
        "--every",
        type=length_option,
        default=every,
        metavar="TIME",
        help=f"watch what has come so often ({every:g}s)",
    )
    live.add_argument("--for", type=length_option, dest="lasting", metavar="TIME", help="end after so long")


def length_option(text: str) -> float:
    """Read a length of time such as 24h, for argparse."""
    from videochat.live_source import parse_length

    try:
        return parse_length(text)
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def watch_live(options: argparse.Namespace) -> int:
    """Watch a live source until it ends, the time is over, or Ctrl-C.

    Args:
        options: of `videochat watch`.
    """
    if options.start or options.end is not None or options.fps is not None:
        raise InvalidArgument("A live source is watched from now on; --start, --end and --fps are for files.")
    if len(options.video) > 1:
        raise InvalidArgument("A process watches one live source; start another `videochat watch` for the next.")
    with _watching(options.video[0], options) as watch:
        _wait(watch, options.lasting)
        seconds, added, gaps = watch.recording.duration_seconds, watch.captions_added, _gaps(watch)
    told = {"video_name": watch.source.shown, "recorded_seconds": seconds, "captions_added": added, "gaps": gaps}
    print(json.dumps(told) if options.json else f"Recorded up to {clock(seconds)}: {added} new captions, {gaps} gaps.")
    return 0


def _gaps(watch: LiveWatch) -> int:
    return sum(gap.source == "line" for gap in watch.agent.video_set.gaps())


@contextlib.contextmanager
def _watching(source: str, options: argparse.Namespace, **settings: Any) -> Iterator[LiveWatch]:
    from videochat.agent.live_watch import LiveWatch

    watch = LiveWatch(
        source,
        keep_seconds=options.keep,
        keep_captions_seconds=options.keep_captions,
        every_seconds=options.every,
        say=_say,
        preset=options.preset,
        memory=options.memory,
        **settings,
    )
    watch.start()
    try:
        kept = f"kept for {options.keep / 3600:g} h in {watch.folder.path}"
        _say(f"Recording {watch.source.shown}, {kept}. Ask meanwhile: videochat ask {watch.source.shown} QUESTION")
        yield watch
    finally:
        watch.stop()


def _say(sentence: str) -> None:
    print(f"videochat: {sentence}", file=sys.stderr, flush=True)


def _wait(watch: LiveWatch, lasting: float | None) -> None:
    until = None if lasting is None else time.monotonic() + lasting
    status = time.monotonic() + _STATUS_SECONDS
    while until is None or time.monotonic() < until:
        if watch.wait(0.5):
            _say(f"{watch.source.shown} has ended")
            return
        if time.monotonic() >= status:
            status = time.monotonic() + _STATUS_SECONDS
            recorded, watched = watch.recording.duration_seconds, watch.watched_seconds
            _say(f"recorded {clock(recorded)}, watched {clock(watched)}, {watch.captions_added} new captions")


def _alert(options: argparse.Namespace) -> int:
    from videochat.agent.alert_delivery import Teller
    from videochat.live_recording import RecordingFolder
    from videochat.live_source import LiveSource

    folder = RecordingFolder(LiveSource.parse(options.source))
    teller = Teller(options.on, _say)
    try:
        if folder.is_held:
            counts = _follow(options, teller)
        else:
            with _watching(options.source, options, llm=options.llm) as watch:
                rule = _rule(watch.agent, options, teller)
                stored = watch.agent.video_set.captions_of(watch.recording)
                watch.on_watched.append(lambda recording, start, end: rule.check(recording, stored.between(start, end)))
                _wait(watch, options.lasting)
                counts = rule.counts
    finally:
        teller.close()
    counts.failed += teller.failed
    print(json.dumps(vars(counts)) if options.json else f"Alerts: {counts}.")
    return 0


def _follow(options: argparse.Namespace, teller: Any) -> Any:
    """Look at what another process sees of the source."""
    from videochat.agent import VideoAgent
    from videochat.live_recording import LiveRecording, RecordingFolder
    from videochat.live_source import LiveSource

    recording = LiveRecording(RecordingFolder(LiveSource.parse(options.source)))
    _say(f"{recording.name} is being watched by another process; its captions are looked at")
    with VideoAgent(recording, llm=options.llm, preset=options.preset, memory=options.memory) as agent:
        rule = _rule(agent, options, teller)
        stored = agent.video_set.captions_of(recording)
        rule.pass_over(stored.between(0.0))
        until = None if options.lasting is None else time.monotonic() + options.lasting
        while (until is None or time.monotonic() < until) and recording.is_being_recorded():
            recording.refresh()
            rule.check(recording, stored.between(max(recording.duration_seconds - _LOOK_BACK_SECONDS, 0.0)))
            time.sleep(0.5)
    return rule.counts


def _rule(agent: VideoAgent, options: argparse.Namespace, teller: Any) -> AlertRule:
    from videochat.agent.alerts import AlertRule, check_senses
    from videochat.agent.second_look import likeness_by, second_look

    if warning := check_senses(agent.senses):
        _say(warning)
    look, who = second_look(agent.senses, agent.llm)
    _say(who)

    def tell(alert: Alert) -> None:
        print(json.dumps(alert.as_dict()) if options.json else alert, flush=True)
        if alert.judgement == "confirmed":
            teller(alert)

    likeness = likeness_by(agent.memory.embedder)
    return AlertRule(options.condition, look, tell, options.cool_down, likeness)
