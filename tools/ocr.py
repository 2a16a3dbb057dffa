"""Text on the screen: what can be read, where it stands, and from when to when."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from videochat.devices import loading
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.text_regions import Mosaic, Region, joined, padded, stroke_regions

# A line needs this to appear, and half as much certainty to stay: stylised letters flicker around the limit.
_MIN_SCORE = 0.8
_MIN_SCORE_TO_STAY = 0.5
_MIN_SIGNS = 3
# Lines in about the same place are one line read twice if they are alike; surely read ones nearly to the letter,
# or "Chapter one" would go on as "Chapter two". Figures must always agree.
_SURE = 0.9
_ALIKE_IF_SURE = 0.9
_ALIKE = 0.6
# A line that lies so much within another, and shares so much of its letters in one piece, is that one read again.
_WITHIN, _PIECE = 0.8, 0.7
# Text that stays gets a caption at least this often, so that a logo does not hold everything back.
_MAX_OPEN_SECONDS = 60.0
# What may be text is read again when any of the picture's 16 x 16 fields that it lies in changed by more than this
# much of 255.
_FIELDS = 16
_FIELD_CHANGE = 5.0
# Letters that are too large for the test for strokes are found in a smaller picture, at an eighth of the work.
_LARGE_TEXT_SCALE = 0.35
# A mosaic of more than this share of the picture saves little.
_MOST_OF_PICTURE = 0.5
# In less than so many pixels no letter can be told.
_SMALLEST_SIDE = 8

# A title so high, as a share of the picture, may be two lines; how sure a reading of it must be to be left alone, how
# much surer two must be, and where they may meet.
_TITLE_HEIGHT, _SURE_OF_TITLE, _BETTER_AS_TWO, _CUTS_OF_TITLE = 0.15, 0.97, 0.03, (0.45, 0.5, 0.55)


class TextReader(PerceptionTool):
    """RapidOCR (PP-OCR, its models ship in its wheel) on one picture a second.

    It reads only where there are strokes like those of letters, and where the picture has changed. Lines below 0.8
    confidence or with fewer than three letters and digits are noise and left out.
    """

    name: ClassVar[str] = "ocr"
    kind: ClassVar[Kind] = "ocr"
    sees: ClassVar[str] = "text on the screen and on things, to the second"

    def __init__(self, every_seconds: float = 1.0) -> None:
        self.needs: Needs = Sampling(every_seconds=every_seconds, max_side=1280)
        self._engine: Any = None

    def usual_source(self) -> str:
        """Return the name of the reader."""
        return "rapidocr"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for lines that appear and disappear together, top line first.

        Raises:
            MissingDependency: RapidOCR cannot be loaded.
        """
        open_lines: list[_Line] = []
        read_fields: np.ndarray | None = None
        settled, last_end = start_seconds, start_seconds
        for frame in stream:
            gray = _gray(frame.image)
            fields = _fields(gray)
            due = frame.seconds - settled >= _MAX_OPEN_SECONDS
            if due or read_fields is None:
                read_fields = np.full_like(fields, np.inf)
            changed = np.abs(fields - read_fields) > _FIELD_CHANGE
            if changed.any():
                read_fields = np.where(changed, fields, read_fields)
                unchanged = [line for line in open_lines if not line.changed(changed, video)]
                lines = unchanged + self._read(frame, gray, changed, video)
                gone = open_lines if due else [line for line in open_lines if not line.is_among(lines)]
                yield from self._captions(gone, video, frame.seconds)
                stay = [] if due else [line for line in open_lines if line not in gone]
                fresh = [line for line in lines if line.score >= _MIN_SCORE and not line.is_among(stay)]
                fresh = [line for line in fresh if not any(line.is_part_of(other) for other in stay)]
                open_lines = stay + fresh
                if due or (gone and not stay):
                    settled = frame.seconds
                    yield Settled(settled)
            last_end = max(frame.end_seconds, frame.seconds + 0.001)
        yield from self._captions(open_lines, video, last_end)
        yield Settled(end_seconds)

    def _read(self, frame: Frame, gray: np.ndarray, changed: np.ndarray, video: Video) -> list[_Line]:
        """Return the lines where the picture has changed; `changed` is bool, shape (_FIELDS, _FIELDS)."""
        height, width = gray.shape
        if min(height, width) < _SMALLEST_SIDE:
            return []
        most = _MOST_OF_PICTURE * width * height
        regions = joined([r for r in stroke_regions(gray) if _any_in(changed, r, (width, height))])
        if sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in regions) < most:
            large = [r for r in self._large_text(frame.image) if _any_in(changed, r, (width, height))]
            regions = joined(regions + large)
            if not regions:
                return []
        mosaic = Mosaic(frame.image, regions)
        if mosaic.image[..., 0].size > most:
            mosaic = Mosaic(frame.image, [(0, 0, width, height)])
        result = self._load()(_bgr(mosaic.image), use_det=True, use_cls=True, use_rec=True)
        if result.txts is None or result.boxes is None:
            return []
        full_width, full_height = video.size or (0, 0)
        scale = full_width / width
        lines = []
        read = zip(result.txts, result.scores, result.boxes, strict=True)
        for text, score, corners in (part for line in read for part in self._two_lines(mosaic.image, *line, height)):
            if score < _MIN_SCORE_TO_STAY or sum(sign.isalnum() for sign in text) < _MIN_SIGNS:
                continue
            xs, ys = (mosaic.in_picture(corners) * scale).T
            x1, x2 = (float(round(v)) for v in np.clip([xs.min(), xs.max()], 0, full_width))
            y1, y2 = (float(round(v)) for v in np.clip([ys.min(), ys.max()], 0, full_height))
            if x1 < x2 and y1 < y2:
                lines.append(_Line(frame.seconds, text.strip(), min(float(score), 1.0), (x1, y1, x2, y2)))
        return lines

    def _two_lines(
        self, image: np.ndarray, text: str, score: float, corners: np.ndarray, height: int
    ) -> list[tuple[str, float, np.ndarray]]:
        """Return a line as it was read, or as two where it reads better so: of large titles, lines touch each other.

        Args:
            image: what was read.
            text: what the line says.
            score: how sure that is, in [0, 1].
            corners: of the line in `image`, shape (4, 2).
            height: of the picture.
        """
        (x1, y1), (x2, y2) = np.maximum(corners.min(axis=0), 0), corners.max(axis=0)
        best = [(text, score, corners)]
        if y2 - y1 < _TITLE_HEIGHT * height or score >= _SURE_OF_TITLE:
            return best
        least = score + _BETTER_AS_TWO
        for share in _CUTS_OF_TITLE:
            middle = y1 + share * (y2 - y1)
            halves = [np.array([(x1, a), (x2, a), (x2, b), (x1, b)]) for a, b in ((y1, middle), (middle, y2))]
            strips = [image[int(h[0, 1]) : math.ceil(h[2, 1]), int(x1) : math.ceil(x2)] for h in halves]
            results = [self._load()(_bgr(s), use_det=False, use_cls=False, use_rec=True) for s in strips]
            read = [(str(r.txts[0]), float(r.scores[0]), h) for r, h in zip(results, halves, strict=True) if r.txts]
            worst = min(line[1] for line in read) if len(read) == len(halves) else 0.0
            if worst > least and all(sum(map(str.isalnum, line[0])) >= _MIN_SIGNS for line in read):
                best, least = read, worst
        return best

    def _large_text(self, image: np.ndarray) -> list[Region]:
        import cv2

        height, width = image.shape[:2]
        scale = _LARGE_TEXT_SCALE
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        # The reader keeps these settings for its next call.
        found = self._load()(_bgr(small), use_det=True, use_cls=False, use_rec=False)
        regions = []
        for corners in () if found.boxes is None else found.boxes:
            x1, y1, x2, y2 = (round(v / scale) for v in (*corners.min(axis=0), *corners.max(axis=0)))
            regions.append(padded((x1, y1, x2, y2), (y2 - y1) // 2, (y2 - y1) // 2, width, height))
        return regions

    def _captions(self, lines: list[_Line], video: Video, end_seconds: float) -> Iterator[Caption]:
        for start in sorted({line.start_seconds for line in lines}):
            block = sorted((line for line in lines if line.start_seconds == start), key=_Line.reading_order)
            boxes = np.array([line.box for line in block])
            yield Caption(
                video.id,
                start,
                end_seconds,
                self.kind,
                " / ".join(line.text for line in block),
                self.source,
                score=min(line.score for line in block),
                box=(*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist()),
            )

    def _load(self) -> Any:
        if self._engine is None:
            # It warns of every picture without text, which here is the usual case.
            quiet = {"Global.log_level": "critical"}
            # Its default enlarges every picture to 736 pixels on the shorter side, for four times the work.
            as_given = {"Det.limit_type": "max", "Det.limit_side_len": 1280}
            # Its default fills every line up to 320 pixels; most of what may be text, and is none, is short.
            short_lines = {"Rec.rec_img_shape": [3, 48, 128]}
            with loading("The text reader RapidOCR"):
                from rapidocr import RapidOCR

                engine = RapidOCR(params=quiet | as_given | short_lines)
            _give_sessions(engine)
            self._engine = engine
            logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
        return self._engine

    def close(self) -> None:
        """Free the models."""
        self._engine = None


def _give_sessions(engine: Any) -> None:
    """Give RapidOCR sessions of onnxruntime whose threads sleep while they wait, on a GPU where onnxruntime has one.

    By default the threads of each of its three models turn in a loop between two calls, which are many and small:
    twice the work, and longer, since the models and the decoder take the cores from each other.
    """
    with loading("The text reader RapidOCR"):
        import onnxruntime
        from omegaconf import flag_override

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        known = onnxruntime.get_available_providers()
        providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in known]
        for task in ("Det", "Cls", "Rec"):
            files = list(Path(engine.cfg.Global.model_root_dir).glob(f"*_{task.lower()}_*.onnx"))
            # Several: models of other languages were fetched, and RapidOCR knows which one it wants.
            if len(files) == 1:
                with flag_override(engine.cfg, "allow_objects", True):
                    engine.cfg[task].session = onnxruntime.InferenceSession(str(files[0]), options, providers=providers)


@dataclass
class _Line:
    """A line of text, as it was read first."""

    start_seconds: float
    text: str
    score: float
    box: tuple[float, float, float, float]

    def changed(self, fields: np.ndarray, video: Video) -> bool:
        """Whether the picture has changed where it stands."""
        return _any_in(fields, self.box, video.size or (1, 1))

    def is_among(self, others: list[_Line]) -> bool:
        return any(self._same(other) for other in others)

    def is_part_of(self, other: _Line) -> bool:
        """Whether it lies within another line and reads as a piece of it: a line is sometimes found again in part."""
        x1, y1, x2, y2 = self.box
        u1, v1, u2, v2 = other.box
        shared = max(min(x2, u2) - max(x1, u1), 0) * max(min(y2, v2) - max(y1, v1), 0)
        if shared < _WITHIN * (x2 - x1) * (y2 - y1):
            return False
        mine, whole = _letters(self.text), _letters(other.text)
        common = SequenceMatcher(None, mine, whole, autojunk=False).find_longest_match().size
        return common >= _PIECE * len(mine)

    def _same(self, other: _Line) -> bool:
        x1, y1, x2, y2 = self.box
        u1, v1, u2, v2 = other.box
        if min(y2, v2) <= max(y1, v1) or min(x2, u2) <= max(x1, u1):
            return False
        if _figures(self.text) != _figures(other.text):
            return False
        needed = _ALIKE_IF_SURE if min(self.score, other.score) >= _SURE else _ALIKE
        return SequenceMatcher(None, self.text.casefold(), other.text.casefold()).ratio() >= needed

    def reading_order(self) -> tuple[float, float]:
        return self.box[1], self.box[0]


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _figures(text: str) -> list[str]:
    return [sign for sign in text if sign.isdigit()]


def _bgr(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, :, ::-1])


def _gray(image: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _fields(gray: np.ndarray) -> np.ndarray:
    """Return the mean lightness of each of `_FIELDS` x `_FIELDS` fields, shape (_FIELDS, _FIELDS)."""
    import cv2

    return cv2.resize(gray, (_FIELDS, _FIELDS), interpolation=cv2.INTER_AREA).astype(np.float32)


def _any_in(fields: np.ndarray, box: Sequence[float], size: tuple[int, int]) -> bool:
    """Whether any of the fields is true that a box (x1, y1, x2, y2) in a picture of (width, height) touches."""
    x1, y1, x2, y2 = box
    columns = slice(int(x1 / size[0] * _FIELDS), math.ceil(x2 / size[0] * _FIELDS))
    rows = slice(int(y1 / size[1] * _FIELDS), math.ceil(y2 / size[1] * _FIELDS))
    return bool(fields[rows, columns].any())
