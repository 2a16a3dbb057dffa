"""Toolbox: what a language model can do with videos, as LangChain tools.

Each returns text for the model, with evidence numbers and between marks that say it is data, and as artifact a
list of plain dicts for the program. A mistake that another call may avoid comes back as text with a hint.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException

from videochat.agent.citations import NO_MARKERS, Evidence
from videochat.agent.context import appearance_line, as_text, facts_of
from videochat.agent.tool_schemas import DESCRIPTIONS, SCHEMAS
from videochat.agent.video_set import VideoSet
from videochat.agent.word_overlap import coverage
from videochat.chat_models import picture_block
from videochat.errors import InvalidArgument, VideoChatError
from videochat.fence import failure, fenced
from videochat.intervals import check_interval, clock, clock_range
from videochat.media import Video
from videochat.memory import Hit, appearances, browse
from videochat.memory.merged import merge_equal
from videochat.memory.query import Query, about
from videochat.memory.retrieval import Recall, recall, recall_library
from videochat.records import Caption, Kind
from videochat.tools.clip_models import VideoModel
from videochat.tools.watch_clip import WatchClip

_READ_AT_MOST = 80
_CLOSER_SECONDS = 120.0
_PICTURE_BYTES = 4_000_000
_NAMED_VIDEOS = 40
_FOUND_FRAMES = 5
PICTURE = "a picture that the model looked at itself"
"""Text of a caption that stands for a picture."""

Result = tuple[str, list[dict[str, Any]]]


class Toolbox:
    """The tools of one conversation. Each method of a tool gives text for the model and its captions as dicts.

    Args:
        video_set: the videos, their senses and their memory.
        evidence: where what the tools show is numbered.
        watch_first: called before a tool runs; None where the videos have been watched, or are being watched.
        video_model: what `watch_clip` looks with; without one there is no such tool.
        pictures: whether the model can see, and `frames` is offered.
    """

    def __init__(
        self,
        video_set: VideoSet,
        evidence: Evidence,
        *,
        watch_first: Callable[[], object] | None = None,
        video_model: VideoModel | None = None,
        pictures: bool = False,
    ) -> None:
        self.video_set, self.evidence = video_set, evidence
        self.video_model, self.pictures = video_model, pictures
        self._watch_first = watch_first
        self._clips: dict[str, WatchClip] = {}
        self._watching = threading.Lock()

    def recall(self, question: str | Query, videos: Sequence[Video], **filters: Any) -> Recall:
        """Retrieve from videos for a question; see `memory.retrieval.recall`."""
        if len(videos) == 1:
            (video,) = videos
            stored = self.video_set.captions_of(video)
            return recall(stored, question, duration_seconds=video.duration_seconds, **filters)
        ids = [video.id for video in videos]
        return recall_library(self.video_set.memory, question, video_ids=ids, **filters)

    def as_text(self, captions: Iterable[Caption | Hit]) -> str:
        """Return captions as a model reads them, each with its number; see `context.as_text`."""
        return as_text(captions, self.evidence, self.video_set)

    def as_data(self, hits: Iterable[Hit]) -> list[dict[str, Any]]:
        """Return hits as plain data, in their order."""
        found = list(hits)
        return [
            hit.caption.as_dict() | {"number": number, "similarity": hit.similarity}
            for hit, number in zip(found, self.evidence.add(found), strict=True)
        ]

    def browse(self, question: str = "", video: str | None = None) -> Result:
        """Tell what happens overall, who and what appears; of several videos, what each is about.

        Args:
            question: what decides which summaries are shown; empty for an overview.
            video: its name; None for the only one, or for all.
        """
        if self.video_set.several and video is None:
            return self._browse_library()
        chosen = self.video_set.video(video)
        self.video_set.summarize(chosen, write=True)
        stored = self.video_set.captions_of(chosen)
        summaries = browse(stored)
        if words := about(question):
            share = coverage(words, summaries)
            best = max(share.values(), default=0.0)
            fitting = [c for c in summaries if best > 0 and share[c.id] >= 0.7 * best]
            hits = self.video_set.memory.search(question, k=4, video_ids=[chosen.id], kinds=["summary"])
            found = [hit.caption for hit in hits]
            summaries = sorted(
                {c.id: c for c in [*summaries[:1], *fitting, *found]}.values(),
                key=lambda c: (c.start_seconds, -c.end_seconds),
            )
        lines = [facts_of(self.video_set, chosen)]
        lines += [
            f"{clock_range(c.start_seconds, c.end_seconds)} {c.text.translate(NO_MARKERS)} [{number}]"
            for c, number in zip(summaries, self.evidence.add(summaries), strict=True)
        ]
        seen = [appearance_line(thing, chosen.size, self.evidence) for thing in appearances(stored)[:20]]
        lines += [line for line, _ in seen]
        return fenced("\n".join(lines)), self.as_data(Hit(c) for c in [*summaries, *(c for _, c in seen)])

    def _browse_library(self) -> Result:
        lines, shown = [], []
        for video in self.video_set.videos[:_NAMED_VIDEOS]:
            self.video_set.summarize(video, write=True)
            whole = browse(self.video_set.captions_of(video), "whole")
            (number,) = self.evidence.add(whole[:1]) or [0]
            shown += whole[:1]
            said = f": {whole[0].text[:300].translate(NO_MARKERS)} [{number}]" if whole else ""
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
        """Find the captions that fit a query best.

        Args:
            query: in words.
            start: only captions that end after this second.
            end: only captions that start before this second; None for the end.
            kinds: only of these kinds; None for all.
            videos: names; None for all.

        Raises:
            ToolException: the query is empty.
            InvalidArgument: the range holds nothing.
            UnknownName: there is no such video.
        """
        if not query.strip():
            raise ToolException("query is empty; give the words to look for.")
        if kinds is not None and not (kinds := [kind for kind in kinds if kind != "claim"]):
            return "A claim is no evidence; search for what was seen, heard or read.", []
        limit = math.inf if end is None else end
        check_interval(start, limit, open_end=True)
        chosen = self.video_set.videos if videos is None else [self.video_set.video(name) for name in videos]
        hits = self.recall(query, chosen, kinds=kinds, start_seconds=start, end_seconds=limit).hits
        if not hits:
            return "Nothing was found. Try other words, or read a range.", []
        return fenced(self.as_text(hits)), self.as_data(hits)

    def read(self, start: float, end: float, video: str | None = None) -> Result:
        """Give every caption within a range.

        Args:
            start: first second.
            end: first second no longer.
            video: its name; None for the only one.

        Raises:
            InvalidArgument: the range holds nothing.
            UnknownName: there is no such video.
        """
        chosen, start, end = self._range(video, start, end)
        captions = self.video_set.captions_of(chosen).between(start, end)
        if not captions:
            return f"Nothing was noted from {clock(start)} to {clock(end)}. {self._how_far(chosen)}", []
        merged = merge_equal(captions)
        shown = merged[:_READ_AT_MOST]
        note = ""
        if len(merged) > len(shown):
            last = shown[-1].start_seconds
            note = f"\n({len(merged) - len(shown)} more from {clock(last)} on; read from second {last:g} next.)"
        return fenced(self.as_text(shown)) + note, self.as_data(shown)

    def look(
        self,
        start: float,
        end: float,
        question: str = "",
        tool: str | None = None,
        rate: float | None = None,
        video: str | None = None,
    ) -> Result:
        """Run a sense again over a range, more densely, and store what it sees.

        Args:
            start: first second.
            end: first second no longer, at most two minutes later.
            question: what is to be found out; it decides which sense looks where no tool is named.
            tool: name of a sense.
            rate: pictures per second; None for four.
            video: its name; None for the only one.

        Raises:
            ToolException: the range is too long.
            VideoChatError: the range holds nothing, or the sense does not exist or failed.
        """
        chosen, start, end = self._closer(video, start, end)
        found, how = self.video_set.look(chosen, start, end, question=question, tool=tool, rate=rate)
        when = clock_range(start, end)
        if not found:
            return f"I {how} from {when}, and it noted nothing.", []
        note = ""
        if len(found) > _READ_AT_MOST:
            share = coverage(about(question), found)
            best = sorted(found, key=lambda c: -share[c.id])[:_READ_AT_MOST]
            note = f"\n({len(found) - len(best)} more were stored; take a shorter range to see them all.)"
            found = sorted(best, key=lambda c: c.start_seconds)
        text = f"I {how} from {when}:\n{fenced(self.as_text(found))}{note}"
        return text, self.as_data(Hit(c) for c in found)

    def watch_clip(self, question: str, start: float, end: float, video: str | None = None) -> Result:
        """Ask a video-language model about a range; what it was asked of the range before is remembered.

        What it says is kept as a claim, not as something that was seen.

        Args:
            question: in words.
            start: first second.
            end: first second no longer.
            video: its name; None for the only one.

        Raises:
            VideoChatError: the range holds nothing, the model cannot be had, or it has nothing to say.
        """
        chosen, start, end = self._range(video, start, end)
        claim = self.claim(question, chosen, start, end)
        noted = merge_equal(self.video_set.captions_of(chosen).between(start, end))[:_READ_AT_MOST]
        text = f"{claim}\nWhat was noted there:\n{fenced(self.as_text(noted))}" if noted else claim
        return text, self.as_data(noted)

    def claim(self, question: str, video: Video, start: float, end: float) -> str:
        """Return what a video-language model says of a range, marked as a claim, for a language model; it is stored.

        Args:
            question: in words.
            video: where to look.
            start: first second.
            end: first second no longer.

        Raises:
            VideoChatError: the range holds nothing, the model cannot be had, or it has nothing to say.
        """
        if self.video_model is None:
            raise InvalidArgument("There is no video model to look with; name one with video_model=.")
        if video.id not in self._clips:
            self._clips[video.id] = WatchClip(video=video, weights=self.video_model)
        said = self._clips[video.id].watch(question, start, end)
        self.video_set.captions_of(video).record([said])
        when = clock_range(said.start_seconds, said.end_seconds)
        words = fenced(f"{when} another model says of this clip: {said.text.translate(NO_MARKERS)}")
        return f"{words}\n(A claim has no number and cannot be cited.)"

    def find_frames(
        self, what: str, start: float = 0.0, end: float | None = None, video: str | None = None
    ) -> tuple[Any, list[dict[str, Any]]]:
        """Find the moments whose pictures look most like some words.

        Args:
            what: in words.
            start: first second.
            end: first second no longer; None for the end.
            video: its name; None for the only one, or for all.

        Returns:
            The moments; to a model that can see with their pictures, which have numbers.

        Raises:
            VideoChatError: the words or the range hold nothing, or the model of pictures cannot be had.
        """
        found = self.video_set.frame_search().find(what, start_seconds=start, end_seconds=end, k=_FOUND_FRAMES)
        chosen = None if video is None else self.video_set.video(video).id
        found = [frame for frame in found if chosen in (None, frame.video.id)]
        if not found:
            return "Nothing looks like it.", []
        if self.pictures:
            return self._pictures([(frame.video, frame.start_seconds, frame.end_seconds) for frame in found])
        lines = [
            f"{self.video_set.names[frame.video.id]} second {frame.start_seconds:.1f} ({clock(frame.start_seconds)}), "
            f"likeness {frame.similarity:.2f}"
            for frame in found
        ]
        return fenced("\n".join(lines)) + "\n(Candidates; read or look at these seconds before you cite them.)", []

    def find_objects(self, what: str, start: float, end: float, video: str | None = None) -> Result:
        """Look through a range for a thing described in words, and store where it is.

        Args:
            what: in words, such as "a red car".
            start: first second.
            end: first second no longer, at most two minutes later.
            video: its name; None for the only one.

        Raises:
            ToolException: the range is too long.
            VideoChatError: the words or the range hold nothing, or the detector cannot be had.
        """
        chosen, start, end = self._closer(video, start, end)
        found = self.video_set.find_objects(chosen, what, start, end)
        if not found:
            return f"No {what} was found from {clock_range(start, end)}.", []
        return fenced(self.as_text(found)), self.as_data(Hit(c) for c in found)

    def _closer(self, video: str | None, start: float, end: float) -> tuple[Video, float, float]:
        """Return a range that may be looked at again."""
        chosen, start, end = self._range(video, start, end)
        if end - start > _CLOSER_SECONDS:
            raise ToolException(
                f"The range from {start:g} to {end:g} is longer than {_CLOSER_SECONDS:g} seconds; look at the part "
                "that matters. search finds it."
            )
        return chosen, start, end

    def frames(
        self, start: float, end: float, n: int = 4, video: str | None = None
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Give pictures of a range to a model that can see; each has a number, so that it can be cited.

        Args:
            start: first second.
            end: first second no longer.
            n: how many pictures, evenly spread.
            video: its name; None for the only one.

        Raises:
            ToolException: there are no pictures.
            InvalidArgument: the range holds nothing.
        """
        chosen, start, end = self._range(video, start, end)
        step = (end - start) / n
        moments = [start + (i + 0.5) * step for i in range(n)]
        return self._pictures([(chosen, seconds, seconds + min(0.04, step)) for seconds in moments])

    def _pictures(
        self, moments: Sequence[tuple[Video, float, float]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        blocks: list[dict[str, Any]] = []
        shown: list[Caption] = []
        left = _PICTURE_BYTES
        for video, seconds, end_seconds in moments:
            jpeg = self.video_set.picture(video, seconds)
            if jpeg is None or (left := left - len(jpeg)) < 0:
                break
            # Not stored: it says nothing that a search could find. Cited, it shows the reader the same picture.
            moment = Caption(
                video.id, seconds, end_seconds, "clip_caption", PICTURE, "frames", attributes={"picture": True}
            )
            shown.append(moment)
            (number,) = self.evidence.add([moment])
            of = f" of {fenced(self.video_set.names[video.id])}" if self.video_set.several else ""
            blocks.append({"type": "text", "text": f"Picture at {seconds:.2f} s ({clock(seconds)}){of} [{number}]:"})
            blocks.append(picture_block(jpeg))
        if not shown:
            gone = next((v.name for v, *_ in moments if not v.path.exists()), "")
            raise ToolException(f"{gone} was moved or deleted." if gone else "There are no pictures there.")
        return blocks, self.as_data(Hit(c) for c in shown)

    def count(self, what: str = "", start: float = 0.0, end: float | None = None, video: str | None = None) -> Result:
        """Count things that were followed, each once.

        Args:
            what: one sort of thing; empty for all.
            start: first second.
            end: first second no longer; None for the end.
            video: its name; None for the only one.

        Raises:
            InvalidArgument: the range holds nothing.
            UnknownName: there is no such video.
        """
        chosen, first, last = self._range(video, start, end)
        captions = self.video_set.captions_of(chosen).between(first, last, ["objects"])
        seen = appearances(captions, what.strip() or None)
        if not seen:
            known = fenced(", ".join(names)) if (names := sorted({c.text for c in captions})[:30]) else ""
            have = f"Only these were followed: {known}." if known else "No sense has followed things in this range."
            return f"No {what or 'things'} were counted. {have} Look at the range, or search for it in words.", []
        cited = [appearance_line(thing, chosen.size, self.evidence)[1] for thing in seen[:20]]
        lines = [appearance_line(thing, chosen.size, self.evidence)[0] for thing in seen[:20]]
        note = "\n(A thing that left and came back is counted again; at once is a lower bound.)"
        return fenced("\n".join(lines)) + note, self.as_data(Hit(c) for c in cited)

    def _range(self, name: str | None, start: float, end: float | None) -> tuple[Video, float, float]:
        """Return the video meant and a range within it."""
        video = self.video_set.video(name)
        return video, *video.span(start, end)

    def _how_far(self, video: Video) -> str:
        reached = self.video_set.reached(video)
        if reached < video.duration_seconds - 0.5:
            return f"So far the video has been watched up to {clock(reached)} of {clock(video.duration_seconds)}."
        return f"The video lasts until {clock(video.duration_seconds)}."

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, for the agent or any other LangChain app."""
        methods: list[Callable[..., Any]] = [self.browse, self.search, self.read, self.look, self.count]
        methods += [self.find_frames] if self.video_set.can_find_frames() else []
        methods += [self.find_objects] if self.video_set.can_find_objects() else []
        methods += [self.watch_clip] if self.video_model else []
        methods += [self.frames] if self.pictures else []
        senses = ", ".join(self.video_set.senses_to_look_again()) or "none of the line-up"
        return [
            StructuredTool.from_function(
                self._with_errors_as_text(method),
                name=method.__name__,
                description=DESCRIPTIONS[method.__name__].format(senses=senses),
                args_schema=SCHEMAS[method.__name__],
                response_format="content_and_artifact",
                handle_tool_error=True,
            )
            for method in methods
        ]

    def _with_errors_as_text(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Turn errors that another call may avoid into text for the model."""

        def call(**arguments: Any) -> Any:
            try:
                if self._watch_first is not None:
                    # Calls made together come in parallel threads; the first of them watches.
                    with self._watching:
                        self._watch_first()
                return method(**arguments)
            except VideoChatError as error:
                raise ToolException(failure(error)) from error

        return call
