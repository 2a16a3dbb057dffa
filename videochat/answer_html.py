"""An answer as HTML: the one renderer of notebooks, of files (`videochat ask --html`) and of the page.

It reads plain data, the form of `Answer.as_dict()`, so that an answer that was stored as JSON can be shown too. All
that a video or a model said is escaped, and what would steer the direction of text is written out.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from videochat.intervals import clock_range
from videochat.printable import printable

_CLOCK = r"(?:\d+:)?\d{1,2}:\d\d"
_CITATION = re.compile(rf"\[([^\[\]]*?)\s*({_CLOCK}-{_CLOCK})\]")
_STATUS = {
    "grounded": "Grounded: each sentence rests on what it cites",
    "partly": "Partly grounded: not every sentence rests on what it cites",
    "claim": "A claim: a video model says so, and no caption bears it out",
    "not_found": "Not found: nothing that was noted bears an answer",
}
_SAID = ("speech", "ocr")
# In a notebook nothing else may run: each button plays the clip of its moment by itself.
_PLAY_CLIP = (
    "const v=this.closest('.vc-answer').querySelector('video[data-index=&quot;'+this.dataset.index+'&quot;]');"
    "if(v){v.currentTime=0;v.play();v.scrollIntoView({block:'nearest'})}"
)
_PLAY_VIDEO = """
const player = document.querySelector("#player"), name = document.querySelector("#name");
let end = Infinity;
document.addEventListener("click", (event) => {
  const moment = event.target.closest("[data-start]");
  if (!moment || !player) return;
  const start = Number(moment.dataset.start), source = moment.dataset.source;
  if (source && player.dataset.source !== source) {
    player.dataset.source = source;
    player.src = source;
    name.textContent = moment.dataset.name;
  }
  end = Math.max(Number(moment.dataset.end), start + 1);
  player.currentTime = start;
  player.play();
});
player?.addEventListener("timeupdate", () => { if (player.currentTime >= end) { player.pause(); end = Infinity; } });
player?.addEventListener("seeking", () => { if (player.currentTime > end) end = Infinity; });
"""
_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.55 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1.2rem;
  background: light-dark(#fbfaf8, #16171a); color: light-dark(#22211f, #e8e6e3); }
h1 { font-size: 1.5rem; line-height: 1.3; font-weight: 600; overflow-wrap: anywhere; }
#player { width: 100%; max-height: 60vh; background: #000; border-radius: .6rem; }
#name { font-size: .86rem; opacity: .65; margin: .3rem 0 1.6rem; }
"""


@cache
def answer_style() -> str:
    """Return the style sheet of what `answer_html` makes."""
    return files("videochat").joinpath("answer.css").read_text(encoding="utf-8")


def answer_html(
    answer: Mapping[str, Any],
    *,
    pictures: Sequence[bytes | None] = (),
    clips: Sequence[bytes | None] = (),
    names: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
) -> str:
    """Return an answer as a piece of HTML of the class `vc-answer`, without its style sheet.

    Every citation is a button with `data-start`, `data-end` (seconds), `data-video` and `data-index`.

    Args:
        answer: as `Answer.as_dict()` gives it.
        pictures: a JPEG of each cited moment, in the order of the citations; None where there is none.
        clips: an MP4 of each cited moment, which is then played where it stands; None where there is none.
        names: name of a video by its id, where citations must say which one.
        sources: address of a video by its id, for `data-source` of the buttons.
    """
    citations = list(answer["citations"])
    render = _Renderer(citations, dict(names or {}), dict(sources or {}), playable=any(clips))
    parts = [f'<div class="vc-text">{render.text(str(answer["text"]))}</div>']
    if answer.get("option"):
        parts.append(f"<p>Chosen: <b>{_escape(answer['option'])}</b></p>")
    if citations:
        moments = "".join(
            render.moment(index, _at(pictures, index), _at(clips, index)) for index in range(len(citations))
        )
        parts.append(f'<ul class="vc-moments" aria-label="Cited moments">{moments}</ul>')
    if verdicts := answer.get("verdicts"):
        parts.append(f'<ul class="vc-verdicts" aria-label="Second look">{"".join(map(_verdict, verdicts))}</ul>')
    if notes := answer.get("notes"):
        parts.append(
            f'<ul class="vc-notes" aria-label="Notes">{"".join(f"<li>– {_escape(n)}</li>" for n in notes)}</ul>'
        )
    status = str(answer["status"])
    parts.append(
        f'<p class="vc-status"><span class="vc-badge" data-is="{_escape(status)}">'
        f"{_escape(_STATUS.get(status, status))}</span></p>"
    )
    return f'<div class="vc-answer">{"".join(parts)}</div>'


