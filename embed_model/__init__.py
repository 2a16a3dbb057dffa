"""VideoChat-Embed: the end-to-end model of the paper's section 3.2.

    from videochat import Video
    from videochat.embed_model import VideoChatEmbed, ClipEncoder

    viewer = ClipEncoder(VideoChatEmbed.from_pretrained("videochat-7b/"))
    chat = viewer.chat(Video("kitchen.mp4"), start_seconds=0, end_seconds=30)
    print(chat.ask("What is poured?"))

To read the model top to bottom: `config`, `vision`, `bridge`, `model`; then `dialogue` (its words), `chat`
(how to talk with it) and `checkpoints` (how weights get in). To train it: `prompts` (the paper's), `instruct` (data
from watched videos), `data`, `train`; `toy` is a world small enough for a laptop. torch and transformers load when a
name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videochat.embed_model.chat import Chat, ClipEncoder, SamplingSettings
    from videochat.embed_model.checkpoints import CheckpointError, convert
    from videochat.embed_model.config import BridgeConfig, EmbedConfig, VisionConfig
    from videochat.embed_model.dialogue import PromptError
    from videochat.embed_model.model import VideoChatEmbed

_HOMES = {
    "BridgeConfig": "config",
    "Chat": "chat",
    "CheckpointError": "checkpoints",
    "EmbedConfig": "config",
    "PromptError": "dialogue",
    "VideoChatEmbed": "model",
    "ClipEncoder": "chat",
    "VisionConfig": "config",
    "SamplingSettings": "chat",
    "convert": "checkpoints",
}

__all__ = [
    "BridgeConfig",
    "Chat",
    "CheckpointError",
    "ClipEncoder",
    "EmbedConfig",
    "PromptError",
    "SamplingSettings",
    "VideoChatEmbed",
    "VisionConfig",
    "convert",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'videochat.embed_model' has no attribute {name!r}")
    return getattr(import_module(f"videochat.embed_model.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
