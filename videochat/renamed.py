"""Names of the previous release, and what each is called now: old names still work and warn, for one release."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

NAMES: Mapping[str, Mapping[str, str]] = {
    "videochat": {"Brakes": "videochat.agent.limits:Limits"},
    "videochat.agent": {
        "Brakes": "videochat.agent.limits:Limits",
        "Footage": "videochat.agent.video_set:VideoSet",
        "Watching": "videochat.agent.background_watch:BackgroundWatch",
    },
    "videochat.errors": {
        "BadQuestion": "videochat.errors:InvalidArgument",
        "MissingPart": "videochat.errors:MissingDependency",
    },
    "videochat.media": {
        "Frame": "videochat.frames:Frame",
        "Sampling": "videochat.frames:Sampling",
        "Sound": "videochat.frames:AudioBlock",
        "SubtitleTrack": "videochat.frames:SubtitleTrack",
        "SAMPLE_RATE": "videochat.frames:SAMPLE_RATE",
        "fetch": "videochat.download:download",
        "ffmpeg_exe": "videochat.ffmpeg:ffmpeg_exe",
    },
    "videochat.records": {
        "clock": "videochat.intervals:clock",
        "clock_range": "videochat.intervals:clock_range",
        "check_interval": "videochat.intervals:check_interval",
    },
    "videochat.tools.objects": {
        "DEFAULT_FINDER": "videochat.tools.object_search:DEFAULT_FINDER",
        "Detector": "videochat.tools.detectors:Detector",
        "ObjectFinder": "videochat.tools.object_search:ObjectFinder",
    },
    "videochat.tools.speech": {
        "NO_WORDS": "videochat.tools.voice_activity:NO_WORDS",
        "SpeechRegions": "videochat.tools.voice_activity:SpeechRegions",
        "SubtitleReader": "videochat.tools.subtitles:SubtitleReader",
        "has_subtitles": "videochat.tools.subtitles:has_subtitles",
        "voice_blocks": "videochat.tools.voice_activity:voice_blocks",
    },
    "videochat.memory": {"Shelf": "videochat.memory.video_captions:VideoCaptions"},
    "videochat.embed_model": {
        "Viewer": "videochat.embed_model.chat:ClipEncoder",
        "Wording": "videochat.embed_model.generation:SamplingSettings",
    },
}
"""Old name to `module:name`, by the module it was in."""

MODULES: Mapping[str, str] = {
    "videochat.memory_cli": "videochat.cli.memory",
    "videochat.agent.acceptance": "videochat.agent.middleware",
    "videochat.agent.brakes": "videochat.agent.limits",
    "videochat.agent.choices": "videochat.agent.multiple_choice",
    "videochat.agent.footage": "videochat.agent.video_set",
    "videochat.agent.frames": "videochat.agent.frame_search",
    "videochat.agent.guests": "videochat.agent.middleware",
    "videochat.agent.llms": "videochat.agent.chat_models",
    "videochat.agent.loop": "videochat.agent.graph",
    "videochat.agent.turn": "videochat.agent.run",
    "videochat.agent.verify": "videochat.agent.verification",
    "videochat.agent.watching": "videochat.agent.background_watch",
    "videochat.embed_model.data": "videochat.embed_model.dataset",
    "videochat.memory.budget": "videochat.memory.context_budget",
    "videochat.memory.library": "videochat.memory.library_index",
    "videochat.memory.registry": "videochat.memory.appearances",
    "videochat.memory.server": "videochat.memory.chroma_server",
    "videochat.memory.shelf": "videochat.memory.video_captions",
    "videochat.memory.times": "videochat.memory.query",
    "videochat.memory.upkeep": "videochat.memory.maintenance",
    "videochat.tools.as_tool": "videochat.tools.langchain_tool",
    "videochat.tools.device": "videochat.devices",
    "videochat.tools.embed_chat": "videochat.tools.watch_clip",
    "videochat.tools.transcribe": "videochat.tools.speech",
    "videochat.tools.weights": "videochat.hub",
}
"""Modules that moved; importing one says where to."""


def getter(module: str) -> Callable[[str], Any]:
    """Return a module's `__getattr__`: what a name was renamed to, with a warning, or an AttributeError.

    Args:
        module: its `__name__`.
    """

    def find(name: str) -> Any:
        if name not in NAMES.get(module, {}):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, now = NAMES[module][name].partition(":")
        warnings.warn(
            f"{module}.{name} is now {home}.{now}; the old name goes with the next release.",
            DeprecationWarning,
            stacklevel=3,
        )
        return getattr(import_module(home), now)

    return find


def keywords(**renamed: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let a function take old keywords for new ones, with a warning.

    Args:
        renamed: old name to new name.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            for old, now in renamed.items():
                if old not in kwargs:
                    continue
                if now in kwargs:
                    raise TypeError(f"{function.__qualname__}() got {now!r} twice: {old!r} is its old name")
                warnings.warn(
                    f"The keyword {old!r} of {function.__qualname__}() is now {now!r}; the old one goes with the next "
                    "release.",
                    DeprecationWarning,
                    stacklevel=2,
                )
                kwargs[now] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


class _MovedModules(MetaPathFinder):
    """Answers the import of a module that moved with where it is now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MODULES:
            raise ModuleNotFoundError(f"{fullname} is now {MODULES[fullname]}; import that.", name=fullname)
        return None


if not any(type(finder).__name__ == _MovedModules.__name__ for finder in sys.meta_path):
    # Last: only what nobody else finds.
    sys.meta_path.append(_MovedModules())
