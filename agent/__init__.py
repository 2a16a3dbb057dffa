"""The one who answers: watches, retrieves, asks the language model, checks what it cites."""

from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.chat_models import ExtractiveAnswerer, resolve_llm
from videochat.agent.events import Event
from videochat.agent.evidence import Evidence
from videochat.agent.limits import Limits
from videochat.agent.toolbox import Toolbox
from videochat.agent.toolkit import VideoToolkit
from videochat.agent.video_agent import VideoAgent
from videochat.agent.video_set import VideoSet
from videochat.agent.watch import WatchReport, watch

__all__ = [
    "BackgroundWatch",
    "Event",
    "Evidence",
    "ExtractiveAnswerer",
    "Limits",
    "Toolbox",
    "VideoAgent",
    "VideoSet",
    "VideoToolkit",
    "WatchReport",
    "resolve_llm",
    "watch",
]
