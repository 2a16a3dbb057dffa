"""Checkpoints of full size with random weights, for timings where the real ones cannot be had.

Shapes are those of the hub's models; tokenizers are those of the tests' tiny checkpoints. What such a model says
means nothing, and takes as long as sense would: texts are made to end after some thirty tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import GenerationConfig

from tests.fakes.tiny_checkpoints import MAKERS
from videochat.tools.text_vectors import word_list

_TEXT_TOKENS = 30


def _save(folder: Path, model: Any, processor: Any) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def florence_base(folder: Path, tiny: Path) -> None:
    """Florence-2-base: 768 x 768 pixels, DaViT and a BART of six layers each way."""
    processor = transformers.AutoProcessor.from_pretrained(tiny)
    image_processor = transformers.CLIPImageProcessor(
        size={"height": 768, "width": 768}, crop_size={"height": 768, "width": 768}, do_center_crop=False
    )
    image_processor.image_seq_length = 577
    processor.image_processor = image_processor
    processor.image_seq_length = processor.num_image_tokens = 577
    vocabulary = 51_289
    text = {
        "model_type": "bart",
        "vocab_size": vocabulary,
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
        "max_position_embeddings": 1024,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }
    tokenizer = processor.tokenizer
    config = transformers.Florence2Config(
        text_config=text, vision_config={"projection_dim": 768}, image_token_id=tokenizer.image_token_id
    )
    model = transformers.Florence2ForConditionalGeneration(config)
    speaks = set(tokenizer.convert_tokens_to_ids([*"abcdefghijklmnopqrstuvwxyz", *(f"<loc_{i}>" for i in range(1000))]))
    model.generation_config = GenerationConfig(
        suppress_tokens=sorted(set(range(vocabulary)) - speaks - {2}),
        exponential_decay_length_penalty=(_TEXT_TOKENS, 2.0),
        decoder_start_token_id=2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    _save(folder, model, processor)


def videomae_base(folder: Path, tiny: Path) -> None:
    """VideoMAE-base: 16 pictures of 224 x 224, the 400 actions of Kinetics."""
    actions = word_list("kinetics400.txt")
    config = transformers.VideoMAEConfig(
        id2label=dict(enumerate(actions)), label2id={action: i for i, action in enumerate(actions)}
    )
    processor = transformers.VideoMAEImageProcessor()
    _save(folder, transformers.VideoMAEForVideoClassification(config), processor)


def siglip2_base(folder: Path, tiny: Path) -> None:
    """SigLIP2-base of 224 x 224 pixels."""
    processor = transformers.AutoProcessor.from_pretrained(tiny)
    processor.image_processor = transformers.SiglipImageProcessor(size={"height": 224, "width": 224})
    config = transformers.SiglipConfig(text_config={"vocab_size": 256_000, "max_position_embeddings": 64})
    _save(folder, transformers.SiglipModel(config), processor)


def dfine_small(folder: Path, tiny: Path) -> None:
    """D-FINE-S: 640 x 640 pixels, HGNetV2-B0, 80 kinds of things."""
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 16, 16],
        stage_in_channels=[16, 64, 256, 512],
        stage_mid_channels=[16, 32, 64, 128],
        stage_out_channels=[64, 256, 512, 1024],
        stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[3, 3, 3, 3],
        use_learnable_affine_block=True,
        hidden_sizes=[64, 256, 512, 1024],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[256, 512, 1024],
        depth_mult=0.34,
        decoder_layers=3,
        num_denoising=0,
        id2label={i: f"thing {i}" for i in range(80)},
        label2id={f"thing {i}": i for i in range(80)},
    )
    processor = transformers.RTDetrImageProcessor(size={"height": 640, "width": 640})
    _save(folder, transformers.DFineForObjectDetection(config), processor)


_MAKERS: dict[str, tuple[Callable[[Path, Path], None], str | None]] = {
    "florence": (florence_base, "florence"),
    "videomae": (videomae_base, None),
    "siglip": (siglip2_base, "siglip"),
    "dfine": (dfine_small, None),
}


def full_size(name: str, root: Path) -> Path:
    """Return the folder of a full-size checkpoint under `root`, making it if it is not there."""
    folder = root / f"full-{name}"
    if not (folder / "config.json").exists():
        logging.getLogger("transformers").setLevel(logging.ERROR)
        make, tokenizer_of = _MAKERS[name]
        tiny = root / f"tiny-{tokenizer_of}"
        torch.manual_seed(0)
        if tokenizer_of and not tiny.exists():
            tiny.mkdir(parents=True)
            MAKERS[tokenizer_of](tiny)
        make(folder, tiny)
    return folder
