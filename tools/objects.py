"""Objects: what stands where, followed over time so that each thing is told and counted once."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from videochat.devices import Batcher, Device, choose_device, chunks, free_memory, load_model, load_processor
from videochat.errors import InvalidArgument, MissingDependency
from videochat.frames import Frame, Sampling
from videochat.home import home
from videochat.hub import Weights, find_weights, identity, known
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.tracking import Sighting, Track, Tracker

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from videochat.tools.langchain_tool import Memory

DEFAULT_DETECTOR = "ustc-community/dfine-small-obj2coco"
DEFAULT_FINDER = "IDEA-Research/grounding-dino-tiny"

# A sighting this unsure keeps a thing that was there already, but starts none.
_MIN_SCORE_TO_STAY = 0.15
# A thing seen in one picture only is noise, unless the detector is this sure.
_SURE = 0.6
_LOST_SECONDS = 2.0
# Things that stay are told piece by piece, under one number, so that a lecturer does not hold everything back.
_MAX_OPEN_SECONDS = 60.0
# Where nothing is in sight a mark may be set; more often than this is only work for the store.
_MIN_STEP_SECONDS = 10.0
_MAX_SIDE = 960
_BATCH_ON_GPU = 8


class Detector(Protocol):
    """What finds things in pictures."""

    batch_size: int
    """How many pictures it wants at once."""

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        """Return what is in each picture, boxes in its own pixels.

        Args:
            images: uint8 RGB, each of shape (height, width, 3).
            min_score: leave out what is less sure than this.
        """
        ...


class ObjectDetector(PerceptionTool):
    """Finds and follows things: D-FINE or RT-DETRv2 through transformers, or YOLO through ultralytics.

    One caption a thing, from when it is first to when it is last seen; a thing that stays over a minute is told
    in pieces with one `track_id`, so distinct numbers count things. The box and score are those of its surest
    sighting in the piece. A thing out of sight for more than two seconds comes back under a new number.

    Args:
        model: hub id or folder of a transformers detector, or the path of an ultralytics `.pt` file, which needs
            `pip install 'videochat[yolo]'`. Such a file is a pickle; it is loaded so that only the classes of
            ultralytics and torch come to life.
        every_seconds: step of the pictures looked at.
        min_score: how sure a first sighting must be, in [0, 1].
        labels: report only these, as the model calls them; None for all it knows.
        device: where to run; None for the best there is.
    """

    name: ClassVar[str] = "objects"
    kind: ClassVar[Kind] = "objects"
    sees: ClassVar[str] = "people and things with their places, each followed and numbered"
    weights: Weights

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_DETECTOR,
        *,
        every_seconds: float = 0.5,
        min_score: float = 0.4,
        labels: Collection[str] | None = None,
        device: str | Device | None = None,
    ) -> None:
        if not 0 < min_score <= 1:
            raise InvalidArgument(f"min_score must be above 0 and at most 1, got {min_score!r}")
        self.weights = known(os.fspath(model))
        self.min_score, self.device = min_score, device
        self.labels = None if labels is None else frozenset(labels)
        self.needs: Needs = Sampling(every_seconds=every_seconds, max_side=_MAX_SIDE)
        self.source = self._named(None)
        self._detector: Detector | None = None

    @property
    def every_seconds(self) -> float:
        """Step of the pictures looked at."""
        assert isinstance(self.needs, Sampling)  # noqa: S101 - for the type checker
        return self.needs.every_seconds or 0.0

    def _named(self, folder: Path | None) -> str:
        only = "" if self.labels is None else f", only {', '.join(sorted(self.labels))}"
        return f"{identity(self.weights, folder)} every {self.every_seconds:g} s from {self.min_score:g}{only}"

    def prepare(self) -> None:
        """Find the weights, and ultralytics where they are its own.

        Raises:
            MissingDependency: one of them is not on this machine.
        """
        self.source = self._named(self._find())

    def _find(self) -> Path:
        if not self.weights.model.endswith(".pt"):
            return find_weights(self.weights, needed_by=f"The sense {self.name!r}")
        path = Path(self.weights.model).expanduser()
        if not path.is_file():
            # ultralytics itself would fetch a model of that name, into whatever folder the user stands in.
            raise MissingDependency(
                f"The sense {self.name!r} needs the file {self.weights.model!r}, but there is none. Check the path; "
                "models of ultralytics are not fetched by name, download the file yourself."
            )
        if find_spec("ultralytics") is None:
            raise MissingDependency(
                f"The sense {self.name!r} needs ultralytics for {path.name!r}, which is not installed. Run "
                "`pip install 'videochat[yolo]'` (its licence is AGPL-3.0), or use a model of transformers."
            )
        return path

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each thing, or for each minute of it.

        Raises:
            MissingDependency: the model is not on this machine, or is none.
        """
        detector = self._load()
        lowest = min(self.min_score, _MIN_SCORE_TO_STAY)
        tracker = Tracker(self.every_seconds, self.min_score, _LOST_SECONDS, self._notes(video, start_seconds))
        teller = _Teller(tracker, video, self.source)
        settled = start_seconds
        for frame, sightings in _look(detector, stream, video, lowest):
            yield from teller.tell_lost(frame.seconds)
            open_seconds = frame.seconds - settled
            if open_seconds >= _MAX_OPEN_SECONDS or (not tracker.tracks and open_seconds >= _MIN_STEP_SECONDS):
                yield from teller.tell_all()
                settled = frame.seconds
                self._keep_notes(video, settled, tracker)
                yield Settled(settled)
            teller.add(frame, [s for s in sightings if self.labels is None or s.label in self.labels])
        yield from teller.tell_all()
        yield Settled(end_seconds)

    def _notes_file(self, video: Video, seconds: float) -> Path:
        digest = hashlib.blake2b(self.source.encode(), digest_size=8).hexdigest()
        return home() / "tracks" / video.id / f"{digest}-{round(seconds * 1000)}.json"

    def _notes(self, video: Video, seconds: float) -> str:
        """Return what was being followed at a mark, so that a resumed watch keeps the numbers."""
        try:
            return self._notes_file(video, seconds).read_text()
        except OSError:
            return "[]"

    def _keep_notes(self, video: Video, seconds: float, tracker: Tracker) -> None:
        file = self._notes_file(video, seconds)
        # Without notes a resumed watch counts some things twice, which is no reason to see nothing at all.
        with contextlib.suppress(OSError):
            if not tracker.tracks:
                file.unlink(missing_ok=True)
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")
            part.write_text(tracker.notes())
            part.replace(file)

    def _load(self) -> Detector:
        if self._detector is None:
            path = self._find()
            self._detector = _Yolo(path, self.device) if path.suffix == ".pt" else _Detr(path, self.device)
        return self._detector

    def close(self) -> None:
        """Free the model."""
        self._detector = None
        free_memory()


