"""Presets: named line-ups of perception tools, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from videochat.errors import InvalidArgument, UnknownName
from videochat.hub import Weights, is_here, known
from videochat.tools.base import PerceptionTool
from videochat.tools.refine import CaptionRefiner

TOOLS: dict[str, str] = {
    "shots": "videochat.tools.shots:ShotDetector",
    "ocr": "videochat.tools.ocr:TextReader",
    "visual_facts": "videochat.tools.visual_facts:VisualFacts",
    "loudness": "videochat.tools.loudness:Loudness",
    "objects": "videochat.tools.objects:ObjectDetector",
    "speech": "videochat.tools.speech:SpeechRecognizer",
    "actions": "videochat.tools.actions:ActionRecognizer",
    "captions": "videochat.tools.captions:FrameCaptioner",
    "clip_captions": "videochat.tools.clip_captions:ClipCaptioner",
    "dense_captions": "videochat.tools.dense_captions:DenseCaptioner",
    "scene_text": "videochat.tools.scene_text:SceneTextReader",
    "tags": "videochat.tools.tags:FrameTagger",
    "subtitles": "videochat.tools.subtitles:SubtitleReader",
    "speech_regions": "videochat.tools.voice_activity:SpeechRegions",
    "speakers": "videochat.tools.speakers:SpeakerTurns",
    "sounds": "videochat.tools.sounds:SoundEvents",
}
"""Every sense by name, and where its class lives; the module is loaded when the sense is asked for."""


@dataclass(frozen=True)
class Preset:
    """A line-up of perception tools."""

    name: str
    """The word that users give as `preset`."""
    summary: str
    """What it needs and sees, for people."""
    tools: tuple[str, ...]
    """Names in `TOOLS`."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Arguments of the tools' constructors by name; what is not named stays as the tool has it."""
    refiner: str | None = None
    """Model for `refine.CaptionRefiner`, or None where captions stay as they are."""
    on_request: tuple[str, ...] = ()
    """Models of `find_frames` and `find_objects`, which look for what is asked; they are fetched with the others, and
    a watch goes without them."""
    gpu_gb: int = 0
    """Memory of the smallest GPU that it is meant for; 0 where a CPU will do."""

    def weights(self) -> list[Weights]:
        """Return what must be on the machine, each model once; nothing is loaded or looked up."""
        needed = [tool.weights for tool in make_tools(self.name) if tool.weights is not None]
        if self.refiner is not None:
            needed.append(known(self.refiner))
        needed += [known(model) for model in self.on_request]
        return list(dict.fromkeys(needed))


# The words make the remark that somebody speaks superfluous.
_WITH_WORDS = ("subtitles", "speech", "shots", "ocr", "visual_facts", "loudness")
_SEEING = ("actions", "captions", "clip_captions", "dense_captions", "scene_text", "tags", "objects")
_BUILTIN = ("subtitles", "speech_regions", "shots", "ocr", "visual_facts", "loudness")

_FLORENCE_BASE = "florence-community/Florence-2-base"
_FLORENCE_LARGE = "florence-community/Florence-2-large"
_XCLIP = "microsoft/xclip-base-patch32"
_SIGLIP_BASE = "google/siglip2-base-patch16-224"
_FINDER = "IDEA-Research/grounding-dino-tiny"

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "builtin",
            "needs no downloads and no GPU; reads, measures, hears words with the extra offline; names no objects",
            _BUILTIN,
        ),
        Preset(
            "small",
            "for a CPU with 8 GB of memory: actions, captions and things with places, a few pictures a minute",
            (*_WITH_WORDS, "actions", "captions", "dense_captions", "objects"),
            {
                "speech": {"model": "openai/whisper-base"},
                "objects": {"model": "ustc-community/dfine-small-obj2coco", "every_seconds": 1.0},
                "actions": {"model": _XCLIP},
                # A caption takes seconds on a CPU.
                "captions": {"model": _FLORENCE_BASE, "every_seconds": 5.0},
                "dense_captions": {"model": _FLORENCE_BASE, "every_seconds": 10.0},
            },
        ),
        Preset(
            "base",
            "for a GPU with 8 GB: every second is described, tagged and searched for actions, then condensed",
            (*_WITH_WORDS, *_SEEING),
            {
                "clip_captions": {"model": "Qwen/Qwen3-VL-2B-Instruct"},
                "scene_text": {"model": _FLORENCE_LARGE},
                "actions": {"model": _XCLIP},
                "speech": {"model": "openai/whisper-small"},
                "objects": {"model": "Roboflow/rf-detr-medium"},
                "captions": {"model": _FLORENCE_LARGE, "detail": "detailed"},
                "dense_captions": {"model": _FLORENCE_LARGE},
                "tags": {"model": _SIGLIP_BASE},
            },
            "google/flan-t5-base",
            (_SIGLIP_BASE, _FINDER),
            8,
        ),
        Preset(
            "large",
            "for a GPU with 16 GB: as base, with longer captions, finer tags and denser looks",
            (*_WITH_WORDS, *_SEEING),
            {
                "clip_captions": {"model": "Qwen/Qwen3-VL-4B-Instruct", "frames": 8},
                "scene_text": {"model": _FLORENCE_LARGE, "every_seconds": 2.0},
                "actions": {"model": _XCLIP},
                "captions": {"model": _FLORENCE_LARGE, "detail": "paragraph"},
                "dense_captions": {"model": _FLORENCE_LARGE, "every_seconds": 2.0},
                "speech": {"model": "openai/whisper-large-v3-turbo"},
                "objects": {"model": "ustc-community/dfine-xlarge-obj2coco"},
                "tags": {"model": "google/siglip2-so400m-patch14-384", "every_seconds": 1.0},
            },
            "google/flan-t5-base",
            (_SIGLIP_BASE, _FINDER),
            16,
        ),
        Preset(
            "paper",
            "the nearest to the paper's line-up; its action model is not for commercial use",
            (*_WITH_WORDS, "actions", "captions", "dense_captions", "tags"),
            {
                "actions": {"model": "MCG-NJU/videomae-base-finetuned-kinetics"},
                "speech": {"model": "openai/whisper-base"},
                "captions": {"model": "Salesforce/blip-image-captioning-large"},
                "dense_captions": {"model": _FLORENCE_LARGE},
                "tags": {"model": _SIGLIP_BASE},
            },
            "mrm8488/flan-t5-large-finetuned-openai-summarize_from_feedback",
        ),
    )
}
DEFAULT_PRESET = "builtin"
# `paper` is not among them: one of its models is not for commercial use, which is for the user to decide.
_RICHEST_FIRST = ("large", "base", "small")


