"""A tiny random sentence-transformers model, saved as its repositories are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers


def sentence_transformer(folder: Path) -> None:
    """Write a BERT of 16 numbers a word, with mean pooling."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer  # type: ignore[import-not-found]  # made on import

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"##{word}" for word in words[5:]]
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    bert = folder / "bert"
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **shape)).save_pretrained(bert)
    transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(bert)
    transformer = Transformer(str(bert))
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save(str(folder / "model"))
