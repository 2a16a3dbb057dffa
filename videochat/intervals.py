"""Half-open intervals of seconds, and the clock texts that people read: `01:05`, `1:02:05`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from videochat.errors import InvalidArgument, check_number

Interval = tuple[float, float]
"""`[start_seconds, end_seconds)`."""

# Times pass through microseconds and floats on their way.
_SLACK_SECONDS = 1e-6
_LONGEST_CLOCK = 1e9


def clock(seconds: float) -> str:
    """Write seconds as a player does: `01:05`, from an hour on `1:02:05`. Fractions are cut, not rounded.

    From 10^9 seconds on, which no video lasts, it is `1e+09 s`.

    Raises:
        InvalidArgument: negative or not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InvalidArgument(f"clock() needs seconds >= 0, got {seconds!r}")
    if seconds >= _LONGEST_CLOCK:
        return f"{seconds:.3g} s"
    # Half a millisecond of slack: 65.0 must not become 01:04 because it was summed from floats.
    whole = int(seconds + 0.0005)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes:02d}:{whole % 60:02d}"


def clock_range(start_seconds: float, end_seconds: float) -> str:
    """Write an interval as `00:42-00:47`; the end is rounded up so that the range covers the moment."""
    return f"{clock(start_seconds)}-{clock(math.ceil(end_seconds - 0.0005))}"


def parse_clock(text: str) -> float:
    """Return the seconds of a clock text: the inverse of `clock`. `65`, `1:05`, `01:05.5`, `1:02:05` are read.

    Raises:
        InvalidArgument: it is none.
    """
    if not re.fullmatch(r"(?:\d+:){0,2}\d+(?:\.\d*)?", text.strip(), re.ASCII):
        raise InvalidArgument(f"{text!r} is no time; write seconds (65), MM:SS (01:05) or H:MM:SS (1:02:05).")
    seconds = 0.0
    for part in text.strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def parse_range(text: str) -> tuple[float, float | None]:
    """Return the seconds of `0:42-0:50`, as answers write it, also in brackets; the end of `0:42` is None.

    Raises:
        InvalidArgument: it is none, or its end is not after its start.
    """
    start, dash, end = text.strip().strip("[]").replace("–", "-").partition("-")
    span = parse_clock(start), parse_clock(end) if dash else None
    if span[1] is not None and span[1] <= span[0]:
        raise InvalidArgument(f"The range {text!r} ends before it begins; write the earlier time first.")
    return span


def check_interval(start_seconds: float, end_seconds: float, *, open_end: bool = False) -> None:
    """Hold an interval to `0 <= start < end`.

    Args:
        start_seconds: first moment.
        end_seconds: first moment no longer.
        open_end: whether the end may be infinite.

    Raises:
        InvalidArgument: it is no such interval.
    """
    check_number("The start of a range", start_seconds)
    check_number("The end of a range", end_seconds)
    finite = math.isfinite(start_seconds) and (open_end or math.isfinite(end_seconds))
    if not (finite and 0 <= start_seconds < end_seconds):
        raise InvalidArgument(
            f"A range needs 0 <= start_seconds < end_seconds, got {start_seconds!r} to {end_seconds!r} seconds."
        )


def fit_interval(
    start_seconds: float, end_seconds: float | None, duration_seconds: float, name: str = "the video"
) -> Interval:
    """Return a range with its end filled in, or brought back to the end of what has a duration.

    Args:
        start_seconds: first moment.
        end_seconds: first moment no longer; None for the end.
        duration_seconds: how long the whole is.
        name: of the whole, for the message.

    Raises:
        InvalidArgument: it holds nothing.
    """
    check_number("The start of a range", start_seconds)
    if end_seconds is not None:
        check_number("The end of a range", end_seconds)
    end = duration_seconds if end_seconds is None else min(end_seconds, duration_seconds)
    if math.isfinite(start_seconds) and 0 <= start_seconds < end:
        return start_seconds, end
    if math.isfinite(start_seconds) and start_seconds >= duration_seconds:
        raise InvalidArgument(
            f"The range from second {start_seconds:g} on ({clock(start_seconds)}) holds nothing: {name} lasts "
            f"{duration_seconds:.2f} s ({clock(duration_seconds)})."
        )
    to = "its end" if end_seconds is None else f"second {end_seconds:g}"
    raise InvalidArgument(
        f"The range from second {start_seconds:g} to {to} holds nothing: {name} lasts {duration_seconds:.2f} s "
        f"({clock(duration_seconds)}), and a range needs 0 <= start < end."
    )


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union of intervals as ordered intervals that do not touch."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + _SLACK_SECONDS:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif start < end:
            merged.append((start, end))
    return merged


def missing_intervals(covered: Iterable[Interval], start_seconds: float, end_seconds: float) -> list[Interval]:
    """Return the parts of a range that nothing covers, in order.

    Args:
        covered: intervals in any order; they may overlap.
        start_seconds: first moment of the range.
        end_seconds: first moment no longer.
    """
    missing, position = [], start_seconds
    for start, end in [*merge_intervals(covered), (end_seconds, end_seconds)]:
        if min(start, end_seconds) - position > _SLACK_SECONDS:
            missing.append((position, min(start, end_seconds)))
        position = max(position, end)
    return missing
