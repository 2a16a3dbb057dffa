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
_T = TypeVar("_T")

NAMES: Mapping[str, Mapping[str, str]] = {
    "videochat": {"Brakes": "videochat:Limits"},
    "videochat.agent": {
        "Brakes": "videochat.agent:Limits",
        "Footage": "videochat.agent.video_set:VideoSet",
        "Watching": "videochat.agent.background_watch:BackgroundWatch",
    },
    "videochat.errors": {
        "BadQuestion": "videochat.errors:InvalidArgument",
        "MissingPart": "videochat.errors:MissingDependency",
    },
    "videochat.media": {
        "Sound": "videochat.audio:AudioBlock",
        "SAMPLE_RATE": "videochat.audio:SAMPLE_RATE",
        "fetch": "videochat.download:download",
        "ffmpeg_exe": "videochat.ffmpeg:ffmpeg_exe",
    },
    "videochat.records": {
        "clock": "videochat.intervals:clock",
    },
    "videochat.tools.objects": {
        "DEFAULT_FINDER": "videochat.tools.object_search:DEFAULT_FINDER",
        "ObjectFinder": "videochat.tools.object_search:ObjectFinder",
    },
    "videochat.tools.speech": {
        "NO_WORDS": "videochat.tools.voice_activity:NO_WORDS",
        "SpeechRegions": "videochat.tools.voice_activity:SpeechRegions",
        "SubtitleReader": "videochat.tools.subtitles:SubtitleReader",
    },
    "videochat.memory": {"Shelf": "videochat.memory:VideoCaptions"},
    "videochat.memory.maintenance": {
        "verify": "videochat.memory.maintenance:check_store",
    },
    "videochat.embed_model": {
        "Viewer": "videochat.embed_model:ClipEncoder",
        "Wording": "videochat.embed_model:SamplingSettings",
    },
    "videochat.embed_model.chat": {
        "Viewer": "videochat.embed_model:ClipEncoder",
        "Sight": "videochat.embed_model.chat:EncodedClip",
        "Wording": "videochat.embed_model:SamplingSettings",
        "choose": "videochat.embed_model.generation:choose_token",
        "sample_indices": "videochat.embed_model.preprocess:sample_indices",
        "picture_of_frame": "videochat.embed_model.preprocess:crop_frame",
        "picture_of_image": "videochat.embed_model.preprocess:squash_image",
    },
    "videochat.embed_model.checkpoints": {
        "convert": "videochat.embed_model.conversion:convert",
        "read_weights": "videochat.embed_model.conversion:read_weights",
        "from_upstream": "videochat.embed_model.upstream:from_upstream",
        "load_llm": "videochat.embed_model.language_model:load_llm",
        "load_tokenizer": "videochat.embed_model.language_model:load_tokenizer",
    },
    "videochat.embed_model.dialogue": {
        "Passage": "videochat.embed_model.dialogue:TokenizedPrompt",
        "prompt_passage": "videochat.embed_model.dialogue:tokenize_prompt",
        "alignment_passage": "videochat.embed_model.dialogue:tokenize_alignment",
        "instruction_passage": "videochat.embed_model.dialogue:tokenize_instruction",
    },
    "videochat.embed_model.instruct": {
        "FORMAT": "videochat.embed_model.prompts:DIALOGUE_FORMAT",
        "MAKINGS": "videochat.embed_model.instruct:ITEM_KINDS",
    },
    "videochat.embed_model.train": {
        "ALIGNMENT": "videochat.embed_model.recipe:ALIGNMENT",
        "INSTRUCTION": "videochat.embed_model.recipe:INSTRUCTION",
        "RECIPES": "videochat.embed_model.recipe:RECIPES",
    },
}
"""Old name to `module:name`, by the module it was in."""

MODULES: Mapping[str, str] = {
    "videochat.loader": "videochat.document_loader",
    "videochat.agent.evidence": "videochat.agent.citations",
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
    "videochat.embed_model.toy": "runs.toy_world",
    "videochat.memory.budget": "videochat.agent.context",
    "videochat.memory.library_index": "videochat.memory.library",
    "videochat.agent.timeline": "videochat.timeline",
    "videochat.memory.context_budget": "videochat.agent.context",
    "videochat.agent.context_budget": "videochat.agent.context",
    "videochat.memory.word_overlap": "videochat.agent.word_overlap",
    "videochat.memory.export": "videochat.memory.maintenance",
    "videochat.memory.chroma_server": "videochat.memory.chroma",
    "videochat.memory.registry": "videochat.memory.appearances",
    "videochat.memory.server": "videochat.memory.chroma",
    "videochat.memory.shelf": "videochat.memory.video_captions",
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


def attributes(**renamed: str) -> Callable[[type[_T]], type[_T]]:
    """Let a class answer to old names of its methods and attributes, with a warning.

    Args:
        renamed: old name to new name.
    """

    def alias(owner: str, old: str, now: str) -> property:
        def find(instance: object) -> Any:
            warnings.warn(
                f"{owner}.{old} is now {owner}.{now}; the old name goes with the next release.",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(instance, now)

        return property(find)

    def decorate(cls: type[_T]) -> type[_T]:
        for old, now in renamed.items():
            setattr(cls, old, alias(cls.__name__, old, now))
        return cls

    return decorate


class _MovedModules(MetaPathFinder):
    """Answers the import of a module that moved with where it is now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in MODULES:
            # Without name=: `from package import module` would put a sentence of its own in the place of this one.
            raise ModuleNotFoundError(f"{fullname} is now {MODULES[fullname]}; import that.")
        return None


if not any(type(finder).__name__ == _MovedModules.__name__ for finder in sys.meta_path):
    # Last: only what nobody else finds.
    sys.meta_path.append(_MovedModules())
