"""VideoToolkit: the tools over videos for other LangChain apps."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, BaseToolkit
from pydantic import ConfigDict, PrivateAttr

from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.chat_models import ChatModel
from videochat.agent.citations import Evidence
from videochat.agent.toolbox import Toolbox
from videochat.agent.video_set import VideoSet
from videochat.errors import StoreInUse
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.tools import PerceptionTool
from videochat.tools.clip_models import VideoModel

WATCHING = "videochat_watching"
"""Name of the custom events that tell callbacks how far a watch is: `{"seconds": ..., "of_seconds": ...}`."""
_TELL_SECONDS = 1.0


class VideoToolkit(BaseToolkit):
    """Tools over one or several videos, for any LangChain or LangGraph app.

    The first call of a tool watches what has not been watched. Numbers of evidence, `[n]`, count on over all
    calls of one toolkit, so that one toolkit belongs to one conversation.

    Args:
        video: path, http(s) address, or `Video`; or a list of them.
        preset: as for `VideoAgent`.
        clip_captions: as for `VideoAgent`.
        memory: as for `VideoAgent`.
        video_model: as for `VideoAgent`; with it there is `watch_clip`.
        pictures: offer `frames`, which returns pictures, to a model that can see.
        video_set: instead of `video`, `preset` and `memory`: what an agent has.

    Raises:
        InvalidArgument: there is no video.
        MediaError: a video cannot be read.
        UnknownName: no such preset or tool.
        StoreError: the memory cannot be opened.
        MissingDependency: the weights of the video model are not on this machine.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _toolbox: Toolbox = PrivateAttr()

    def __init__(
        self,
        video: str | os.PathLike[str] | Video | Sequence[str | os.PathLike[str] | Video] = (),
        *,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        clip_captions: PerceptionTool | ChatModel | str | os.PathLike[str] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        video_model: str | os.PathLike[str] | VideoModel | None = None,
        pictures: bool = False,
        video_set: VideoSet | None = None,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        looker = VideoModel.of(video_model) if video_model else None
        if looker is not None:
            looker.check("The tool 'watch_clip'")
        if video_set is None:
            videos = [video] if isinstance(video, str | os.PathLike | Video) else list(video)
            video_set = VideoSet(videos, preset=preset, clip_captions=clip_captions, memory=memory)
        self._toolbox = Toolbox(
            video_set,
            Evidence(names=video_set.names if video_set.several else {}),
            watch_first=self._watch_first,
            video_model=looker,
            pictures=pictures,
        )

    @property
    def evidence(self) -> Evidence:
        """What the tools have shown so far, by number."""
        return self._toolbox.evidence

    def get_tools(self) -> list[BaseTool]:
        """Return the tools."""
        return self._toolbox.get_tools()

    @property
    def video_set(self) -> VideoSet:
        """The videos."""
        return self._toolbox.video_set

    def start_watching(self) -> BackgroundWatch:
        """Watch in the background what has not been watched; tools called meanwhile show what has been seen so far."""
        return self.video_set.start_watching()

    def _watch_first(self) -> None:
        """Watch before the first call of a tool; callbacks of the app are told how far it is, as `WATCHING` events."""
        length, told = self.video_set.duration_seconds, 0.0
        config = var_child_runnable_config.get()

        def tell(seconds: float) -> None:
            nonlocal told
            if config is not None and time.monotonic() - told >= _TELL_SECONDS:
                told = time.monotonic()
                dispatch_custom_event(WATCHING, {"seconds": seconds, "of_seconds": length}, config=config)

        if self.video_set.watching is None or self.video_set.watching.done:
            # Another process that is watching goes on, and what it has seen so far can be asked.
            with suppress(StoreInUse):
                self.video_set.watch_all(tell)

    def close(self) -> None:
        """End a watch in the background, free the senses' models and the memory's files."""
        self.video_set.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