class ObjectFinder:
    """Finds what is described in words, on demand: Grounding DINO through transformers.

    Args:
        model: hub id or folder of a zero-shot detector.
        every_seconds: step of the pictures looked at.
        min_score: how sure a first sighting must be, in [0, 1].
        device: where to run; None for the best there is.
    """

    name: ClassVar[str] = "find_objects"

    def __init__(
        self,
        model: str | os.PathLike[str] = DEFAULT_FINDER,
        *,
        every_seconds: float = 1.0,
        min_score: float = 0.35,
        device: str | Device | None = None,
    ) -> None:
        self.weights = known(os.fspath(model))
        self.every_seconds, self.min_score, self.device = every_seconds, min_score, device
        self._detector: _ZeroShot | None = None

    def find_objects(
        self,
        video: Video,
        what: str,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        *,
        fps: float | None = None,
    ) -> list[Caption]:
        """Return one caption for each thing that fits `what`, in temporal order.

        Args:
            video: where to look.
            what: a thing in words, such as "a red car".
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.
            fps: pictures a second; None for the usual rate.

        Raises:
            InvalidArgument: `what` is empty, the range holds nothing, or the rate is none.
            MediaError: there are no pictures.
            MissingDependency: the model is not on this machine, or is none.
        """
        what = " ".join(what.split())
        if not what:
            raise InvalidArgument("find_objects needs a thing in words, such as 'a red car', and got an empty text.")
        every_seconds = 1 / fps if fps else self.every_seconds
        frames = video.frames(every_seconds, start_seconds, end_seconds, max_side=_MAX_SIDE)
        folder = find_weights(self.weights, needed_by=f"The sense {self.name!r}")
        if self._detector is None:
            self._detector = _ZeroShot(folder, self.device)
        self._detector.what = what
        tracker = Tracker(every_seconds, self.min_score, _LOST_SECONDS)
        source = f"{identity(self.weights, folder)} every {every_seconds:g} s from {self.min_score:g}"
        teller = _Teller(tracker, video, source)
        found: list[Caption] = []
        for frame, sightings in _look(self._detector, frames, video, min(self.min_score, _MIN_SCORE_TO_STAY)):
            found += teller.tell_lost(frame.seconds)
            teller.add(frame, sightings)
        found += teller.tell_all()
        return sorted(found, key=lambda caption: (caption.start_seconds, caption.track_id))

    def as_langchain_tool(self, video: Video, memory: Memory) -> BaseTool:
        """Return a LangChain tool that searches a range of `video`; see `PerceptionTool.as_langchain_tool`."""
        from videochat.tools.langchain_tool import ThingInput, tool_of

        lock = threading.Lock()

        def find(**arguments: Any) -> list[Caption]:
            # Tool calls of one turn come in parallel threads; the detector holds the words of one.
            with lock:
                found = self.find_objects(video, **arguments)
            memory.add(found)
            return found

        return tool_of(
            find,
            video,
            name=self.name,
            description="Search a stretch of the video for a thing in words and say when and where it is. Use it for "
            "things that the stored captions do not name. It is slow: keep the stretch short.",
            schema=ThingInput,
        )

    def close(self) -> None:
        """Free the model; the next search loads it again."""
        self._detector = None
        free_memory()


