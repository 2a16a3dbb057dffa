"""Tiny random checkpoints of every architecture the senses load, saved as a hub repository would be.

The tests go through the real loading code; only the weights mean nothing. Each is made once a session.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import GenerationConfig

from tests.fakes.video_language_models import talking_smolvlm

_BYTES = sorted(ByteLevel.alphabet())
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _bart_tokenizer() -> Any:
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocab = {token: i for i, token in enumerate([*specials, *_BYTES])}
    tokenizer = transformers.BartTokenizer(
        vocab=vocab, merges=[], extra_special_tokens={"image_token": "<image>"}, model_max_length=512
    )
    tokenizer.add_tokens([f"<loc_{i}>" for i in range(1000)], special_tokens=True)
    return tokenizer


def _clip_tokenizer() -> Any:
    symbols = [*_BYTES, *(f"{symbol}</w>" for symbol in _BYTES)]
    # CLIP's pooling takes the highest id for the end of the text.
    vocab = {token: i for i, token in enumerate([*symbols, "<|startoftext|>", "<|endoftext|>"])}
    return transformers.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=32)


def _pieces() -> list[tuple[str, float]]:
    marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    return [*marks, *((sign, -3.0) for sign in _LETTERS + "0123456789.,:;!?'-()[]%/")]


def _speak_only(tokenizer: Any, allowed: str, extra: tuple[str, ...] = ()) -> list[int]:
    """Return the ids to suppress, so that random weights write words."""
    keep = {*tokenizer.convert_tokens_to_ids(list(allowed)), *tokenizer.convert_tokens_to_ids(list(extra))}
    return [i for i in range(len(tokenizer)) if i not in keep]


def florence(folder: Path) -> None:
    """Florence-2; says letters and places, so that dense captions come out of random weights."""
    tokenizer = _bart_tokenizer()
    image_processor: Any = transformers.CLIPImageProcessor(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False
    )
    image_processor.image_seq_length = 5
    tasks = (
        "ocr",
        "phrase_grounding",
        "pure_text",
        "description_with_bboxes",
        "description_with_polygons",
        "polygons",
        "bboxes",
        "description_with_bboxes_or_polygons",
    )
    processor = transformers.Florence2Processor(
        image_processor, tokenizer, post_processor_config={task: {"TASK_NAME": task} for task in tasks}
    )
    text = {
        "model_type": "bart",
        "vocab_size": len(tokenizer),
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 512,
        # Wide weights: with narrow ones every picture would give the same words.
        "init_std": 0.6,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "decoder_start_token_id": 2,
    }
    vision = {
        "depths": [1, 1, 1, 1],
        "embed_dim": [8, 8, 16, 32],
        "num_heads": [1, 1, 2, 2],
        "num_groups": [1, 1, 2, 2],
        "window_size": 4,
        "projection_dim": 32,
        "initializer_range": 0.4,
    }
    config = transformers.Florence2Config(
        text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id
    )
    model = transformers.Florence2ForConditionalGeneration(config)
    places = tuple(f"<loc_{i}>" for i in range(0, 1000, 7))
    model.generation_config = GenerationConfig(
        suppress_tokens=_speak_only(tokenizer, _LETTERS, (*places, "</s>")),
        # Random weights would go on until they are cut, and every token costs a test time.
        exponential_decay_length_penalty=(120, 2.0),
        decoder_start_token_id=2,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    _save(folder, model, processor)


def blip(folder: Path) -> None:
    """BLIP captioning."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
    vocab = {token: i for i, token in enumerate([*specials, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)])}
    tokenizer = transformers.BertTokenizer(vocab=vocab, bos_token="[DEC]")
    processor = transformers.BlipProcessor(transformers.BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = shape | {
        "vocab_size": len(vocab),
        "encoder_hidden_size": 32,
        "max_position_embeddings": 64,
        "bos_token_id": 5,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
        "initializer_range": 0.6,
    }
    vision = shape | {"image_size": 32, "patch_size": 16, "initializer_range": 0.6}
    config = transformers.BlipConfig(text_config=text, vision_config=vision, projection_dim=32)
    model = transformers.BlipForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=_speak_only(tokenizer, _LETTERS, ("[SEP]",)), bos_token_id=5, eos_token_id=3, pad_token_id=0
    )
    _save(folder, model, processor)


def xclip(folder: Path) -> None:
    """X-CLIP with clips of 8 pictures."""
    tokenizer = _clip_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "eos_token_id": len(tokenizer) - 1,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "mit_hidden_size": 16,
        "mit_intermediate_size": 16,
        "mit_num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
        "num_frames": 8,
    }
    config = transformers.XCLIPConfig(
        text_config=text, vision_config=vision, projection_dim=16, prompt_layers=1, prompt_num_attention_heads=2
    )
    image_processor = transformers.VideoMAEImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    _save(folder, transformers.XCLIPModel(config), transformers.XCLIPProcessor(image_processor, tokenizer))


