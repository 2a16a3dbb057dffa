"""Ask questions about a video and get answers with timestamps that are true.

    from videochat import VideoAgent
    print(VideoAgent("kitchen.mp4").ask("When is the milk poured?"))

Nothing heavy is loaded until a name is used: `import videochat` needs only the standard library.
"""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from videochat.renamed import getter

if TYPE_CHECKING:
    from videochat.agent import Limits, VideoAgent, VideoAnswerer, VideoToolkit, watch_videos
    from videochat.comparison import compare
    from videochat.document_loader import VideoCaptionLoader
    from videochat.embed_model import VideoChatEmbed
    from videochat.errors import VideoChatError
    from videochat.frames import Frame
    from videochat.intervals import clock
    from videochat.media import Video
    from videochat.memory import CaptionStore, VideoRetriever
    from videochat.records import Answer, Caption, Citation
    from videochat.tools import VideoModel

# In a notebook without ipywidgets, libraries that are loaded later would put this between question and answer.
warnings.filterwarnings("ignore", message="IProgress not found")

# onnxruntime, which several senses run on, else tells its maker of each model that it loads, from the moment that it is
# imported. Who wants that sets it to 0 before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Answer": "videochat.records",
    "Limits": "videochat.agent",
    "Caption": "videochat.records",
    "CaptionStore": "videochat.memory",
    "Citation": "videochat.records",
    "Frame": "videochat.frames",
    "Video": "videochat.media",
    "VideoAgent": "videochat.agent",
    "VideoAnswerer": "videochat.agent",
    "VideoCaptionLoader": "videochat.document_loader",
    "VideoChatEmbed": "videochat.embed_model",
    "VideoChatError": "videochat.errors",
    "VideoRetriever": "videochat.memory",
    "VideoModel": "videochat.tools",
    "VideoToolkit": "videochat.agent",
    "clock": "videochat.intervals",
    "compare": "videochat.comparison",
    "watch_videos": "videochat.agent",
}

__all__ = [
    "Answer",
    "Caption",
    "CaptionStore",
    "Citation",
    "Frame",
    "Limits",
    "Video",
    "VideoAgent",
    "VideoAnswerer",
    "VideoCaptionLoader",
    "VideoChatEmbed",
    "VideoChatError",
    "VideoModel",
    "VideoRetriever",
    "VideoToolkit",
    "clock",
    "compare",
    "watch_videos",
]


if not TYPE_CHECKING:  # or a misspelt name would pass for one of type Any

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            return getter(__name__)(name)
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