@dataclass
class _Piece:
    """One thing from when it was first seen, or last told."""

    track: Track
    start_seconds: float
    end_seconds: float
    best: Sighting


class _Teller:
    """Turns sightings into captions."""

    def __init__(self, tracker: Tracker, video: Video, source: str) -> None:
        self.tracker, self.video, self.source = tracker, video, source
        self.pieces: dict[int, _Piece] = {}

    def add(self, frame: Frame, sightings: list[Sighting]) -> None:
        end = max(frame.end_seconds, frame.seconds + 0.001)
        for track, sighting in self.tracker.update(frame.seconds, sightings):
            piece = self.pieces.setdefault(track.track_id, _Piece(track, frame.seconds, end, sighting))
            piece.end_seconds = end
            if sighting.score > piece.best.score:
                piece.best = sighting

    def tell_lost(self, seconds: float) -> Iterator[Caption]:
        for track in self.tracker.drop_lost(seconds):
            # It may not have been seen since it was last told.
            if piece := self.pieces.pop(track.track_id, None):
                yield from self._tell(piece)

    def tell_all(self) -> Iterator[Caption]:
        for piece in self.pieces.values():
            yield from self._tell(piece)
        self.pieces = {}

    def _tell(self, piece: _Piece) -> Iterator[Caption]:
        if piece.track.sightings > 1 or piece.best.score >= _SURE:
            yield Caption(
                self.video.id,
                piece.start_seconds,
                piece.end_seconds,
                "objects",
                piece.best.label,
                self.source,
                score=round(min(piece.best.score, 1.0), 3),
                box=piece.best.box,
                track_id=piece.track.track_id,
            )


class _Yolo:
    """An ultralytics model."""

    def __init__(self, path: Path, device: str | Device | None) -> None:
        ultralytics = _ultralytics()
        try:
            self._model = ultralytics.YOLO(str(path), verbose=False)
            knows = self._model.task
        except Exception as error:
            # A pickle that is none of theirs fails in as many ways as there are pickles.
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            raise MissingDependency(f"{str(path)!r} cannot be loaded as an ultralytics model ({reason}).") from error
        if knows not in ("detect", "segment", "pose"):
            raise MissingDependency(
                f"{str(path)!r} is an ultralytics model for {knows!r}; objects needs one for 'detect'."
            )
        self._device = choose_device(device)
        self.batch_size = self._device.usual_batch(_BATCH_ON_GPU)
        self._batcher = Batcher(self.batch_size, self._device)

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        return self._batcher(lambda batch: self._detect(batch, min_score), images)

    def _detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        results = self._model.predict(
            [np.ascontiguousarray(image[:, :, ::-1]) for image in images],
            conf=min_score,
            device=self._device.name,
            quantize=16 if self._device.is_cuda else None,
            verbose=False,
        )
        return [
            _sightings(r.boxes.xyxy.tolist(), r.boxes.conf.tolist(), [r.names[int(c)] for c in r.boxes.cls.tolist()])
            for r in results
        ]


