"""Subtitles: what is said, word for word, from files beside the video or from the text track inside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

from videochat.errors import MediaError
from videochat.intervals import clock
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Missed, Needs, PerceptionTool, Settled
from videochat.tools.cues import LeftOut
from videochat.tools.subtitle_choice import Subtitles, choose_subtitles, read_subtitles

# So many captions settle together, however long the file is.
_SETTLED_TOGETHER = 500
# A caption may not end later than any video; such a cue is damaged.
_MOST_SECONDS = 1e8
_VERSION = "2"


class SubtitleReader(PerceptionTool):
    """Reads subtitle files beside the video (.srt, .vtt, .ass), else the text track inside it.

    One of them is read: the fullest that is meant for the user, as `choose_subtitles` says; `remarks` tells which, and
    what was passed over.
    """

    name: ClassVar[str] = "subtitles"
    kind: ClassVar[Kind] = "speech"
    sees: ClassVar[str] = "what is said, word for word, where subtitles lie beside or inside the video"

    needs: Needs = "subtitles"

    def usual_source(self) -> str:
        """Return the only source there is: the words are the video's own."""
        return "subtitles"

    def unfit(self, video: Video) -> str | None:
        """Return why there are no subtitles to read, or None."""
        choice = choose_subtitles(video)
        if choice.chosen is not None:
            return None
        return "; ".join(["there are no subtitles to read beside or inside the video", *choice.reasons])

    def remarks(self, video: Video) -> list[str]:
        """Return which subtitles are read and why, where there were several, and what had to be guessed."""
        return choose_subtitles(video).reasons

    def version(self, video: Video) -> str:
        """Return what changes with the words that are read, so that corrected subtitles are read again.

        Raises:
            MediaError: there are none that can be read.
        """
        self._chosen(video)
        return f"{self.source}-{_VERSION}-{choose_subtitles(video).version}"

    def perceive(
        self, stream: Iterable[Any], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Missed | Settled]:
        """Yield one caption a cue, with who speaks as `attributes["speaker"]` where the subtitles say it.

        Cues that cannot be shown, and letters that cannot be read, are a `Missed`.

        Raises:
            MediaError: the subtitles cannot be read.
        """
        chosen = self._chosen(video)
        cues, bad_bytes = read_subtitles(video, chosen)
        shift, duration = video.subtitle_shift_seconds, video.duration_seconds
        left_out = list(cues.left_out)
        given = 0
        settled = start_seconds
        for cue in cues.cues:
            start, end = max(cue.start_seconds + shift, 0.0), cue.end_seconds + shift
            # A cue may outlast the video; words may come after its last picture and sound, and keep their time.
            end = min(end, duration) if start < duration else end
            if not start_seconds <= start or not (start < end_seconds or end_seconds >= duration):
                continue
            if start >= end or end > _MOST_SECONDS:
                left_out.append(LeftOut(start, "lies where no video is"))
                continue
            if given >= _SETTLED_TOGETHER and start > settled:
                yield Settled(start)
                given, settled = 0, start
            speaker = {"speaker": cue.speaker} if cue.speaker else {}
            language = chosen.labels.language
            yield Caption(video.id, start, end, self.kind, cue.text, self.source, language=language, attributes=speaker)
            given += 1
        # What stands beyond the end, or has no time at all, belongs to the ends of the video.
        places = [each._replace(seconds=min(max(each.seconds, 0.0), duration - 1e-3)) for each in left_out]
        yield from _missed(places, bad_bytes, start_seconds, end_seconds)
        yield Settled(end_seconds)

    def _chosen(self, video: Video) -> Subtitles:
        choice = choose_subtitles(video)
        if choice.chosen is None:
            why = "; ".join(choice.reasons) or "there are none"
            raise MediaError(f"The subtitles of {video.name!r} cannot be read: {why}.")
        return choice.chosen


def _missed(left_out: Sequence[LeftOut], bad_bytes: int, start_seconds: float, end_seconds: float) -> Iterator[Missed]:
    """Yield what is not told of the subtitles, counted, once for the range in which it lies."""
    here = [each for each in left_out if start_seconds <= each.seconds < end_seconds]
    if here:
        counts = Counter(each.reason for each in here)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        first = min(each.seconds for each in here)
        last = max(each.seconds for each in here)
        cues = "1 cue was" if len(here) == 1 else f"{len(here)} cues were"
        reason = f"{cues} left out of the subtitles ({reasons}; the first at {clock(first)})"
        yield Missed(first, min(max(last, first + 1.0), end_seconds), reason)
    if bad_bytes and start_seconds == 0:
        letters = "1 letter of the subtitles cannot be decoded and stands"
        if bad_bytes > 1:
            letters = f"{bad_bytes} letters of the subtitles cannot be decoded and stand"
        yield Missed(start_seconds, end_seconds, f"{letters} as \ufffd")
