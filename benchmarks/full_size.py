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
from tests.fakes.video_language_models import qwen3_vl
from videochat.tools.text_vectors import word_list

_TEXT_TOKENS = 30


def _save(folder: Path, model: Any, processor: Any) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _half(model: Any) -> Any:
    # The hub keeps its larger models in 16 bits, too; so they take half the disk.
    return model.to(torch.bfloat16)


def _speaking(model: Any, tokenizer: Any, end: str, extra: tuple[str, ...] = ()) -> dict[str, Any]:
    """Have random weights write letters; return how they generate, so that a text is some thirty tokens long.

    A word that is never said has the logit 0. Naming all those words to `generate` would cost more than the model.
    """
    said = tokenizer.convert_tokens_to_ids([*"abcdefghijklmnopqrstuvwxyz", *extra, end])
    weight = model.get_output_embeddings().weight.data
    kept = weight[said].clone()
    weight.zero_()
    weight[said] = kept
    return {"min_new_tokens": _TEXT_TOKENS, "exponential_decay_length_penalty": (_TEXT_TOKENS, 2.0)}


def _florence(folder: Path, tiny: Path, text: dict[str, Any], vision: dict[str, Any]) -> None:
    processor = transformers.AutoProcessor.from_pretrained(tiny)
    image_processor = transformers.CLIPImageProcessor(
        size={"height": 768, "width": 768}, crop_size={"height": 768, "width": 768}, do_center_crop=False
    )
    image_processor.image_seq_length = 577
    processor.image_processor = image_processor
    processor.image_seq_length = processor.num_image_tokens = 577
    vocabulary, tokenizer = 51_289, processor.tokenizer
    shape = {
        "model_type": "bart",
        "vocab_size": vocabulary,
        "max_position_embeddings": 1024,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }
    config = transformers.Florence2Config(
        text_config=shape | text, vision_config=vision, image_token_id=tokenizer.image_token_id
    )
    model = transformers.Florence2ForConditionalGeneration(config)
    places = tuple(f"<loc_{i}>" for i in range(1000))
    model.generation_config = GenerationConfig(
        **_speaking(model, tokenizer, "</s>", places),
        decoder_start_token_id=2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    _save(folder, model, processor)


def florence_base(folder: Path, tiny: Path) -> None:
    """Florence-2-base: 768 x 768 pixels, DaViT and a BART of six layers each way."""
    text = {
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
    }
    _florence(folder, tiny, text, {"projection_dim": 768})


def florence_large(folder: Path, tiny: Path) -> None:
    """Florence-2-large: a wider DaViT and a BART of twelve layers each way."""
    text = {
        "d_model": 1024,
        "encoder_layers": 12,
        "decoder_layers": 12,
        "encoder_attention_heads": 16,
        "decoder_attention_heads": 16,
        "encoder_ffn_dim": 4096,
        "decoder_ffn_dim": 4096,
    }
    heads = [8, 16, 32, 64]
    vision = {"projection_dim": 1024, "embed_dim": [256, 512, 1024, 2048], "num_heads": heads, "num_groups": heads}
    _florence(folder, tiny, text, vision)


def xclip_base(folder: Path, tiny: Path) -> None:
    """X-CLIP-base: clips of 8 pictures of 224 x 224 in patches of 32."""
    processor = transformers.AutoProcessor.from_pretrained(tiny)
    pictures = transformers.VideoMAEImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    text = {"max_position_embeddings": 77, "eos_token_id": len(processor.tokenizer) - 1}
    config = transformers.XCLIPConfig(text_config=text)
    _save(folder, transformers.XCLIPModel(config), transformers.XCLIPProcessor(pictures, processor.tokenizer))


def rfdetr_base(folder: Path, tiny: Path) -> None:
    """RF-DETR-base: 560 x 560 pixels, DINOv2-small in windows, 80 kinds of things."""
    backbone = transformers.RfDetrDinov2Config(image_size=560, out_features=["stage3", "stage6", "stage9", "stage12"])
    named: dict[str, Any] = {
        "id2label": {i: f"thing {i}" for i in range(80)},
        "label2id": {f"thing {i}": i for i in range(80)},
    }
    config = transformers.RfDetrConfig(backbone_config=backbone, group_detr=1, **named)
    processor = transformers.RfDetrImageProcessor(size={"height": 560, "width": 560})
    _save(folder, transformers.RfDetrForObjectDetection(config), processor)


def t5_base(folder: Path, tiny: Path) -> None:
    """flan-t5-base: twelve layers each way, 768 wide."""
    tokenizer, vocabulary = transformers.AutoTokenizer.from_pretrained(tiny), 32_128
    config = transformers.T5Config(
        vocab_size=vocabulary,
        d_model=768,
        d_kv=64,
        d_ff=2048,
        num_layers=12,
        num_heads=12,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    model = transformers.T5ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        **_speaking(model, tokenizer, "</s>"), decoder_start_token_id=0, pad_token_id=0, eos_token_id=1
    )
    _save(folder, model, tokenizer)


def qwen3_vl_2b(folder: Path, tiny: Path) -> None:
    """Qwen3-VL-2B-Instruct: 28 layers, 2048 wide, and a vision tower of 24."""
    config = transformers.AutoConfig.from_pretrained(tiny)
    processor = transformers.AutoProcessor.from_pretrained(tiny)
    ways = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
    processor.image_processor.size = processor.video_processor.size = ways
    text = {
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151_936,
        "rope_parameters": config.text_config.rope_parameters | {"rope_theta": 5e6, "mrope_section": [24, 20, 20]},
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2048,
        "num_position_embeddings": 2304,
        "deepstack_visual_indexes": [5, 11, 17],
    }
    config.text_config.update(text)
    config.vision_config.update(vision)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = _half(transformers.Qwen3VLForConditionalGeneration(config))
    tokenizer = processor.tokenizer
    model.generation_config = GenerationConfig(
        **_speaking(model, tokenizer, "<end>"),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    _save(folder, model.cpu(), processor)


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
    "florence-large": (florence_large, "florence"),
    "xclip": (xclip_base, "xclip"),
    "rfdetr": (rfdetr_base, None),
    "t5": (t5_base, "t5"),
    "qwen3_vl": (qwen3_vl_2b, "qwen3_vl"),
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
            (MAKERS | {"qwen3_vl": qwen3_vl})[tokenizer_of](tiny)
        make(folder, tiny)
    return folder
