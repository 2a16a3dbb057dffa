"""Alerts: a condition in words, noticed in what the senses see of a live source, and raised once a second look agrees.

A caption is a reason to look, never to raise: words that were said or stand on the screen do not even count as one, and
what a sense wrote is looked at again in the pictures.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from videochat.agent.second_look import SEEN, SecondLook, fits, picture_of
from videochat.errors import InvalidArgument, VideoChatError, check_number
from videochat.intervals import Interval, clock
from videochat.live_recording import LiveRecording
from videochat.memory.words import content_words
from videochat.playback import clip_of
from videochat.records import Caption, Judgement
from videochat.tools import PerceptionTool

_NAMING = SEEN - {"shot", "measure"}
_COOL_DOWN_SECONDS = 60.0
# What is noticed again this soon is the same event that goes on.
_GOES_ON_SECONDS = 3.0
_BEFORE_SECONDS, _CLIP_SECONDS = 1.0, 6.0
_REMEMBERED = 5000


@dataclass(frozen=True)
class Alert:
    """Something that was noticed, and what a second look said of it."""

    condition: str
    """What was watched for, in the user's words."""
    source: str
    """Where it was noticed."""
    judgement: Judgement
    """Whether a second look agreed."""
    reason: str
    """In the words of who looked, or why nobody could."""
    caption: Caption
    """What gave the reason to look: its citation."""
    raised_at: float
    """When it was judged, in seconds since 1970."""
    picture: Path | None = None
    """A JPEG of the moment, where it was raised."""
    clip: Path | None = None
    """An MP4 of the seconds around it, where it was raised."""
    wall_clock: str = ""
    """When its citation starts, in ISO 8601."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "condition": self.condition,
            "source": self.source,
            "judgement": self.judgement,
            "reason": self.reason,
            "start_seconds": self.caption.start_seconds,
            "end_seconds": self.caption.end_seconds,
            "wall_clock": self.wall_clock,
            "raised_at": self.raised_at,
            "citation": self.caption.as_dict(),
            "picture": None if self.picture is None else str(self.picture),
            "clip": None if self.clip is None else str(self.clip),
        }

    def __str__(self) -> str:
        when = self.wall_clock[:19].replace("T", " ")
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.judgement}: {self.condition} at {clock(self.caption.start_seconds)}, {when}{why}"


@dataclass
class AlertCounts:
    """What became of what was noticed."""

    noticed: int = 0
    """Captions that were a reason to look."""
    confirmed: int = 0
    """Alerts that were raised."""
    rejected: int = 0
    """Second looks that did not see it."""
    unverified: int = 0
    """Second looks that could not tell."""
    held: int = 0
    """Captions of an event that went on, of a moment that was looked at, or within the cool-down."""
    failed: int = 0
    """Alerts that could not be told to a command or an address."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in vars(self).items())


@dataclass
class AlertRule:
    """Watches for one condition.

    Raises:
        InvalidArgument: the condition names nothing, or the cool-down is none.
    """

    condition: str
    """In words, such as "a person enters"."""
    second_look: SecondLook
    """What must agree."""
    tell: Callable[[Alert], None]
    """Called with each alert that is raised, and with each that was rejected or could not be verified."""
    cool_down_seconds: float = _COOL_DOWN_SECONDS
    """After an alert none is raised for so long."""
    likeness: Callable[[str, str], float] | None = None
    """How alike two texts are; None to compare words."""
    counts: AlertCounts = field(default_factory=AlertCounts)
    """What became of what was noticed."""

    def __post_init__(self) -> None:
        if not isinstance(self.condition, str) or not content_words(self.condition):
            raise InvalidArgument(
                f'A condition says in words what is seen, as "a person enters"; got {self.condition!r}.'
            )
        check_number("cool_down_seconds", self.cool_down_seconds)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._event_end = self._quiet_until = float("-inf")
        self._rejected: Interval = (0.0, 0.0)

    def pass_over(self, captions: Sequence[Caption]) -> None:
        """Leave captions that were there before."""
        for caption in captions:
            self._seen[caption.id] = None

    def check(self, recording: LiveRecording, captions: Sequence[Caption]) -> None:
        """Look at what is new among captions, and raise what is so.

        Args:
            recording: what they are of.
            captions: in temporal order; those that were checked before are passed over.
        """
        for caption in captions:
            if caption.id in self._seen:
                continue
            self._seen[caption.id] = None
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            if fits(self.condition, caption, self.likeness):
                self._notice(recording, caption)

    def _notice(self, recording: LiveRecording, caption: Caption) -> None:
        self.counts.noticed += 1
        goes_on = caption.start_seconds <= self._event_end + _GOES_ON_SECONDS
        looked_at = self._rejected[0] <= caption.start_seconds and caption.end_seconds <= self._rejected[1]
        if goes_on or looked_at or caption.start_seconds < self._quiet_until:
            self.counts.held += 1
            if goes_on:
                self._event_end = max(self._event_end, caption.end_seconds)
            return
        judgement, reason = self.second_look(self.condition, recording, caption)
        setattr(self.counts, judgement, getattr(self.counts, judgement) + 1)
        picture = clip = None
        if judgement == "confirmed":
            self._event_end = caption.end_seconds
            self._quiet_until = caption.start_seconds + self.cool_down_seconds
            picture, clip = _kept(recording, caption)
        else:
            self._rejected = (caption.start_seconds, caption.end_seconds)
        when = recording.wall_clock(caption.start_seconds)
        found = Alert(self.condition, recording.name, judgement, reason, caption, time.time(), picture, clip, when)
        try:
            self.tell(found)
        except Exception:
            self.counts.failed += 1


def _kept(recording: LiveRecording, caption: Caption) -> tuple[Path | None, Path | None]:
    """Write picture and clip of a moment beside the recording, and return where."""
    end = min(caption.end_seconds, recording.duration_seconds)
    start = max(caption.start_seconds - _BEFORE_SECONDS, recording.kept_from)
    base = recording.path / "alerts" / f"{round(caption.start_seconds * 1000):012d}-{caption.id[:8]}"

    def clip() -> bytes | None:
        return clip_of(recording, start, min(end, start + _CLIP_SECONDS))

    def picture() -> bytes | None:
        return picture_of(recording, min(caption.start_seconds + 0.05, end))

    return _written(base.with_suffix(".jpg"), picture), _written(base.with_suffix(".mp4"), clip)


def _written(file: Path, make: Callable[[], bytes | None]) -> Path | None:
    """Return a file with what is made, or None where it cannot be had: an alert is told without it, too."""
    try:
        if data := make():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            file.write_bytes(data)
            return file
    except (VideoChatError, OSError):
        pass
    return None


def check_senses(senses: Sequence[PerceptionTool]) -> str:
    """Return a warning where no sense of a line-up names things; empty where one does.

    Raises:
        InvalidArgument: none sees or hears anything happen.
    """
    kinds = {sense.kind for sense in senses}
    if not kinds & SEEN:
        raise InvalidArgument(
            f"None of the senses ({', '.join(sense.name for sense in senses)}) sees what happens, and words alone "
            "raise no alert. Give --preset a line-up with objects, captions or tags; `videochat presets` lists them."
        )
    if not kinds & _NAMING:
        return (
            "No sense of the line-up names people or things (only light, colours, motion and cuts); for most "
            "conditions --preset must have objects, captions or tags."
        )
    return ""
