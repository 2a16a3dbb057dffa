"""The one who answers: watches, retrieves, asks the language model, checks what it cites."""

from videochat.agent.evidence import Evidence
from videochat.agent.llms import ExtractiveAnswerer, resolve_llm
from videochat.agent.toolbox import Toolbox
from videochat.agent.video_agent import VideoAgent
from videochat.agent.watch import WatchReport, watch

__all__ = [
    "Evidence",
    "ExtractiveAnswerer",
    "Toolbox",
    "VideoAgent",
    "WatchReport",
    "resolve_llm",
    "watch",
]
