"""The one who answers: watches, retrieves, asks the language model, checks what it cites."""

from videochat.agent.brakes import Brakes
from videochat.agent.events import Event
from videochat.agent.evidence import Evidence
from videochat.agent.footage import Footage
from videochat.agent.llms import ExtractiveAnswerer, resolve_llm
from videochat.agent.toolbox import Toolbox
from videochat.agent.toolkit import VideoToolkit
from videochat.agent.video_agent import VideoAgent
from videochat.agent.watch import WatchReport, watch
from videochat.agent.watching import Watching

__all__ = [
    "Brakes",
    "Event",
    "Evidence",
    "ExtractiveAnswerer",
    "Footage",
    "Toolbox",
    "VideoAgent",
    "VideoToolkit",
    "WatchReport",
    "Watching",
    "resolve_llm",
    "watch",
]