def videomae(folder: Path) -> None:
    """A VideoMAE classifier of 16 pictures and three actions, with the processor file of 2022."""
    config = transformers.VideoMAEConfig(
        image_size=32,
        patch_size=16,
        num_frames=16,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        decoder_hidden_size=16,
        decoder_intermediate_size=16,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        id2label={0: "archery", 1: "juggling balls", 2: "yoga"},
        label2id={"archery": 0, "juggling balls": 1, "yoga": 2},
        initializer_range=0.6,
    )
    transformers.VideoMAEForVideoClassification(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        '{"do_center_crop": true, "do_normalize": true, "do_resize": true,'
        ' "feature_extractor_type": "VideoMAEFeatureExtractor", "image_mean": [0.485, 0.456, 0.406],'
        ' "image_std": [0.229, 0.224, 0.225], "resample": 2, "size": 32, "crop_size": 32}'
    )


def _dual_shape(vocab_size: int, length: int) -> tuple[dict[str, Any], dict[str, Any]]:
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = shape | {"vocab_size": vocab_size, "max_position_embeddings": length}
    return text, shape | {"image_size": 32, "patch_size": 16}


def siglip(folder: Path) -> None:
    """SigLIP 2 of fixed resolution, whose model type is `siglip`."""
    tokenizer = transformers.T5Tokenizer(vocab=_pieces(), extra_ids=0, model_max_length=64)
    text, vision = _dual_shape(len(tokenizer), 64)
    config = transformers.SiglipConfig(text_config=text | {"projection_size": 32}, vision_config=vision)
    image_processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    _save(folder, transformers.SiglipModel(config), transformers.SiglipProcessor(image_processor, tokenizer))


def clip(folder: Path) -> None:
    """CLIP."""
    tokenizer = _clip_tokenizer()
    text, vision = _dual_shape(len(tokenizer), 32)
    config = transformers.CLIPConfig(
        text_config=text | {"eos_token_id": len(tokenizer) - 1}, vision_config=vision, projection_dim=16
    )
    image_processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    _save(folder, transformers.CLIPModel(config), transformers.CLIPProcessor(image_processor, tokenizer))


def t5(folder: Path) -> None:
    """T5 that writes letters and spaces."""
    tokenizer = transformers.T5Tokenizer(vocab=_pieces(), extra_ids=0, model_max_length=512)
    first: dict[str, Any] = {"decoder_start_token_id": 0}  # taken, though not among the declared arguments
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, **first
    )
    model = transformers.T5ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=_speak_only(tokenizer, _LETTERS + "\u2581", ("</s>",)),
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    _save(folder, model, tokenizer)


def diarization(folder: Path) -> None:
    """Nemotron 3 Diarization with three voices, in chunks of a second and a bit."""
    audio = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.Nemotron3DiarizationConfig(
        audio_config=audio | {"num_mel_bins": 16},
        head_config={"hidden_size": 16, "num_speakers": 3, "audio_hidden_size": 32},
        streaming_config={"num_speakers": 3, "speaker_cache_length": 24, "fifo_length": 8},
        chunk_length=16,
        chunk_right_context=4,
        fifo_length=6,
        speaker_cache_update_period=10,
    )
    model = transformers.AutoModelForAudioFrameClassification.from_config(config)
    # Random weights are never sure; so that voices come and go, what they say is made louder.
    model.classifier.out_proj.weight.data *= 40
    extractor = transformers.NemotronAsrStreamingFeatureExtractor(feature_size=16)
    _save(folder, model, transformers.Nemotron3DiarizationProcessor(extractor))


MAKERS: dict[str, Callable[[Path], None]] = {
    maker.__name__: maker for maker in (florence, blip, xclip, videomae, siglip, clip, t5, talking_smolvlm, diarization)
}


def _save(folder: Path, model: Any, processor: Any) -> None:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


class TinyCheckpoints:
    """Makes each checkpoint when it is first asked for: `tiny("florence")` is its folder, as text."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, architecture: str) -> str:
        folder = self.root / f"tiny-{architecture}"
        if not folder.exists():
            folder.mkdir()
            with torch.random.fork_rng():
                torch.manual_seed(20230510)
                MAKERS[architecture](folder)
        return str(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyCheckpoints:
    """Folders of tiny checkpoints by architecture."""
    return TinyCheckpoints(tmp_path_factory.mktemp("checkpoints"))