def answer_page(
    question: str,
    answer: Mapping[str, Any],
    *,
    videos: Mapping[str, tuple[str, str]],
    pictures: Sequence[bytes | None] = (),
) -> str:
    """Return a whole page that needs nothing else but the videos: question, player, answer.

    A click on a citation plays it. The page runs no script but its own, and asks no other address.

    Args:
        question: what was asked.
        answer: as `Answer.as_dict()` gives it.
        videos: name and address of each video by its id.
        pictures: a JPEG of each cited moment; None where there is none.
    """
    several = {id_: name for id_, (name, _) in videos.items()} if len(videos) > 1 else None
    body = answer_html(
        answer, pictures=pictures, names=several, sources={id_: address for id_, (_, address) in videos.items()}
    )
    first = next(iter(answer["citations"]), None)
    shown = str(first["video_id"]) if first else ""
    name, address = videos[shown] if shown in videos else next(iter(videos.values()))
    at = f"#t={first['start_seconds']:g},{first['end_seconds']:g}" if first else ""
    digest = base64.b64encode(hashlib.sha256(_PLAY_VIDEO.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src file: http: https:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escape(question)}</title><style>{_PAGE_STYLE}{answer_style()}</style></head><body>"
        f"<h1>{_escape(question)}</h1>"
        f'<video id="player" controls preload="metadata" src="{_escape(address + at)}" '
        f'data-source="{_escape(address)}"></video><p id="name">{_escape(name)}</p>{body}'
        f"<script>{_PLAY_VIDEO}</script></body></html>\n"
    )


def captions_html(captions: Sequence[Mapping[str, Any]]) -> str:
    """Return captions as a table, for notebooks.

    Args:
        captions: as `Caption.as_dict()` gives them.
    """
    rows = "".join(
        f"<tr><td>{_when(c)}</td><td>{_escape(c['kind'])}</td><td style='text-align:left'>{_escape(c['text'])}</td>"
        f"<td>{_escape(c['source'])}</td></tr>"
        for c in captions
    )
    return f"<table><thead><tr><th>time</th><th>kind</th><th>text</th><th>source</th></tr></thead>{rows}</table>"


class _Renderer:
    def __init__(
        self,
        citations: Sequence[Mapping[str, Any]],
        names: Mapping[str, str],
        sources: Mapping[str, str],
        *,
        playable: bool,
    ) -> None:
        self._citations, self._names, self._sources, self._playable = citations, names, sources, playable

    def text(self, text: str) -> str:
        """Return the paragraphs, with each citation that resolves as a button."""
        parts, position = [], 0
        for match in _CITATION.finditer(text):
            index = self._index(match[1].strip(), match[2])
            if index is not None:
                label = f"{match[1]} {match[2]}".strip()
                parts += [_escape(text[position : match.start()]), self._button(index, label)]
                position = match.end()
        marked = "".join([*parts, _escape(text[position:])])
        return "".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in re.split(r"\n\s*\n", marked.strip()))

    def _index(self, name: str, when: str) -> int | None:
        fits = [i for i, citation in enumerate(self._citations) if _when(citation) == when]
        named = [i for i in fits if self._names.get(self._citations[i]["video_id"], "") == name]
        found = named or ([] if name else fits)
        return found[0] if found else None

    def _button(self, index: int, label: str) -> str:
        return f'<button type="button" class="vc-cite" {self._data(index)}>{_escape(label)}</button>'

    def _data(self, index: int) -> str:
        citation = self._citations[index]
        video = str(citation["video_id"])
        data = {"index": index, "video": video, "start": f"{citation['start_seconds']:.3f}"}
        data["end"] = f"{citation['end_seconds']:.3f}"
        if video in self._sources:
            data |= {"source": self._sources[video], "name": self._names.get(video, "")}
        click = f' onclick="{_PLAY_CLIP}"' if self._playable else ""
        return " ".join(f'data-{name}="{_escape(value)}"' for name, value in data.items()) + click

    def moment(self, index: int, picture: bytes | None, clip: bytes | None) -> str:
        """Return a cited moment: its picture or clip, time, kind and words."""
        citation = self._citations[index]
        shown = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}" if picture else ""
        seen = ""
        if clip:
            poster = f' poster="{shown}"' if shown else ""
            source = f"data:video/mp4;base64,{base64.b64encode(clip).decode()}"
            seen = f'<video controls preload="none" data-index="{index}"{poster} src="{source}"></video>'
        elif shown:
            seen = (
                f'<button type="button" class="vc-play" {self._data(index)} aria-label="Play {_when(citation)}">'
                f'<img alt="" src="{shown}"></button>'
            )
        name = self._names.get(str(citation["video_id"]), "")
        button = self._button(index, f"{name} {_when(citation)}".strip())
        tag = "q" if citation["kind"] in _SAID else "span"
        return (
            f'<li class="vc-moment">{seen}<div class="vc-words">{button}'
            f'<small class="vc-kind">{_escape(str(citation["kind"]).replace("_", " "))}</small>'
            f"<{tag}>{_escape(citation['text'])}</{tag}></div></li>"
        )


def _verdict(verdict: Mapping[str, Any]) -> str:
    reason = f": {_escape(verdict['reason'])}" if verdict.get("reason") else ""
    return (
        f'<li><span class="vc-badge" data-is="{_escape(verdict["judgement"])}">{_escape(verdict["judgement"])}</span> '
        f"“{_escape(verdict['sentence'])}”{reason}</li>"
    )


def _when(item: Mapping[str, Any]) -> str:
    return clock_range(item["start_seconds"], item["end_seconds"])


def _at(items: Sequence[bytes | None], index: int) -> bytes | None:
    return items[index] if index < len(items) else None


def _escape(value: object) -> str:
    return html.escape(printable(value if isinstance(value, str) else json.dumps(value)))
