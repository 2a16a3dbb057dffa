"""Word embeddings are the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

from videochat.memory import WordEmbeddings


def test_word_embeddings_are_the_same_everywhere() -> None:
    program = "from videochat.memory import WordEmbeddings; print(WordEmbeddings(16).embed_query('Pour the milk'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{WordEmbeddings(16).embed_query('Pour the milk')}\n"}