def best_present() -> str:
    """Return the richest preset whose weights are all on this machine and that suits its GPU, or `builtin`.

    Never touches the network.
    """
    for name in _RICHEST_FIRST:
        preset = PRESETS[name]
        models = {str(options["model"]) for options in preset.options.values() if "model" in options}
        if preset.refiner is not None:
            models.add(preset.refiner)
        if all(is_here(known(model)) for model in models) and _gpu_gb() >= preset.gpu_gb:
            return name
    return DEFAULT_PRESET


def _gpu_gb() -> float:
    import torch

    return torch.cuda.get_device_properties(0).total_memory / 1e9 if torch.cuda.is_available() else 0.0


def make_tools(preset: str | Sequence[str | PerceptionTool] | None = None) -> list[PerceptionTool]:
    """Make the senses of a preset, or of a list of tool names and ready-made tools.

    Raises:
        UnknownName: a preset or tool that does not exist; the message lists those that do.
    """
    if preset is None or isinstance(preset, str):
        name = preset or DEFAULT_PRESET
        if name in TOOLS:
            raise InvalidArgument(f"{name!r} is a sense, not a preset; give a list: [{name!r}].")
        if name not in PRESETS:
            raise UnknownName("preset", name, PRESETS)
        line_up = PRESETS[name]
        senses = [make_tool(tool, **line_up.options.get(tool, {})) for tool in line_up.tools]
        return [*(_hearing(sense) for sense in senses), *([make_tool("sounds")] if can_hear_sounds() else [])]
    if not isinstance(preset, Sequence):
        raise InvalidArgument(f"A preset is a name or a list of tool names and tools, got {preset!r}.")
    return [make_tool(tool) if isinstance(tool, str) else tool for tool in preset]


def can_hear() -> bool:
    """Whether Whisper base and what runs it are on this machine, so that the preset `builtin` hears words."""
    from videochat.tools.whisper import whisper_weights

    return find_spec("faster_whisper") is not None and is_here(whisper_weights("base", "faster-whisper"))


def can_hear_sounds() -> bool:
    """Whether the extra `sounds` is installed, with which every preset hears music, applause, animals and engines."""
    from videochat.tools.sounds import YAMNET

    return is_here(YAMNET)


def _hearing(sense: PerceptionTool) -> PerceptionTool:
    """Return the sense that hears what is said in place of one that hears that somebody speaks, where it can be had."""
    if sense.name != "speech_regions" or not can_hear():
        return sense
    return make_tool("speech", model="base", backend="faster-whisper")


def make_refiner(preset: str | Sequence[str | PerceptionTool] | None = None) -> CaptionRefiner | None:
    """Make what condenses the captions of a preset, or None where they stay as they are."""
    if isinstance(preset, str) and preset in PRESETS and (model := PRESETS[preset].refiner) is not None:
        return CaptionRefiner(model)
    return None


def make_tool(name: str, **options: Any) -> PerceptionTool:
    """Make one sense by name.

    Args:
        name: one of `TOOLS`.
        options: arguments of its constructor.

    Raises:
        UnknownName: there is none of that name.
    """
    return tool_class(name)(**options)


def tool_class(name: str) -> type[PerceptionTool]:
    """Return the class of a sense by name.

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in TOOLS:
        raise UnknownName("perception tool", name, TOOLS)
    module, cls = TOOLS[name].split(":")
    found: type[PerceptionTool] = getattr(import_module(module), cls)
    return found
