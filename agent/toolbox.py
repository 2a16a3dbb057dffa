"""What a language model can do with videos: LangChain tools over video_set and its memory.

Each returns text for the model, with evidence numbers and between marks that say it is data, and as artifact a
list of plain dicts for the program. A mistake that another call may avoid comes back as text with a hint.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, ConfigDict, Field

from videochat.agent.evidence import Evidence
from videochat.agent.prompts import fenced
from videochat.agent.video_set import VideoSet
from videochat.errors import VideoChatError
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.memory import Hit, appearances, browse, textualize
from videochat.memory.context_budget import select
from videochat.memory.retrieval import Recall, about, coverage, recall, recall_library
from videochat.records import Caption, Kind

_READ_AT_MOST = 80
_CLOSER_SECONDS = 120.0
_PICTURES = 16
_PICTURE_BYTES = 4_000_000
_NAMED_VIDEOS = 40

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=2000)]
VideoName = Annotated[
    str | None, Field(description="Name of the video, as browse gives it. Omit where there is only one.")
]
Result = tuple[str, list[dict[str, Any]]]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BrowseInput(_Arguments):
    """Arguments of `browse`."""

    question: Text = Field("", description="What you want to know; omit for an overview.")
    video: VideoName = None


class SearchInput(_Arguments):
    """Arguments of `search`."""

    query: Text = Field(description="What to look for: the question itself, or the words of it that matter.")
    start: Seconds = Field(0.0, description="Only moments after this second of the video.")
    end: Seconds | None = Field(None, description="Only moments before this second; omit for the end.")
    kinds: list[Kind] | None = Field(
        None, description="Only what these senses noted, e.g. speech (what is said) or ocr (text on screen)."
    )
    videos: list[str] | None = Field(None, description="Only in these videos, by name; omit for all.")


class ReadInput(_Arguments):
    """Arguments of `read`."""

    start: Seconds = Field(description="First second to read.")
    end: Seconds = Field(description="Where to stop, in seconds.")
    video: VideoName = None


class LookInput(_Arguments):
    """Arguments of `look`."""

    start: Seconds = Field(description="First second to look at.")
    end: Seconds = Field(description="Where to stop, in seconds; at most two minutes after the start.")
    question: Text = Field("", description="What to find out; it decides which sense looks where no tool is named.")
    tool: str | None = Field(None, description="Name of the sense that looks, e.g. ocr, objects, captions.")
    rate: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = Field(
        None, description="Pictures per second; omit for four."
    )
    video: VideoName = None


class WatchClipInput(_Arguments):
    """Arguments of `watch_clip`."""

    question: Text = Field(min_length=1, description="What to find out, as a full question.")
    start: Seconds = Field(description="First second to watch.")
    end: Seconds = Field(description="Where to stop, in seconds; at most a minute is seen well.")
    video: VideoName = None


class FramesInput(_Arguments):
    """Arguments of `frames`."""

    start: Seconds = Field(description="First second.")
    end: Seconds = Field(description="Where to stop, in seconds.")
    n: int = Field(4, ge=1, le=_PICTURES, description="How many pictures, evenly spread over the range.")
    video: VideoName = None


class CountInput(_Arguments):
    """Arguments of `count`."""

    what: Text = Field("", description="One sort of thing, such as car or person; omit for all.")
    start: Seconds = Field(0.0, description="Only what is seen after this second.")
    end: Seconds | None = Field(None, description="Only what is seen before this second; omit for the end.")
    video: VideoName = None


class Toolbox:
    """The tools of one conversation.

    Args:
        video_set: the videos, their senses and their memory.
        evidence: where what the tools show is numbered.
        watch_first: called before a tool runs; None where the videos have been watched, or are being watched.
        video_model: folder or hub id of a video-language model for `watch_clip`; without one there is no such tool.
        pictures: whether the model can see, and `frames` is offered.
    """

    def __init__(
        self,
        video_set: VideoSet,
        evidence: Evidence,
        *,
        watch_first: Callable[[], object] | None = None,
        video_model: str | None = None,
        pictures: bool = False,
    ) -> None:
        self.video_set, self.evidence = video_set, evidence
        self.video_model, self.pictures = video_model, pictures
        self._watch_first = watch_first
        self._watching = threading.Lock()

    def recall(self, question: str) -> Recall:
        """Retrieve for a question and number what was found."""
        found = self._recall(question, self.video_set.videos)
        self.evidence.add(hit.caption for hit in found.hits)
        return found

    def _recall(self, question: str, videos: Sequence[Video], **filters: Any) -> Recall:
        if len(videos) == 1:
            (video,) = videos
            stored = self.video_set.captions_of(video)
            return recall(stored, question, duration_seconds=video.duration_seconds, **filters)
        ids = [video.id for video in videos]
        return recall_library(self.video_set.memory, question, video_ids=ids, **filters)

    def contexts(self, hits: Sequence[Hit], budget_tokens: int) -> str:
        """Return what was found, and as much else as fits: what is around it, and summaries of the rest."""
        if self.video_set.several:
            return self.as_text(hit.caption for hit in hits)
        (video,) = self.video_set.videos
        chosen = select(self.video_set.captions_of(video), hits, budget_tokens=budget_tokens)
        self.evidence.add(chosen.captions)
        text = self.as_text(chosen.captions)
        return f"{text}\n({chosen.left_out})" if chosen.left_out else text

    def as_text(self, captions: Iterable[Caption]) -> str:
        """Return captions in the template of Table 1, in temporal order, each with its number.

        Numbers in brackets that the video itself shows are put in parentheses: they cite nothing.
        """
        shown, numbers = [], {}
        for caption in captions:
            plain = replace(caption, text=" ".join(caption.text.split()).translate(_NO_BRACKETS))
            shown.append(plain)
            numbers[plain.id] = self.evidence.numbers[caption.id]
        return textualize(shown, numbers=numbers, names=self.video_set.names if self.video_set.several else None)

    def as_data(self, hits: Iterable[Hit]) -> list[dict[str, Any]]:
        """Return hits as plain data, in their order."""
        numbers = self.evidence.numbers
        return [
            hit.caption.as_dict() | {"number": numbers[hit.caption.id], "similarity": hit.similarity} for hit in hits
        ]

    def browse(self, question: str = "", video: str | None = None) -> Result:
        """Tell what happens overall, who and what appears; of several videos, what each is about."""
        if self.video_set.several and video is None:
            return self._browse_library()
        chosen = self.video_set.video(video)
        self.video_set.summarize(chosen)
        stored = self.video_set.captions_of(chosen)
        summaries = browse(stored)
        if words := about(question):
            share = coverage(words, summaries)
            best = max(share.values(), default=0.0)
            fitting = [c for c in summaries if best > 0 and share[c.id] >= 0.7 * best]
            found = [hit.caption for hit in stored.search(question, k=4, kinds=["summary"])]
            summaries = sorted(
                {c.id: c for c in [*summaries[:1], *fitting, *found]}.values(),
                key=lambda c: (c.start_seconds, -c.end_seconds),
            )
        seen = appearances(stored)
        text = "\n".join(
            f"{clock_range(c.start_seconds, c.end_seconds)} {c.text.translate(_NO_BRACKETS)} [{number}]"
            for c, number in zip(summaries, self.evidence.add(summaries), strict=True)
        )
        if seen:
            text += "\nSeen: " + "; ".join(map(str, seen[:20]))
        if not text:
            return self._nothing_yet(chosen), []
        return fenced(text), self.as_data(Hit(c) for c in summaries)

    def _browse_library(self) -> Result:
        lines, shown = [], []
        for video in self.video_set.videos[:_NAMED_VIDEOS]:
            self.video_set.summarize(video)
            whole = browse(self.video_set.captions_of(video), "whole")
            (number,) = self.evidence.add(whole[:1]) or [0]
            shown += whole[:1]
            said = f": {whole[0].text[:300].translate(_NO_BRACKETS)} [{number}]" if whole else ""
            lines.append(f"{self.video_set.names[video.id]} ({clock(video.duration_seconds)}){said}")
        if left := len(self.video_set.videos) - _NAMED_VIDEOS:
            lines += [f"and {left} more; search finds moments in all of them"] if left > 0 else []
        return fenced("\n".join(lines)), self.as_data(Hit(c) for c in shown)

    def search(
        self,
        query: str,
        start: float = 0.0,
        end: float | None = None,
        kinds: list[Kind] | None = None,
        videos: list[str] | None = None,
    ) -> Result:
        """Find the captions that fit a query best."""
        if not query.strip():
            raise ToolException("query is empty; give the words to look for.")
        limit = math.inf if end is None else end
        if limit <= start:
            raise ToolException(f"end {limit:g} must be greater than start {start:g}.")
        chosen = self.video_set.videos if videos is None else [self.video_set.video(name) for name in videos]
        hits = self._recall(query, chosen, kinds=kinds, start_seconds=start, end_seconds=limit).hits
        if not hits:
            return "Nothing was found. Try other words, or read a range.", []
        self.evidence.add(hit.caption for hit in hits)
        return fenced(self.as_text(hit.caption for hit in hits)), self.as_data(hits)

    def read(self, start: float, end: float, video: str | None = None) -> Result:
        """Give every caption within a range."""
        chosen, start, end = self._range(video, start, end)
        captions = self.video_set.captions_of(chosen).between(start, end)
        if not captions:
            self.evidence.look_at(chosen.id, start, end)
            return f"Nothing was noted from {clock(start)} to {clock(end)}. {self._nothing_yet(chosen)}", []
        shown = captions[:_READ_AT_MOST]
        note = ""
        if len(captions) > len(shown):
            last = shown[-1].start_seconds
            note = f"\n({len(captions) - len(shown)} more from {clock(last)} on; read from second {last:g} next.)"
            end = last
        self.evidence.look_at(chosen.id, start, end)
        self.evidence.add(shown)
        return fenced(self.as_text(shown)) + note, self.as_data(Hit(c) for c in shown)

    def look(
        self,
        start: float,
        end: float,
        question: str = "",
        tool: str | None = None,
        rate: float | None = None,
        video: str | None = None,
    ) -> Result:
        """Run a sense again over a range, more densely, and store what it sees."""
        chosen, start, end = self._range(video, start, end)
        if end - start > _CLOSER_SECONDS:
            raise ToolException(
                f"The range from {start:g} to {end:g} is longer than {_CLOSER_SECONDS:g} seconds; look at the part "
                "that matters. search finds it."
            )
        found, how = self.video_set.look(chosen, start, end, question=question, tool=tool, rate=rate)
        self.evidence.look_at(chosen.id, start, end)
        when = clock_range(start, end)
        if not found:
            return f"I {how} from {when}, and it noted nothing.", []
        note = ""
        if len(found) > _READ_AT_MOST:
            share = coverage(about(question), found)
            best = sorted(found, key=lambda c: -share[c.id])[:_READ_AT_MOST]
            note = f"\n({len(found) - len(best)} more were stored; take a shorter range to see them all.)"
            found = sorted(best, key=lambda c: c.start_seconds)
        self.evidence.add(found)
        text = f"I {how} from {when}:\n{fenced(self.as_text(found))}{note}"
        return text, self.as_data(Hit(c) for c in found)

    def watch_clip(self, question: str, start: float, end: float, video: str | None = None) -> Result:
        """Ask a video-language model about a range, and store its answer."""
        from videochat.tools.watch_clip import WatchClip

        chosen, start, end = self._range(video, start, end)
        clip = WatchClip(video=chosen, weights=self.video_model or "")
        captions = [clip.watch(question, start, end)]
        self.video_set.captions_of(chosen).record(captions)
        self.evidence.look_at(chosen.id, start, end)
        self.evidence.add(captions)
        return fenced(self.as_text(captions)), self.as_data(Hit(c) for c in captions)

    def frames(
        self, start: float, end: float, n: int = 4, video: str | None = None
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Give pictures of a range to a model that can see; each has a number, so that it can be cited."""
        chosen, start, end = self._range(video, start, end)
        step = (end - start) / n
        blocks: list[dict[str, Any]] = []
        shown: list[Caption] = []
        left = _PICTURE_BYTES
        for i in range(n):
            seconds = start + (i + 0.5) * step
            jpeg = self.video_set.picture(chosen, seconds)
            if jpeg is None or (left := left - len(jpeg)) < 0:
                break
            # Not stored: it says nothing that a search could find. Cited, it shows the reader the same picture.
            end_seconds = seconds + min(0.04, step)
            moment = Caption(chosen.id, seconds, end_seconds, "clip_caption", _PICTURE, "frames")
            shown.append(moment)
            (number,) = self.evidence.add([moment])
            blocks.append({"type": "text", "text": f"Picture at {seconds:.2f} s ({clock(seconds)}) [{number}]:"})
            encoded = base64.b64encode(jpeg).decode()
            blocks.append({"type": "image", "base64": encoded, "mime_type": "image/jpeg"})
        if not shown:
            raise ToolException(f"There are no pictures from {start:g} to {end:g} seconds.")
        self.evidence.look_at(chosen.id, start, end)
        return blocks, self.as_data(Hit(c) for c in shown)

    def count(self, what: str = "", start: float = 0.0, end: float | None = None, video: str | None = None) -> Result:
        """Count things that were followed, each once."""
        chosen, first, last = self._range(video, start, math.inf if end is None else end)
        captions = self.video_set.captions_of(chosen).between(first, last, ["objects"])
        seen = appearances(captions, what.strip() or None)
        if not seen:
            known = ", ".join(sorted({c.text for c in captions})[:30])
            have = f"Only these were followed: {known}." if known else "No sense has followed things in this range."
            return f"No {what or 'things'} were counted. {have} Look at the range, or search for it in words.", []
        cited = [max(a.captions, key=lambda c: c.end_seconds - c.start_seconds) for a in seen[:20]]
        for appearance in seen:
            for span in appearance.spans:
                self.evidence.look_at(chosen.id, *span)
        lines = [f"{a} [{n}]" for a, n in zip(seen, self.evidence.add(cited), strict=False)]
        note = "\n(A thing that left and came back is counted again; at once is a lower bound.)"
        return fenced("\n".join(lines)) + note, self.as_data(Hit(c) for c in cited)

    def _range(self, name: str | None, start: float, end: float) -> tuple[Video, float, float]:
        """Return the video meant and a range within it."""
        video = self.video_set.video(name)
        if end <= start:
            raise ToolException(f"end {end:g} must be greater than start {start:g}.")
        if start >= video.duration_seconds:
            raise ToolException(
                f"The video lasts {video.duration_seconds:.1f} seconds; start {start:g} is behind its end."
            )
        return video, start, min(end, video.duration_seconds)

    def _nothing_yet(self, video: Video) -> str:
        reached = self.video_set.reached(video)
        if reached < video.duration_seconds - 0.5:
            return f"So far the video has been watched up to {clock(reached)} of {clock(video.duration_seconds)}."
        return f"The video lasts until {clock(video.duration_seconds)}."

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, for the agent or any other LangChain app."""
        senses = ", ".join(self.video_set.sharp_senses()) or "none of the line-up"
        given: list[tuple[Callable[..., Any], type[BaseModel], str]] = [
            (
                self.browse,
                BrowseInput,
                "Get an overview: what happens when, and who and what appears. Of several videos, their names and what "
                "each is about. Use it first for questions about the whole, and to find the part that matters.",
            ),
            (
                self.search,
                SearchInput,
                "Find moments that fit a question or some words: what was said, read on screen, seen or measured, "
                "each with its time and number. What it finds are candidates; confirm them with read or look.",
            ),
            (
                self.read,
                ReadInput,
                "Read everything noted within a range of seconds, in temporal order. Use it to confirm a moment, and "
                "to see what comes before or after it.",
            ),
            (
                self.look,
                LookInput,
                "Look at a short range again, more closely than the first time, when what was noted does not settle "
                f"the question. Senses that can look again: {senses}. What is seen is kept.",
            ),
            (
                self.count,
                CountInput,
                "Count things that were followed through the video, each once: how many, when first and last seen. "
                "Use it for how many and how often.",
            ),
        ]
        if self.video_model:
            given.append(
                (
                    self.watch_clip,
                    WatchClipInput,
                    "Ask a model that watches moving pictures about a range: how something is done, in what order, or "
                    "why. Use it when notes do not tell. Best for up to a minute.",
                )
            )
        if self.pictures:
            sight = "See pictures of a range with your own eyes. Use it to settle doubts."
            given.append((self.frames, FramesInput, sight))
        return [
            StructuredTool.from_function(
                self._told_to_the_model(method),
                name=method.__name__,
                description=description,
                args_schema=schema,
                response_format="content_and_artifact",
                handle_tool_error=True,
            )
            for method, schema, description in given
        ]

    def _told_to_the_model(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Turn errors that another call may avoid into text for the model."""

        def call(**arguments: Any) -> Any:
            try:
                if self._watch_first is not None:
                    # Tools of one turn come in parallel threads; the first of them watches.
                    with self._watching:
                        self._watch_first()
                return method(**arguments)
            except VideoChatError as error:
                raise ToolException(str(error)) from error

        return call


_NO_BRACKETS = str.maketrans("[]", "()")
_PICTURE = "a picture that the model looked at itself"