class _Transformer:
    """A detector of the transformers library."""

    auto_class: ClassVar[str]
    auto_processor: ClassVar[str]

    def __init__(self, folder: Path, device: str | Device | None) -> None:
        import torch

        # Half a percent of the picture is what bfloat16 knows of a place. So only what autocast chooses runs in 16.
        best = choose_device(device)
        self._half = torch.float16 if best.is_cuda else best.dtype
        self._device = Device(best.name, torch.float32)
        self._processor = load_processor(self.auto_processor, folder)
        self._model = load_model(self.auto_class, folder, self._device)
        if self._half != torch.float32:
            for layer in self._model.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.to(self._half)  # once, and not by autocast at every picture
        self.batch_size = self._device.usual_batch(_BATCH_ON_GPU)
        self._batcher = Batcher(self.batch_size, self._device)

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        return self._batcher(lambda batch: self._detect(batch, min_score), images)

    def _detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        import torch

        inputs = self._processor(images=list(images), return_tensors="pt", **self._words(len(images)))
        inputs = inputs.to(self._device.name)
        kind = torch.device(self._device.name).type
        with torch.inference_mode(), torch.autocast(kind, self._half, enabled=self._half != torch.float32):
            outputs = self._model(**inputs)
        sizes = [image.shape[:2] for image in images]  # (height, width)
        return [
            _sightings(result["boxes"].tolist(), result["scores"].tolist(), self._labels(result))
            for result in self._read(outputs, inputs, min_score, sizes)
        ]

    def _words(self, count: int) -> dict[str, Any]:
        return {}

    def _read(self, outputs: Any, inputs: Any, min_score: float, sizes: list[tuple[int, int]]) -> Any:
        raise AssertionError("each detector reads its own output")

    def _labels(self, result: dict[str, Any]) -> list[str]:
        raise AssertionError("each detector names what it finds")


class _Detr(_Transformer):
    """D-FINE, RT-DETRv2 and their like, with the labels they were trained on."""

    auto_class = "AutoModelForObjectDetection"
    auto_processor = "AutoImageProcessor"

    def _read(self, outputs: Any, inputs: Any, min_score: float, sizes: list[tuple[int, int]]) -> Any:
        return self._processor.post_process_object_detection(outputs, threshold=min_score, target_sizes=sizes)

    def _labels(self, result: dict[str, Any]) -> list[str]:
        names = self._model.config.id2label
        return [names[label] for label in result["labels"].tolist()]


class _ZeroShot(_Transformer):
    """Grounding DINO and its like: one thing in words."""

    auto_class = "AutoModelForZeroShotObjectDetection"
    auto_processor = "AutoProcessor"
    what = ""

    def _words(self, count: int) -> dict[str, Any]:
        return {"text": [[self.what.lower().rstrip(".")]] * count, "padding": True}

    def _read(self, outputs: Any, inputs: Any, min_score: float, sizes: list[tuple[int, int]]) -> Any:
        return self._processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=min_score, text_threshold=min_score, target_sizes=sizes
        )

    def _labels(self, result: dict[str, Any]) -> list[str]:
        # The model repeats only those words of the description that it is sure of.
        return [self.what] * len(result["scores"])


def _look(
    detector: Detector, stream: Iterable[Frame], video: Video, min_score: float
) -> Iterator[tuple[Frame, list[Sighting]]]:
    """Yield each picture with what is in it, boxes in source pixels."""
    for frames in chunks(stream, detector.batch_size):
        found = detector.detect([frame.image for frame in frames], min_score)
        for frame, sightings in zip(frames, found, strict=True):
            yield frame, _in_source_pixels(sightings, frame, video)


def _sightings(boxes: Iterable[list[float]], scores: Iterable[float], labels: Iterable[str]) -> list[Sighting]:
    return [
        Sighting(label, float(score), (box[0], box[1], box[2], box[3]))
        for box, score, label in zip(boxes, scores, labels, strict=True)
    ]


def _in_source_pixels(sightings: list[Sighting], frame: Frame, video: Video) -> list[Sighting]:
    """Scale boxes from the sampled picture to the source, to whole pixels inside it; drop what has no area."""
    height, width, _ = frame.image.shape
    full_width, full_height = video.size or (width, height)
    result = []
    for sighting in sightings:
        x1, x2 = (float(round(min(max(x / width, 0), 1) * full_width)) for x in sighting.box[::2])
        y1, y2 = (float(round(min(max(y / height, 0), 1) * full_height)) for y in sighting.box[1::2])
        if x1 < x2 and y1 < y2:
            result.append(Sighting(sighting.label, sighting.score, (x1, y1, x2, y2)))
    return result


def _ultralytics() -> Any:
    """Import ultralytics with its run-time installs, telemetry and settings in other people's folders shut off."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = home() / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
    from PIL import Image

    opening = Image.open
    import ultralytics
    from ultralytics.utils.events import events

    # It puts its own in the place of Pillow's, which meets a broken picture with an install.
    Image.open = opening
    # Whoever imported it before us may have done so with telemetry on.
    events.enabled = False
    return ultralytics
