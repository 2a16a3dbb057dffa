"""Named line-ups of senses, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from videochat.errors import UnknownName
from videochat.tools.base import PerceptionTool

TOOLS: dict[str, str] = {
    "shots": "videochat.tools.shots:ShotDetector",
    "ocr": "videochat.tools.ocr:TextReader",
    "visual_facts": "videochat.tools.visual_facts:VisualFacts",
    "objects": "videochat.tools.objects:ObjectDetector",
    "speech": "videochat.tools.transcribe:SpeechRecognizer",
    "subtitles": "videochat.tools.speech:SubtitleReader",
    "speech_regions": "videochat.tools.speech:SpeechRegions",
}
"""Every sense by name, and where its class lives; the module is loaded when the sense is asked for."""


@dataclass(frozen=True)
class Preset:
    """A line-up of senses."""

    name: str
    summary: str
    tools: tuple[str, ...]
    """Names in `TOOLS`."""


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "builtin",
            "needs no downloads and no GPU; reads and measures, but names no objects, people or actions",
            ("subtitles", "speech_regions", "shots", "ocr", "visual_facts"),
        ),
    )
}
DEFAULT_PRESET = "builtin"


def make_tools(preset: str | Sequence[str | PerceptionTool] | None = None) -> list[PerceptionTool]:
    """Make the senses of a preset, or of a list of tool names and ready-made tools.

    Raises:
        UnknownName: a preset or tool that does not exist; the message lists those that do.
    """
    if preset is None or isinstance(preset, str):
        name = preset or DEFAULT_PRESET
        if name not in PRESETS:
            raise UnknownName("preset", name, PRESETS)
        return [make_tool(tool) for tool in PRESETS[name].tools]
    return [make_tool(tool) if isinstance(tool, str) else tool for tool in preset]


def make_tool(name: str) -> PerceptionTool:
    """Make one sense by name.

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in TOOLS:
        raise UnknownName("perception tool", name, TOOLS)
    module, cls = TOOLS[name].split(":")
    tool: PerceptionTool = getattr(import_module(module), cls)()
    return tool
