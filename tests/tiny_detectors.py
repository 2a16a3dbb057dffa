"""Detectors and speech recognisers of the real architectures at toy size, made once a session.

Their weights are random, so what they see is not there: they prove loading, shapes and times.
"""

import string
from functools import cache
from pathlib import Path
from tempfile import mkdtemp


@cache
def _folder(name: str) -> Path:
    return Path(mkdtemp(prefix=f"tiny-{name}-"))


@cache
def tiny_dfine() -> Path:
    """D-FINE, in the folder layout of the hub's checkpoints."""
    import torch
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    torch.manual_seed(0)
    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8],
        stage_in_channels=[8, 16, 32, 64],
        stage_mid_channels=[8, 8, 16, 16],
        stage_out_channels=[16, 32, 64, 64],
        stage_num_blocks=[1, 1, 1, 1],
        stage_numb_of_layers=[1, 1, 1, 1],
        embedding_size=16,
        hidden_sizes=[16, 32, 64, 64],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = DFineConfig(
        backbone_config=backbone,
        encoder_in_channels=[32, 64, 64],
        decoder_in_channels=[32, 32, 32],
        decoder_n_points=[2, 2, 2],
        feat_strides=[8, 16, 32],
        num_feature_levels=3,
        **_DETR,
    )
    model = DFineForObjectDetection(config)
    return _with_processor(model, _folder("dfine"))


@cache
def tiny_rtdetr() -> Path:
    """RT-DETRv2."""
    import torch
    from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    torch.manual_seed(0)
    backbone = RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 32, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[16, 32, 32],
        decoder_in_channels=[32, 32, 32],
        decoder_n_points=2,
        **_DETR,
    )
    return _with_processor(RTDetrV2ForObjectDetection(config), _folder("rtdetr"))


_LABELS = {0: "person", 1: "dog", 2: "bicycle"}
_DETR = {
    "d_model": 32,
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 12,
    "num_denoising": 0,
    "id2label": _LABELS,
    "label2id": {name: number for number, name in _LABELS.items()},
}


def _with_processor(model: object, folder: Path) -> Path:
    from transformers import RTDetrImageProcessor

    model.save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 128, "width": 128}).save_pretrained(folder)
    return folder


@cache
def tiny_grounding_dino() -> Path:
    """Grounding DINO: Swin for pictures, BERT for words."""
    import torch
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
    folder = _folder("gdino")
    letters = list(string.ascii_lowercase + string.digits + ".,?'")
    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(signs))
    tokenizer = BertTokenizer(vocab={sign: number for number, sign in enumerate(signs)})
    text = BertConfig(
        vocab_size=len(signs), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    swin = SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=text,
        d_model=32,
        num_queries=10,
        encoder_layers=1,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        num_feature_levels=4,
        max_text_len=64,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 160}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


@cache
def tiny_yolo() -> Path:
    """YOLO11, from the plan that ships with ultralytics."""
    import torch

    from videochat.tools.objects import _ultralytics

    torch.manual_seed(0)
    model = _ultralytics().YOLO("yolo11n.yaml", verbose=False)
    model.model.names = {number: f"thing {number}" for number in range(80)}
    head = model.model.model[-1]
    for branch in (*head.cv3, *getattr(head, "one2one_cv3", ())):
        branch[-1].bias.data += 12.0  # a fresh head is sure of nothing, so it would find nothing
    path = _folder("yolo") / "tiny-yolo.pt"
    model.save(path)
    return path
