"""Detectors and speech recognisers of the real architectures at toy size, made once a session.

Their weights are random, so what they see is not there: they prove loading, shapes and times.
"""

import string
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any


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
        **_STAGES,
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
        **_STAGES,
    )
    config = RTDetrV2Config(
        backbone_config=backbone,
        encoder_in_channels=[16, 32, 32],
        decoder_in_channels=[32, 32, 32],
        decoder_n_points=2,
        **_DETR,
    )
    return _with_processor(RTDetrV2ForObjectDetection(config), _folder("rtdetr"))


@cache
def tiny_rfdetr() -> Path:
    """RF-DETR: DINOv2 with windows, and the decoder of Deformable DETR."""
    import torch
    from transformers import RfDetrConfig, RfDetrDinov2Config, RfDetrForObjectDetection, RfDetrImageProcessor

    torch.manual_seed(0)
    stages: dict[str, Any] = {"out_features": ["stage1", "stage2"]}
    backbone = RfDetrDinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=112, num_windows=2, **stages
    )
    config = RfDetrConfig(
        backbone_config=backbone,
        d_model=32,
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_n_points=2,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        num_queries=12,
        group_detr=1,
        init_std=0.5,
        **_NAMED,
    )
    folder = _folder("rfdetr")
    RfDetrForObjectDetection(config).save_pretrained(folder)
    RfDetrImageProcessor(size={"height": 112, "width": 112}).save_pretrained(folder)
    return folder


# Taken by every backbone, though not among the declared arguments.
_STAGES: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"]}
_LABELS = {0: "person", 1: "dog", 2: "bicycle"}
_NAMED: dict[str, Any] = {"id2label": _LABELS, "label2id": {name: number for number, name in _LABELS.items()}}
_DETR: dict[str, Any] = {
    "d_model": 32,
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_ffn_dim": 32,
    "decoder_attention_heads": 2,
    "decoder_layers": 2,
    "num_queries": 12,
    "num_denoising": 0,
} | _NAMED


def _with_processor(model: Any, folder: Path) -> Path:
    from transformers import RTDetrImageProcessor

    model.save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 128, "width": 128}).save_pretrained(folder)
    return folder


@cache
def tiny_grounding_dino() -> Path:
    """Grounding DINO: Swin for pictures, BERT for words."""
    from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection

    return _grounded(GroundingDinoConfig, GroundingDinoForObjectDetection, _folder("gdino"))


@cache
def tiny_mm_grounding_dino() -> Path:
    """MM-Grounding-DINO, the same trained anew by others, with another head."""
    from transformers import MMGroundingDinoConfig, MMGroundingDinoForObjectDetection

    return _grounded(MMGroundingDinoConfig, MMGroundingDinoForObjectDetection, _folder("mm-gdino"))


def _grounded(config_class: Any, model_class: Any, folder: Path) -> Path:
    import torch
    from transformers import (
        BertConfig,
        BertTokenizer,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    torch.manual_seed(0)
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
        **_STAGES,
    )
    config = config_class(
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
    model = model_class(config)
    for name, values in model.named_parameters():
        if "class_embed" in name and name.endswith("bias"):
            values.data.zero_()  # a fresh head is sure of nothing, so it would find nothing
    model.save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 160}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


@cache
def tiny_yolo() -> Path:
    """YOLO11, from the plan that ships with ultralytics."""
    import torch

    from videochat.tools.detectors import import_ultralytics

    torch.manual_seed(0)
    model = import_ultralytics().YOLO("yolo11n.yaml", verbose=False)
    model.model.names = {number: f"thing {number}" for number in range(80)}
    head = model.model.model[-1]
    for branch in (*head.cv3, *getattr(head, "one2one_cv3", ())):
        branch[-1].bias.data += 12.0  # a fresh head is sure of nothing, so it would find nothing
    path = _folder("yolo") / "tiny-yolo.pt"
    model.save(path)
    return path


@cache
def tiny_whisper(text_length: int = 64) -> Path:
    """Whisper in the layout of the hub's checkpoints, with OpenAI's numbers of its signs.

    Random weights write until `text_length / 2` signs are full, so it is short; faster-whisper insists on 448.
    """
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )
    from whisper.tokenizer import LANGUAGES

    torch.manual_seed(0)
    folder = _folder(f"whisper-{text_length}")
    languages = list(LANGUAGES)[:99]  # the hundredth came with large-v3
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    signs = [*letters, *(f"word{number}" for number in range(50257 - len(letters)))]
    tokenizer = Tokenizer(models.BPE(vocab={sign: number for number, sign in enumerate(signs)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    special = [f"<|{sign}|>" for sign in ("endoftext", "startoftranscript", *languages, *tasks)]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens([AddedToken(f"<|{step * 0.02:.2f}|>", special=False) for step in range(1501)])
    number: dict[str, Any] = {sign: tokenizer.token_to_id(sign) for sign in special}
    config = WhisperConfig(
        vocab_size=51865,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        init_std=0.3,
        max_target_positions=text_length,
        decoder_start_token_id=number["<|startoftranscript|>"],
        eos_token_id=number["<|endoftext|>"],
        pad_token_id=number["<|endoftext|>"],
        bos_token_id=number["<|endoftext|>"],
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=number["<|startoftranscript|>"],
        eos_token_id=number["<|endoftext|>"],
        lang_to_id={f"<|{code}|>": number[f"<|{code}|>"] for code in languages},
        task_to_id={task: number[f"<|{task}|>"] for task in ("translate", "transcribe")},
        no_timestamps_token_id=number["<|notimestamps|>"],
        alignment_heads=[[1, 0], [1, 1]],
        suppress_tokens=[],
        begin_suppress_tokens=[],
        is_multilingual=True,
    )
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    WhisperTokenizer(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>", bos_token="<|endoftext|>", unk_token="<|endoftext|>"
    ).save_pretrained(folder)
    return folder


@cache
def tiny_whisper_pt() -> Path:
    """The same model as an openai-whisper file."""
    import torch

    from videochat.tools.whisper import from_transformers

    model = from_transformers(tiny_whisper(), "cpu")
    path = _folder("whisper-pt") / "tiny-random.pt"
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return path


@cache
def tiny_faster_whisper() -> Path:
    """The same model for CTranslate2."""
    from ctranslate2.converters import TransformersConverter

    folder = _folder("faster-whisper") / "model"
    copied = ["tokenizer.json", "preprocessor_config.json"]
    TransformersConverter(str(tiny_whisper(448)), copy_files=copied).convert(str(folder))
    return folder
