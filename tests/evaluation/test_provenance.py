"""Where a result comes from."""

from __future__ import annotations

import re

from videochat.evaluation.provenance import commit, machine, provenance
from videochat.tools import make_tools


def test_code_machine_and_models_are_told() -> None:
    found = provenance(make_tools(["ocr", "shots"]), "builtin")
    assert found["models"] == {"ocr": "rapidocr", "shots": found["models"]["shots"], "text embeddings": "builtin"}
    assert found["packages"]["videochat"]
    assert re.fullmatch(r"([0-9a-f]{12}\+?)?", commit())
    assert re.search(r"\d+ cores", machine())
