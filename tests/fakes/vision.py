"""What a chat model is asked about a stretch of a video, read back from the request that its server gets."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class AskedStretch:
    """A request to describe a stretch."""

    start: float
    end: float
    pictures: list[tuple[float, np.ndarray]]
    """(the second that is stated, the picture decoded from its JPEG)."""
    instruction: str
    correction: str | None
    """What it is told about its first reply."""


def asked_stretch(request: dict[str, Any]) -> AskedStretch:
    """Read a chat completions request."""
    system, user, *more = request["messages"]
    assert system["role"] == "system"
    texts = [block["text"] for block in user["content"] if block["type"] == "text"]
    found = re.search(r"from ([\d.]+) to ([\d.]+) seconds", texts[0])
    assert found is not None
    pictures, stated = [], None
    for block in user["content"]:
        if block["type"] == "text":
            at = re.match(r"At ([\d.]+) seconds:", block["text"])
            stated = float(at[1]) if at else None
        else:
            head, _, data = block["image_url"]["url"].partition(",")
            assert head == "data:image/jpeg;base64"
            assert stated is not None, "each picture follows its time"
            pictures.append((stated, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))))
            stated = None
    correction = more[-1]["content"] if more else None
    return AskedStretch(float(found[1]), float(found[2]), pictures, system["content"], correction)
