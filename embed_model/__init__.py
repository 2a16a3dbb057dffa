"""VideoChat-Embed: the end-to-end model of the paper's section 3.2.

    from videochat import Video
    from videochat.embed_model import ClipEncoder, VideoChatEmbed

    encoder = ClipEncoder(VideoChatEmbed.from_pretrained("videochat-7b/"))
    chat = encoder.chat(Video("kitchen.mp4"), start_seconds=0, end_seconds=30)
    print(chat.ask("What is poured?"))

`docs/videochat_embed.md` specifies the model. To read the code from beginning to end:

1. the model: `config` (sizes), `vision` (frames to tokens), `bridge` (tokens to embeddings of the LLM), `dialogue` (the
   text around them), `model` (all of it together);
2. using it: `preprocess` (frames and pixels), `generation` (token by token), `chat` (questions about a clip);
3. its weights: `checkpoints` (our folder), `language_model` (any LLM), `upstream` (upstream's names), `conversion`;
4. training it: `annotations` (the files), `dataset` (batches), `recipe` (the numbers), `train`, `run_folder`;
5. making data for it: `prompts` (the paper's), `text_checks` (what is good enough), `instruct`.

torch and transformers load when a name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from videochat.renamed import getter

if TYPE_CHECKING:
    from videochat.embed_model.chat import Chat, ClipEncoder, EncodedClip
    from videochat.embed_model.checkpoints import CheckpointError
    from videochat.embed_model.config import BridgeConfig, EmbedConfig, VisionConfig
    from videochat.embed_model.conversion import convert
    from videochat.embed_model.dialogue import PromptError
    from videochat.embed_model.generation import SamplingSettings
    from videochat.embed_model.model import VideoChatEmbed

_HOMES = {
    "BridgeConfig": "config",
    "Chat": "chat",
    "CheckpointError": "checkpoints",
    "ClipEncoder": "chat",
    "EmbedConfig": "config",
    "EncodedClip": "chat",
    "PromptError": "dialogue",
    "SamplingSettings": "generation",
    "VideoChatEmbed": "model",
    "VisionConfig": "config",
    "convert": "conversion",
}

__all__ = [
    "BridgeConfig",
    "Chat",
    "CheckpointError",
    "ClipEncoder",
    "EmbedConfig",
    "EncodedClip",
    "PromptError",
    "SamplingSettings",
    "VideoChatEmbed",
    "VisionConfig",
    "convert",
]

_renamed = getter(__name__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return _renamed(name)
    return getattr(import_module(f"videochat.embed_model.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
