"""Wall-clock times in a question about a live recording, as times of the recording: "at 14:05", "yesterday at 9 pm"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from videochat.intervals import clock

# As `clock` writes it, always with hours: what follows takes `12:05` for a place in the video or not, as it sees fit.
_DAYS = {
    "today": 0, "heute": 0, "hoy": 0, "aujourd'hui": 0, "今天": 0,
    "yesterday": 1, "gestern": 1, "ayer": 1, "hier": 1, "昨天": 1,
}  # fmt: skip
_DAY = "|".join(_DAYS)
_TIME = (
    rf"(?:(?P<day>{_DAY}|\d{{4}}-\d\d-\d\d)[ ,T]*(?:(?:at|um|a las?|à|vers|gegen) )?)?"
    r"(?<![\d:.])(?:(?P<hour>\d{1,2})(?::|h(?=\d))(?P<minute>\d\d)(?::(?P<second>\d\d))?(?!\d|:\d)"
    r"|(?P<alone>\d{1,2})(?=\s*(?:[ap]\.?m\b|uhr\b|o'?clock\b)))"
    r"(?:\s*(?:(?P<half>[ap])\.?m\b\.?|uhr\b|o'?clock\b|h\b))?"
    rf"(?:,? (?P<after_day>{_DAY})\b)?"
)
_FOUND = re.compile(_TIME, re.IGNORECASE)
_JOINT = re.compile(r"\s*(?:-|–|to|and|until|till|bis|und|y|a|hasta|et|à|到|至)\s*", re.IGNORECASE)
_OPEN = re.compile(
    r"(?:after|since|before|until|till|from|nach|seit|vor|bis|ab|después de|desde|antes de|hasta|après|depuis|avant|"
    r"jusqu'à)(?: las?)?\s*$",
    re.IGNORECASE,
)
_OUTSIDE_SECONDS = 60.0


@dataclass(frozen=True)
class WallClock:
    """When a recording was taken.

    Args:
        began_at: when second 0 was, in seconds since 1970.
        ends_at: when its last second was.
        second_at: the second of the recording at a time since 1970.
    """

    began_at: float
    ends_at: float
    second_at: Callable[[float], float] = field(repr=False)

    def in_seconds(self, question: str) -> tuple[str, list[str]]:
        """Return a question with the wall-clock times in it as times of the recording, and what was read, as clauses.

        A minute that is named stands for the whole of it. A time that lies outside of the recording is left as it is,
        and said where it can be nothing else. Of a day that is not named the latest such time counts. What is quoted,
        and `0:45`, are left: that is a place in the video.

        Args:
            question: in words.
        """
        found = [(match, self._read(match)) for match in _FOUND.finditer(question) if not _quoted(question, match)]
        told: list[str] = []
        out, at = "", 0
        for number, (match, moment) in enumerate(found):
            if moment is None:
                continue
            taken_at, exact = moment
            if not self.began_at - _OUTSIDE_SECONDS <= taken_at <= self.ends_at + _OUTSIDE_SECONDS:
                if match["day"] or match["after_day"] or match["half"] or match["alone"]:
                    ends = f"{_said(self.began_at)} to {_said(self.ends_at)}"
                    told.append(f"{_said(taken_at)} is not in the recording, which goes from {ends}")
                continue
            start = max(self.second_at(taken_at), 0.0)
            end = max(self.second_at(taken_at + 60.0), start + 1.0)
            joined = number + 1 < len(found) and _JOINT.fullmatch(question[match.end() : found[number + 1][0].start()])
            follows = number > 0 and _JOINT.fullmatch(question[found[number - 1][0].end() : match.start()])
            single = exact or joined or follows or _OPEN.search(question[: match.start()])
            written = _clock(start) if single else f"{_clock(start)}-{_clock(end)}"
            out += question[at : match.start()] + written
            at = match.end()
            told.append(f"{match[0].strip()} is {written} of the recording")
        return out + question[at:], told

    def _read(self, match: re.Match[str]) -> tuple[float, bool] | None:
        """Return a time since 1970, and whether it is exact to the second; None where it is none."""
        hour, minute = int(match["hour"] or match["alone"]), int(match["minute"] or 0)
        half, day = (match["half"] or "").lower(), (match["day"] or match["after_day"] or "").lower()
        if (half and not 1 <= hour <= 12) or hour > 23 or minute > 59 or int(match["second"] or 0) > 59:
            return None
        if match["hour"] == "0" and not day:
            return None
        hour = hour % 12 + (12 if half == "p" else 0) if half else hour
        end = datetime.fromtimestamp(self.ends_at).astimezone()
        try:
            base = datetime.strptime(day, "%Y-%m-%d").astimezone() if "-" in day else end - timedelta(_DAYS.get(day, 0))
            moment = base.replace(hour=hour, minute=minute, second=int(match["second"] or 0), microsecond=0)
        except (ValueError, OverflowError):
            return None
        # The zone may have another offset on that day.
        taken_at = moment.replace(tzinfo=None).astimezone().timestamp()
        if not day and taken_at > self.ends_at + _OUTSIDE_SECONDS:
            taken_at -= 86_400.0
        return taken_at, match["second"] is not None

    def said(self) -> str:
        """Return from when to when the recording goes, for a language model."""
        return f"second 0 was on {_said(self.began_at)}, and it goes up to {_said(self.ends_at)}"


def _said(taken_at: float) -> str:
    return datetime.fromtimestamp(taken_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _clock(seconds: float) -> str:
    text = clock(seconds)
    return text if text.count(":") == 2 else f"0:{text}"


def _quoted(text: str, match: re.Match[str]) -> bool:
    return text[: match.start()].count('"') % 2 == 1
