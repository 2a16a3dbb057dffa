"""Scene text: what is written on things in the picture, read by Florence-2, which also captions it."""

from __future__ import annotations

from typing import ClassVar

from videochat.records import Kind
from videochat.tools.dense_captions import DenseCaptioner


class SceneTextReader(DenseCaptioner):
    """Florence-2 as a reader of signs, labels and shirts, which stand askew: each piece of text with its box.

    Where captions are made by the same checkpoint it costs no second load or encoding. `ocr` reads what is laid
    over a picture more surely, says how sure it is, and follows lines over time; presets with a GPU have both.
    """

    name: ClassVar[str] = "scene_text"
    kind: ClassVar[Kind] = "ocr"
    sees: ClassVar[str] = "text on things in the picture, each piece with its place"
    task: ClassVar[str] = "<OCR_WITH_REGION>"
