"""The agent: watches videos, retrieves captions, asks a chat model, and checks what its answer cites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from videochat.agent.ask_options import AskOptions, RetrieverOptions
from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.batch import VideoResult
from videochat.agent.chat_models import resolve_llm
from videochat.agent.citations import Evidence
from videochat.agent.events import Event
from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.limits import Limits
from videochat.agent.ray_workers import watch_on_ray
from videochat.agent.toolbox import Toolbox
from videochat.agent.toolkit import VideoToolkit
from videochat.agent.video_agent import VideoAgent
from videochat.agent.video_answerer import VideoAnswerer
from videochat.agent.video_set import VideoSet
from videochat.agent.watch import WatchReport, watch
from videochat.agent.watch_plan import WatchPlan, plan_watch
from videochat.agent.watch_videos import watch_videos
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

__all__ = [
    "AskOptions",
    "BackgroundWatch",
    "Event",
    "Evidence",
    "ExtractiveAnswerer",
    "Limits",
    "RetrieverOptions",
    "Toolbox",
    "VideoAgent",
    "VideoAnswerer",
    "VideoResult",
    "VideoSet",
    "VideoToolkit",
    "WatchPlan",
    "WatchReport",
    "plan_watch",
    "resolve_llm",
    "watch",
    "watch_on_ray",
    "watch_videos",
]
