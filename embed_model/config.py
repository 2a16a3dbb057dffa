"""The sizes of VideoChat-Embed, with the released ones as presets. Standard library only.

`docs/videochat_embed.md`, sections 1 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from videochat.errors import InvalidArgument, UnknownName


@dataclass(frozen=True)
class VisionConfig:
    """EVA-CLIP ViT-g/14 and its GMHRA; the defaults are the released sizes.

    Raises:
        InvalidArgument: sizes that do not fit together.
    """

    image_size: int = 224
    """Side of the square picture, in pixels."""
    patch_size: int = 14
    """Side of a patch, in pixels."""
    width: int = 1408
    """C, channels of a token."""
    depth: int = 39
    """Blocks; the EVA file has one more, which is not used."""
    heads: int = 16
    mlp_width: int = 6144
    gmhra_layers: int = 8
    """The last so many blocks are read by one GMHRA layer each; 0 leaves GMHRA out, for comparison."""
    gmhra_mlp_width: int = 6144
    gmhra_dropout: float = 0.5
    """In training, inside the GMHRA MLP."""
    temporal_downsample: bool = False
    """Patches span three frames, at every second frame: T' = ceil(T / 2). Not in released models."""
    frame_times: bool = False
    """Tell every token when its frame was taken (see `FrameTimes`). Ours; not in the paper or released models."""

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise InvalidArgument(
                f"image_size must be a multiple of patch_size, got {self.image_size} and {self.patch_size}"
            )
        if self.width % self.heads:
            raise InvalidArgument(f"width must be a multiple of heads, got {self.width} and {self.heads}")
        if not 0 <= self.gmhra_layers <= self.depth:
            raise InvalidArgument(f"gmhra_layers must be between 0 and depth = {self.depth}, got {self.gmhra_layers}")

    @property
    def grid(self) -> int:
        """Patches along one side of a picture."""
        return self.image_size // self.patch_size

    @property
    def tokens_per_frame(self) -> int:
        """One class token and the patches."""
        return 1 + self.grid**2


@dataclass(frozen=True)
class BridgeConfig:
    """Q-Former and query tokens."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_width: int = 3072
    queries: int = 32
    """Query tokens that come with BLIP-2."""
    extra_queries: int = 64
    """Query tokens learned for video."""
    cross_attention_every: int = 2
    """Layers 0, 2, 4 ... attend to the vision tokens."""

    @property
    def tokens(self) -> int:
        """Q, embeddings that the LLM receives for one video or image."""
        return self.queries + self.extra_queries


@dataclass(frozen=True)
class EmbedConfig:
    """Everything of the model but the LLM, whose own `config.json` describes it."""

    vision: VisionConfig = field(default_factory=VisionConfig)
    bridge: BridgeConfig = field(default_factory=BridgeConfig)
    llm_width: int = 4096
    """D, channels of the LLM's input embeddings."""

    @classmethod
    def preset(cls, name: str) -> EmbedConfig:
        """Return the sizes called `7b`, `13b` (both released) or `toy` (for tests).

        Raises:
            UnknownName: there is no such preset.
        """
        if name not in _PRESETS:
            raise UnknownName("size of VideoChat-Embed", name, _PRESETS)
        return _PRESETS[name]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EmbedConfig:
        """Make a config from `as_dict()`.

        Raises:
            TypeError: a name that is none of the fields.
            KeyError: a part is absent.
        """
        return cls(VisionConfig(**data["vision"]), BridgeConfig(**data["bridge"]), data["llm_width"])


_PRESETS = {
    "7b": EmbedConfig(),
    "13b": EmbedConfig(llm_width=5120),
    "toy": EmbedConfig(
        VisionConfig(
            image_size=28,
            width=32,
            depth=3,
            heads=2,
            mlp_width=64,
            gmhra_layers=2,
            gmhra_mlp_width=64,
        ),
        BridgeConfig(width=32, depth=2, heads=4, mlp_width=48, queries=3, extra_queries=5),
        llm_width=64,
    ),
}


def llama_shape(preset: str) -> dict[str, Any]:
    """Return the `LlamaConfig` arguments of the LLM that belongs to a preset: LLaMA-1, context 2048.

    Raises:
        UnknownName: there is no such preset.
    """
    width = EmbedConfig.preset(preset).llm_width
    layers, heads, mlp_width = {"7b": (32, 32, 11008), "13b": (40, 40, 13824), "toy": (2, 4, 128)}[preset]
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": mlp_width,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "vocab_size": 420 if preset == "toy" else 32000,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
