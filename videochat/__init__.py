"""Ask questions about a video and get answers with timestamps that are true.

    from videochat import VideoAgent
    print(VideoAgent("kitchen.mp4").ask("When is the milk poured?"))

Nothing heavy is loaded until a name is used: `import videochat` needs only the standard library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videochat.agent import Brakes, VideoAgent, VideoToolkit
    from videochat.embed_model import VideoChatEmbed
    from videochat.errors import VideoChatError
    from videochat.loader import VideoCaptionLoader
    from videochat.media import Frame, Video
    from videochat.memory import CaptionStore, VideoRetriever
    from videochat.records import Answer, Caption, Citation, clock

_HOMES = {
    "Answer": "videochat.records",
    "Brakes": "videochat.agent",
    "Caption": "videochat.records",
    "CaptionStore": "videochat.memory",
    "Citation": "videochat.records",
    "Frame": "videochat.media",
    "Video": "videochat.media",
    "VideoAgent": "videochat.agent",
    "VideoCaptionLoader": "videochat.loader",
    "VideoChatEmbed": "videochat.embed_model",
    "VideoChatError": "videochat.errors",
    "VideoRetriever": "videochat.memory",
    "VideoToolkit": "videochat.agent",
    "clock": "videochat.records",
}

__all__ = [
    "Answer",
    "Brakes",
    "Caption",
    "CaptionStore",
    "Citation",
    "Frame",
    "Video",
    "VideoAgent",
    "VideoCaptionLoader",
    "VideoChatEmbed",
    "VideoChatError",
    "VideoRetriever",
    "VideoToolkit",
    "clock",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'videochat' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
