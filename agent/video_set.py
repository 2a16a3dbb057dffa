"""VideoSet: the videos that are asked, the senses that watch them, and the memory of what was seen."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.chat_models import ChatModel
from videochat.agent.closer_look import CloserLook
from videochat.agent.frame_search import FrameSearch
from videochat.agent.pipeline import Progress
from videochat.agent.watch import WatchReport
from videochat.agent.watcher import Watcher
from videochat.chat_models import jpeg_of
from videochat.errors import InvalidArgument, UnknownName, VideoChatError
from videochat.hub import is_here
from videochat.live_recording import open_video
from videochat.media import Video
from videochat.memory import CaptionStore, Gap
from videochat.records import Caption, Kind
from videochat.tools import PerceptionTool

if TYPE_CHECKING:
    from videochat.tools.object_search import ObjectFinder

AnyVideo = str | os.PathLike[str] | Video
"""A path, an http(s) address, or an opened video."""

_PICTURE_SIDE = 640


class VideoSet(Watcher):
    """Videos, the senses that watch them, and the memory of what was seen.

    Args:
        videos: one or a list of them; the same content given twice is one video.
        preset: name of a line-up of senses, or a list of tool names and tools; None for the richest whose weights
            are on this machine and that suits it; nothing is downloaded.
        clip_captions: a further sense, `ClipCaptioner`, or its model; None for none.
        memory: a `CaptionStore`, or the place of one; None for the user's own.
        summary_llm: a chat model that writes the summaries where one is sent or browsed, also by name; None: extracts.
        models_gb: how many gigabytes the models of a watch may take together; None for most of the device's memory.

    Raises:
        InvalidArgument: there is no video.
        MediaError: a video cannot be read.
        UnknownName: no such preset or tool.
        StoreError: the memory cannot be opened.
    """

    def __init__(
        self,
        videos: AnyVideo | Sequence[AnyVideo],
        *,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        summary_llm: ChatModel | str | None = None,
        models_gb: float | None = None,
    ) -> None:
        if not isinstance(videos, str | os.PathLike | Video | Sequence):
            raise InvalidArgument(
                f"A video is a path, an http(s) address or a Video, or a list of them; got {videos!r}."
            )
        several = [videos] if isinstance(videos, str | os.PathLike | Video) else videos
        opened = [open_video(video) for video in several]
        if not opened:
            raise InvalidArgument("There is no video to ask; give a path, an http(s) address, or a list of them.")
        super().__init__(
            preset=preset, clip_captions=clip_captions, memory=memory, summary_llm=summary_llm, models_gb=models_gb
        )
        self.videos: list[Video] = list({video.id: video for video in opened}.values())
        self.names: dict[str, str] = _names(self.videos)
        """A name for each video id; no two are the same."""
        self.watch_turn: threading.Lock | None = None
        """What a watch in the background waits for; several sets with one lock watch one after another."""
        self.watching: BackgroundWatch | None = None
        """The watch that `start_watching` began last, if it did."""
        self._closer_look = CloserLook(self)
        self._finder: ObjectFinder | None = None
        self._frame_searches: dict[str | None, FrameSearch] = {}

    @property
    def several(self) -> bool:
        """Whether a video must be named."""
        return len(self.videos) > 1

    @property
    def duration_seconds(self) -> float:
        """Of all videos together."""
        return sum(video.duration_seconds for video in self.videos)

    def video(self, name: str | None = None) -> Video:
        """Return a video by name or id; without a name the only one.

        Args:
            name: as in `names`, in any case, or the video's id.

        Raises:
            UnknownName: there is none of that name, or none was named and there are several.
        """
        if name is None and not self.several:
            return self.videos[0]
        for video in self.videos:
            if name is not None and name.casefold() in (self.names[video.id].casefold(), video.id):
                return video
        raise UnknownName("video", name or "", self.names.values())

    def fingerprint(self) -> str:
        """Return what tells these videos from others."""
        return blake2b("".join(sorted(video.id for video in self.videos)).encode(), digest_size=8).hexdigest()

    def as_it_is_now(self, video: Video) -> Video:
        """Return a video, opened anew if its file was replaced: it is another video then."""
        fresh = super().as_it_is_now(video)
        if fresh is not video:
            self.videos[:] = [fresh if known is video else known for known in self.videos]
            self.names[fresh.id] = self.names.get(video.id, fresh.name)
        return fresh

    def name_of(self, video: Video) -> str:
        """Return what a video is called among these."""
        return self.names.get(video.id, video.name)

    def forecast(self, start_seconds: float = 0.0, end_seconds: float | None = None) -> list[str]:
        """Return what a watch will ask of services that may cost money, a clause for each of them and video.

        Args:
            start_seconds: first moment of each video.
            end_seconds: first moment no longer; None for the end.

        Raises:
            InvalidArgument: the range holds nothing.
        """
        return [clause for video in self.videos for clause in self.costs(video, start_seconds, end_seconds)]

    def watch_all(self, progress: Progress | None = None) -> list[WatchReport]:
        """Watch every video to its end; `progress` is told seconds of all of them together."""
        reports, before = [], 0.0
        for video in self.videos:
            told = None if progress is None else _later(progress, before)
            reports.append(self.watch(video, progress=told))
            before += video.duration_seconds
        return reports

    def start_watching(self) -> BackgroundWatch:
        """Watch every video in the background, when it is its turn; one such watch runs at a time."""
        if self.watching is None or self.watching.done:
            self.watching = BackgroundWatch(self._watch_in_turn)
        return self.watching

    def _watch_in_turn(self, progress: Progress) -> list[WatchReport]:
        if self.watch_turn is None:
            return self.watch_all(progress)
        while not self.watch_turn.acquire(timeout=0.2):
            progress(0.0)  # raises where it is to end
        try:
            return self.watch_all(progress)
        finally:
            self.watch_turn.release()

    def gaps(self) -> list[Gap]:
        """Return what could not be seen of any video."""
        return [gap for video in self.videos for gap in self.captions_of(video).gaps()]

    def watched_kinds(self, video: Video) -> frozenset[Kind]:
        """Return the kinds of caption that would be there if there were anything to note, for the whole of a video."""
        if self.reached(video) < video.duration_seconds - 0.5 or self.captions_of(video).gaps():
            return frozenset()
        return frozenset(sense.kind for sense in self.senses if not sense.unfit(video))

    def senses_to_look_again(self) -> list[str]:
        """Return the names of the senses of the line-up that can look again at a higher rate."""
        return self._closer_look.sense_names()

    def look(
        self,
        video: Video,
        start_seconds: float,
        end_seconds: float,
        *,
        question: str = "",
        tool: str | None = None,
        rate: float | None = None,
    ) -> tuple[list[Caption], str]:
        """Run a sense again over a range, more densely, and store what it sees.

        Args, returns and raises as `CloserLook.look`.
        """
        return self._closer_look.look(video, start_seconds, end_seconds, question=question, tool=tool, rate=rate)

    def frame_search(self, model: str | os.PathLike[str] | None = None) -> FrameSearch:
        """Return the search for pictures with the vectors of a model.

        Args:
            model: hub id or folder of a SigLIP, SigLIP 2 or CLIP; None for SigLIP 2 base.

        Raises:
            MissingDependency: the model is not on this machine.
        """
        from videochat.tools.frame_embeddings import FrameEmbedder

        name = None if model is None else os.fspath(model)
        if name not in self._frame_searches:
            embedder = FrameEmbedder() if name is None else FrameEmbedder(name)
            embedder.prepare()
            self._frame_searches[name] = FrameSearch(self, embedder)
        return self._frame_searches[name]

    def can_find_frames(self) -> bool:
        """Whether the usual model of pictures and words is on this machine."""
        from videochat.tools.frame_embeddings import FrameEmbedder

        return is_here(FrameEmbedder().weights)

    def can_find_objects(self) -> bool:
        """Whether the usual detector of things in words is on this machine."""
        from videochat.tools.object_search import ObjectFinder

        return is_here(ObjectFinder().weights)

    def find_objects(self, video: Video, what: str, start_seconds: float, end_seconds: float) -> list[Caption]:
        """Look through a range for a thing in words and store where it is.

        Args:
            video: where to look.
            what: a thing in words.
            start_seconds: first moment.
            end_seconds: first moment no longer.

        Raises:
            InvalidArgument: the words or the range hold nothing.
            MissingDependency: the detector is not on this machine.
        """
        from videochat.tools.object_search import ObjectFinder

        with self.lock("find_objects", video):
            if self._finder is None:
                self._finder = ObjectFinder()
            found = self._finder.find_objects(video, what, start_seconds, end_seconds)
        self.captions_of(video).record(found)
        return found

    def picture(self, video: Video, seconds: float, max_side: int = _PICTURE_SIDE) -> bytes | None:
        """Return the picture at a second as JPEG, or None where there is none.

        Args:
            video: which video.
            seconds: when.
            max_side: the longer side has at most so many pixels.
        """
        if not video.has_video:
            return None
        # Its file may have been moved since; what was noted stands without it.
        with contextlib.suppress(VideoChatError, OSError):
            return jpeg_of(video.frame_at(seconds, max_side=max_side).image)
        return None

    def clip(self, video: Video, start_seconds: float, end_seconds: float) -> bytes | None:
        """Return a small MP4 of a range, or None where there is none, as of a picture.

        Args:
            video: which video.
            start_seconds: first moment.
            end_seconds: first moment no longer.
        """
        if video.is_picture:
            return None
        from videochat.playback import clip_of

        with contextlib.suppress(VideoChatError, OSError):
            return clip_of(video, start_seconds, end_seconds)
        return None

    def close(self) -> None:
        """End a watch in the background, free the senses' models and the memory's files."""
        if self.watching is not None:
            self.watching.stop()
        embedders = [search.embedder for search in self._frame_searches.values()]
        self.free(self._closer_look, *embedders, self._finder)
        super().close()


def merge_reports(reports: Sequence[WatchReport]) -> WatchReport:
    """Return one report for several videos."""
    if len(reports) == 1:
        return reports[0]
    total = WatchReport(f"{len(reports)} videos", 0.0, sum(r.end_seconds - r.start_seconds for r in reports))
    added: Counter[str] = Counter()
    for report in reports:
        added.update(report.by_sense)
        total.skipped |= {f"{sense} on {report.video_name}": why for sense, why in report.skipped.items()}
        total.gaps += report.gaps
        total.captions_added += report.captions_added
        total.seconds += report.seconds
    total.by_sense = dict(added)
    total.already_watched = all(report.already_watched for report in reports)
    return total


def _names(videos: Sequence[Video]) -> dict[str, str]:
    """Return a name for each video: that of its file, with its folder or a number where two are called the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in videos:
        alike = [other for other in videos if other.name == video.name]
        name = video.name if len(alike) == 1 else f"{video.path.absolute().parent.name}/{video.name}"
        base, number = name, 2
        while name.casefold() in taken:
            name, number = f"{base} ({number})", number + 1
        taken.add(name.casefold())
        # Brackets would end a citation that names the video.
        names[video.id] = name.translate(str.maketrans("[]", "()"))
    return names


def _later(progress: Progress, by: float) -> Progress:
    return lambda seconds: progress(by + seconds)
