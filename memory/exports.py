"""Captions as files that other programs read: subtitles, tables, notes, lists of chapters."""

from __future__ import annotations

import csv
import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args
from urllib.parse import quote

from videochat.errors import UnknownName
from videochat.intervals import clock, clock_range
from videochat.memory.chapters import Chapter
from videochat.records import Caption
from videochat.subrip import guarded

ExportFormat = Literal["srt", "vtt", "csv", "md", "json", "chapters"]
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
"""`srt`, `vtt`: subtitles; `csv`: a table; `md`: notes whose times are links; `json`: everything; `chapters`: a line
`00:00 Title` for each, as video platforms read them."""

# An end this little after the next beginning is a matter of rounding, not two lines at once.
_TOUCHING_MS = 100
_COLUMNS = ("start_seconds", "end_seconds", "start", "end", "kind", "speaker", "text", "source", "score", "language")


@dataclass(frozen=True)
class _Cue:
    """One subtitle; times in milliseconds."""

    start: int
    end: int
    captions: tuple[Caption, ...]


def export_text(
    captions: Iterable[Caption],
    format_: str,
    *,
    name: str,
    duration_seconds: float,
    chapters: Sequence[Chapter] = (),
) -> str:
    """Return the captions of one video as the text of a file.

    Args:
        captions: of one video, in any order.
        format_: one of `EXPORT_FORMATS`.
        name: of the video, for headings and links.
        duration_seconds: length of the video.
        chapters: of the video; for `chapters`, `md` and `json`.

    Raises:
        UnknownName: there is no such format.
    """
    if format_ not in EXPORT_FORMATS:
        raise UnknownName("format", format_, EXPORT_FORMATS)
    ordered = sorted(captions, key=lambda c: (c.start_seconds, c.end_seconds))
    if format_ == "srt":
        return _srt(_cues(ordered))
    if format_ == "vtt":
        return _vtt(_cues(ordered))
    if format_ == "csv":
        return _csv(ordered)
    if format_ == "md":
        return _markdown(ordered, name, duration_seconds, chapters)
    if format_ == "chapters":
        return "".join(f"{clock(chapter.start_seconds)} {chapter.title}\n" for chapter in chapters)
    whole = {
        "video": {"name": name, "id": ordered[0].video_id if ordered else None, "duration_seconds": duration_seconds},
        "chapters": [chapter.as_dict() for chapter in chapters],
        "captions": [caption.as_dict() for caption in ordered],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def speaker_of(caption: Caption) -> str:
    """Return who says a caption, where that is known, else an empty text."""
    return " ".join(str(caption.attributes.get("speaker", "")).split())


def _cues(captions: Sequence[Caption]) -> list[_Cue]:
    """Return subtitles of which no two are shown at once: where captions overlap, both are lines of one cue."""
    spans = [(round(c.start_seconds * 1000), round(c.end_seconds * 1000), c) for c in captions]
    starts = sorted({start for start, _, _ in spans})
    trimmed = []
    for start, end, caption in spans:
        # Of lines that hardly overlap the first one ends where the second begins.
        place = bisect_right(starts, max(start, end - _TOUCHING_MS))
        later = starts[place] if place < len(starts) else end
        trimmed.append((start, max(min(later, end), start + 1), caption))
    edges = sorted({edge for start, end, _ in trimmed for edge in (start, end)})
    cues: list[_Cue] = []
    showing: list[tuple[int, int, Caption]] = []
    waiting = list(reversed(trimmed))
    for start, end in pairwise(edges):
        while waiting and waiting[-1][0] <= start:
            showing.append(waiting.pop())
        showing = [span for span in showing if span[1] > start]
        shown = tuple(caption for _, _, caption in showing)
        if shown and cues and cues[-1].captions == shown and cues[-1].end == start:
            cues[-1] = _Cue(cues[-1].start, end, shown)
        elif shown:
            cues.append(_Cue(start, end, shown))
    return cues


def _lines(cue: _Cue) -> list[tuple[str, str]]:
    """Return (speaker, text) for each line of a cue, equal ones once; a text may begin with the speaker's name."""
    said = ((speaker_of(c), " ".join(c.text.split())) for c in cue.captions)
    return list(dict.fromkeys((who, text.removeprefix(f"{who}: ") or text) for who, text in said))


def _srt(cues: Sequence[_Cue]) -> str:
    blocks = []
    for number, cue in enumerate(cues, 1):
        lines = [guarded(f"{speaker}: {text}" if speaker else text) for speaker, text in _lines(cue)]
        when = f"{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}"
        blocks.append("\n".join([str(number), when, *lines]) + "\n")
    return "\n".join(blocks)


def _vtt(cues: Sequence[_Cue]) -> str:
    blocks = ["WEBVTT\n"]
    for cue in cues:
        lines = []
        for speaker, text in _lines(cue):
            said = _vtt_text(text)
            lines.append(f"<v {_vtt_text(speaker)}>{said}</v>" if speaker else said)
        when = f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}"
        blocks.append("\n".join([when, *lines]) + "\n")
    return "\n".join(blocks)


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{thousandths:03d}"


def _csv(captions: Sequence[Caption]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(_COLUMNS)
    for c in captions:
        start, end = round(c.start_seconds, 3), round(c.end_seconds, 3)
        words = map(_cell, (c.kind, speaker_of(c), c.text, c.source))
        score = "" if c.score is None else f"{c.score:g}"
        table.writerow([start, end, clock(start), clock(end), *words, score, _cell(c.language or "")])
    return out.getvalue()


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _markdown(captions: Sequence[Caption], name: str, duration_seconds: float, chapters: Sequence[Chapter]) -> str:
    lines = [f"# {_plain(name)}", "", f"{clock(duration_seconds)} long, {len(captions)} captions."]
    heads = list(reversed(chapters)) if len(chapters) > 1 else []
    for caption in captions:
        while heads and heads[-1].start_seconds <= caption.start_seconds:
            chapter = heads.pop()
            lines += ["", f"## {clock(chapter.start_seconds)} {_plain(chapter.title)}"]
        if lines[-1].startswith(("#", str(clock(duration_seconds)))):
            lines.append("")
        when = clock_range(caption.start_seconds, caption.end_seconds)
        link = f"{quote(name)}#t={caption.start_seconds:.3f},{caption.end_seconds:.3f}"
        who = f"{_plain(speaker_of(caption))}: " if speaker_of(caption) else ""
        lines.append(f"- [{when}]({link}) {caption.kind.replace('_', ' ')}: {who}{_plain(caption.text)}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text in one line of which Markdown takes nothing for its signs."""
    return re.sub(r"([\\`*_\[\]<>#|~&])", r"\\\1", " ".join(text.split()))
