"""LiveWatch: a live source recorded and watched without end, while questions are answered."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.pipeline import Progress
from videochat.agent.second_look import SEEN
from videochat.agent.video_agent import VideoAgent
from videochat.agent.watch import WatchReport, watch
from videochat.errors import InvalidArgument, MediaError, StoreError, check_number
from videochat.intervals import Interval
from videochat.live_recording import LiveRecording, RecordingFolder
from videochat.live_source import LiveSource
from videochat.memory import Gap
from videochat.recorder import Recorder
from videochat.tools import PerceptionTool

KEEP_SECONDS = 86_400.0
"""How long pictures and sound are kept."""
KEEP_CAPTIONS_SECONDS = 30 * 86_400.0
"""How long captions are kept."""
EVERY_SECONDS = 10.0
"""How often what has come is watched."""
# Words are read and heard in pieces of at least so long: reading begins anew with each, and what is cut is misheard.
_READ_SECONDS, _HEARD_SECONDS = 10.0, 30.0
# Who has fallen behind watches at most so much at once, so that it is noted and told soon.
_MOST_SECONDS = 20.0
_SUMMARY_SECONDS, _SWEEP_SECONDS = 60.0, 3600.0
_FIRST_SEGMENT_SECONDS = 90.0
_RETRY_SECONDS = 2.0
_M_ARENA_MAX = -8  # of glibc's malloc.h

OnWatched = Callable[[LiveRecording, float, float], None]
"""Called when the senses that see what happens have seen a range, in the thread that watches."""


class LiveWatch:
    """Records a live source, has the senses watch what comes, and answers questions meanwhile.

    What has come since the last time is watched every so often, in one pass of the same pipeline as a file. A range in
    which nothing came is noted as a gap of the source `line`. Where the store cannot be written, what was recorded is
    watched later.

    Args:
        source: as `LiveSource.parse` reads it.
        keep_seconds: how long pictures and sound are kept, at least a minute.
        keep_captions_seconds: how long captions are kept.
        every_seconds: how often what has come is watched; captions of pictures end there at the latest.
        say: told what happens to the line and the store, as sentences.
        settings: further arguments of `VideoAgent`.

    Raises:
        InvalidArgument: a length is none.
        MediaError: it names no live source.
    """

    def __init__(
        self,
        source: str,
        *,
        keep_seconds: float = KEEP_SECONDS,
        keep_captions_seconds: float = KEEP_CAPTIONS_SECONDS,
        every_seconds: float = EVERY_SECONDS,
        say: Callable[[str], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        check_number("every_seconds", every_seconds, above=0)
        for name, seconds in (("keep_seconds", keep_seconds), ("keep_captions_seconds", keep_captions_seconds)):
            check_number(name, seconds)
            if seconds < 60:
                raise InvalidArgument(f"{name} must be at least a minute, got {seconds:g} seconds.")
        _share_heaps()
        self.source = LiveSource.parse(os.fspath(source))
        self.folder = RecordingFolder(self.source)
        self.every_seconds, self.keep_captions_seconds, self.say = every_seconds, keep_captions_seconds, say
        self.recorder = Recorder(
            self.folder, keep_seconds=keep_seconds, segment_seconds=min(every_seconds, 2.0), say=say
        )
        self.on_watched: list[OnWatched] = []
        """Who is told what was watched."""
        self.captions_added = 0
        """New captions so far."""
        self._settings = settings
        self._agent: VideoAgent | None = None
        self._recording: LiveRecording | None = None
        self._watching: BackgroundWatch | None = None
        self._reached: dict[str, float] = {}
        self._summarized = self._swept = time.monotonic()
        self._told = ""

    @property
    def agent(self) -> VideoAgent:
        """Who answers questions about what has been seen so far.

        Raises:
            MediaError: it has not been started.
        """
        if self._agent is None:
            raise _not_begun(self.source)
        return self._agent

    @property
    def recording(self) -> LiveRecording:
        """What has been recorded.

        Raises:
            MediaError: it has not been started.
        """
        if self._recording is None:
            raise _not_begun(self.source)
        return self._recording

    @property
    def watched_seconds(self) -> float:
        """Up to which second of the recording all senses have watched."""
        return min(self._reached.values(), default=0.0)

    def start(self) -> None:
        """Open the source, and watch in the background from its first picture on.

        Raises:
            MediaError: it does not answer, sends nothing that can be shown, or is being watched by another process.
            MissingDependency: the weights of a sense are not on this machine.
        """
        self.recorder.start()
        try:
            until = time.monotonic() + _FIRST_SEGMENT_SECONDS
            while self.folder.began_at is None or not self.folder.segments():
                self.recorder.arrived.wait(0.5)
                if self.recorder.ended or time.monotonic() > until:
                    why = self.recorder.problem or "no picture came that can be shown without others"
                    raise MediaError(f"Nothing of {self.source.shown} can be shown: {why}. Check what it sends.")
            self._recording = LiveRecording(self.folder)
            self._agent = VideoAgent(self._recording, **self._settings)
            for sense in self._agent.senses:
                sense.prepare()
        except BaseException:
            self.recorder.stop()
            raise
        self._agent.video_set.watching = self._watching = BackgroundWatch(self._run)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the source has ended and all is watched; return whether it has.

        Args:
            seconds: at most so long; None for as long as it takes.

        Raises:
            VideoChatError: the watch failed.
        """
        return self._watching is not None and self._watching.wait(seconds)

    def stop(self) -> None:
        """End recording and watching; what was seen is kept, and the next watch goes on from there."""
        self.recorder.stop()
        if self._watching is not None:
            self._watching.stop()
        if self._agent is not None:
            self._agent.close()

    def __enter__(self) -> LiveWatch:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _groups(self) -> list[tuple[str, list[PerceptionTool], float]]:
        senses = self.agent.senses
        seen = [sense for sense in senses if sense.needs != "sound" and sense.kind in SEEN]
        read = [sense for sense in senses if sense.needs != "sound" and sense.kind not in SEEN]
        heard = [sense for sense in senses if sense.needs == "sound"]
        groups = [
            ("seen", seen, self.every_seconds),
            ("read", read, max(_READ_SECONDS, self.every_seconds)),
            ("heard", heard, max(_HEARD_SECONDS, self.every_seconds)),
        ]
        return [group for group in groups if group[1]]

    def _run(self, progress: Progress) -> list[WatchReport]:
        recording = self.recording
        for name, senses, _ in self._groups():
            self._reached[name] = min(map(self._seen_before, senses))
        while True:
            progress(self.watched_seconds)  # raises where it is to end
            self.recorder.arrived.wait(0.2)
            ended = self.recorder.ended
            self.recorder.arrived.clear()
            try:
                self._round(recording, progress, ended=ended)
                self._told = ""
            except StoreError as error:
                # The segments are kept: what could not be noted is watched again.
                self._say_once(f"{error} What comes is recorded and watched later.")
                until = time.monotonic() + _RETRY_SECONDS
                while time.monotonic() < until:
                    progress(self.watched_seconds)
                    time.sleep(0.1)
                continue
            if ended:
                return []

    def _say_once(self, sentence: str) -> None:
        if sentence != self._told:
            self._told = sentence
            self.say(sentence)

    def _seen_before(self, sense: PerceptionTool) -> float:
        spans = self.agent.video_set.captions_of(self.recording).watched(sense.source, sense.version(self.recording))
        return spans[-1][1] if spans else 0.0

    def _round(self, recording: LiveRecording, progress: Progress, *, ended: bool) -> None:
        recording.refresh()
        self._note_gaps(recording)
        stored, end = self.agent.video_set.captions_of(recording), recording.duration_seconds
        for name, senses, least in self._groups():
            reached = self._reached[name]
            if reached < recording.kept_from - 1e-3 < end:
                stored.record_gap(Gap("line", reached, recording.kept_from, "it was let go before it could be watched"))
            for start, stop in _pieces(recording.runs(reached), max(_MOST_SECONDS, least)):
                last = stop >= end - 1e-6
                if last and not ended and stop - start < least - 1e-3:
                    break
                if start > self._reached[name] + 1e-6:
                    # There is nothing to watch in it; it is not waited for, nor watched for the sake of what follows.
                    for sense in senses:
                        hole, version = (self._reached[name], start), sense.version(recording)
                        stored.record([], source=sense.source, version=version, watched=hole)
                self._watch(recording.part(start, stop), senses, (start, stop), progress)
                self._reached[name] = stop
                if name == "seen":
                    for tell in self.on_watched:
                        tell(recording, start, stop)
        self._keep_up(recording, ended=ended)

    def _watch(self, part: LiveRecording, senses: Sequence[PerceptionTool], span: Interval, progress: Progress) -> None:
        stored = self.agent.video_set.captions_of(part)
        with self.agent.video_set.lock("watch", part):
            report = watch(part, senses, stored, *span, progress=progress, models_gb=self.agent.video_set.models_gb)
        self.captions_added += report.captions_added

    def _note_gaps(self, recording: LiveRecording) -> None:
        stored = self.agent.video_set.captions_of(recording)
        while self.recorder.gaps:
            gap = self.recorder.gaps[0]
            stored.record_gap(Gap("line", gap.start_seconds, gap.end_seconds, gap.reason))
            self.recorder.gaps.pop(0)

    def _keep_up(self, recording: LiveRecording, *, ended: bool) -> None:
        """Summarize, and let go of captions that are too old, every now and then."""
        stored, now = self.agent.video_set.captions_of(recording), time.monotonic()
        if ended or now - self._summarized >= _SUMMARY_SECONDS:
            self._summarized = now
            facts = {"name": recording.name, "path": str(recording.path.absolute()), "size": recording.size}
            stored.set_facts(duration_seconds=recording.duration_seconds, **facts)
            self.agent.video_set.summarize(recording)
            _give_back_memory()
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            oldest = recording.duration_seconds - self.keep_captions_seconds
            earlier = stored.between(0.0, max(oldest, 0.001))
            if old := [caption.id for caption in earlier if caption.end_seconds < oldest]:
                stored.replace(old, [], {})


def _share_heaps() -> None:
    """Have threads share two heaps of the C library, where it is glibc: of one each, all keep what they once needed."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _give_back_memory() -> None:
    """Have the C library return what was freed: of many threads it keeps more and more, where it is glibc."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _pieces(runs: Sequence[Interval], most_seconds: float) -> Iterator[Interval]:
    for start, end in runs:
        while end - start > 1.5 * most_seconds:
            yield start, start + most_seconds
            start += most_seconds
        yield start, end


def _not_begun(source: LiveSource) -> MediaError:
    return MediaError(f"{source.shown} is not being watched yet; call start() first.")
