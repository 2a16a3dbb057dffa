"""Object search: where a thing described in words is, on demand, by Grounding DINO."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from videochat.devices import Device
from videochat.errors import InvalidArgument
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.detectors import ZeroShotDetector
from videochat.tools.model_tool import UsesModel
from videochat.tools.object_captions import (
    LOST_SECONDS,
    MAX_SIDE,
    MIN_SCORE_TO_STAY,
    ObjectCaptions,
    detect_in_frames,
)
from videochat.tools.tracking import Tracker

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from videochat.tools.langchain_tool import Memory

DEFAULT_FINDER = "IDEA-Research/grounding-dino-tiny"


class ObjectFinder(UsesModel[ZeroShotDetector]):
    """Finds what is described in words, on demand: Grounding DINO through transformers.

    Args:
        model: hub id or folder of a zero-shot detector.
        every_seconds: step of the pictures looked at.
        min_score: how sure a first sighting must be, in (0, 1].
        batch_size: see `UsesModel`.
        device: see `UsesModel`.

    Raises:
        InvalidArgument: `min_score` is out of range.
    """

    name: ClassVar[str] = "find_objects"

    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = DEFAULT_FINDER,
        *,
        every_seconds: float = 1.0,
        min_score: float = 0.35,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        if not 0 < min_score <= 1:
            raise InvalidArgument(f"min_score must be above 0 and at most 1, got {min_score!r}")
        super().__init__(model, batch_size=batch_size, device=device)
        self.every_seconds, self.min_score = every_seconds, min_score

    def load_model(self, folder: Path, device: Device) -> ZeroShotDetector:
        """Load a zero-shot detector of transformers."""
        return ZeroShotDetector(folder, device)

    def find_objects(
        self,
        video: Video,
        what: str,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        fps: float | None = None,
    ) -> list[Caption]:
        """Return one caption for each thing that fits `what`, in temporal order.

        Args:
            video: where to look.
            what: a thing in words, such as "a red car".
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            fps: pictures a second; None for the usual rate.

        Raises:
            InvalidArgument: `what` is empty, the range holds nothing, or the rate is none.
            MediaError: there are no pictures.
            MissingDependency: the model is not on this machine, or cannot be loaded.
        """
        what = " ".join(what.split())
        if not what:
            raise InvalidArgument("find_objects needs a thing in words, such as 'a red car', and got an empty text.")
        every_seconds = 1 / fps if fps else self.every_seconds
        frames = video.frames(every_seconds, start_seconds, end_seconds, max_side=MAX_SIDE)
        detector = self.loaded()
        lowest = min(self.min_score, MIN_SCORE_TO_STAY)
        tracker = Tracker(every_seconds, self.min_score, LOST_SECONDS)
        source = f"{self.identity} every {every_seconds:g} s from {self.min_score:g}"
        captions = ObjectCaptions(tracker, video, source)
        found: list[Caption] = []
        for frame, sightings in detect_in_frames(
            lambda images: detector.detect(images, lowest, what), frames, video, self.batcher
        ):
            found += captions.take_lost(frame.seconds)
            captions.add(frame, sightings)
        found += captions.take_all()
        return sorted(found, key=lambda caption: (caption.start_seconds, caption.track_id))

    def as_langchain_tool(self, video: Video, memory: Memory) -> BaseTool:
        """Return a LangChain tool that searches a range of `video`; see `PerceptionTool.as_langchain_tool`."""
        from videochat.tools.langchain_tool import SearchInput, tool_of

        lock = threading.Lock()

        def find(**arguments: Any) -> list[Caption]:
            # LangChain runs the tool calls of one message in parallel threads; there is one model.
            with lock:
                found = self.find_objects(video, **arguments)
            memory.add(found)
            return found

        return tool_of(
            find,
            video,
            name=self.name,
            description="Search a stretch of the video for a thing in words and say when and where it is. Use it for "
            "things that the stored captions do not name. It is slow: keep the stretch short.",
            schema=SearchInput,
        )
