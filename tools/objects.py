"""Objects: what stands where, followed over time so that each thing has one number and is counted once."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from videochat.devices import Device
from videochat.errors import InvalidArgument, MissingDependency
from videochat.frames import Frame, Sampling
from videochat.home import home
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import getter
from videochat.tools.base import Needs, PerceptionTool, Settled
from videochat.tools.detectors import Detector, DetrDetector, YoloDetector
from videochat.tools.model_tool import UsesModel
from videochat.tools.object_captions import (
    LOST_SECONDS,
    MAX_SIDE,
    MIN_SCORE_TO_STAY,
    ObjectCaptions,
    detect_in_frames,
)
from videochat.tools.tracking import Tracker

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

DEFAULT_DETECTOR = "ustc-community/dfine-small-obj2coco"

# Things that stay get a caption this often, under one number, so that a lecturer does not hold everything back.
_MAX_OPEN_SECONDS = 60.0
# Where nothing is in sight a checkpoint may be set; more often than this is only work for the store.
_MIN_STEP_SECONDS = 10.0


class ObjectDetector(UsesModel[Detector], PerceptionTool):
    """Finds and follows things: D-FINE or RT-DETRv2 through transformers, or YOLO through ultralytics.

    One caption a thing, from when it is first to when it is last seen; a thing that stays over a minute gets several
    with one `track_id`, so distinct numbers count things. The box and score are those of its surest sighting in the
    caption's time. A thing out of sight for more than two seconds comes back under a new number.
    `attributes["colour"]` is its commonest colour in the middle of its box, one of twelve names (not of people, whose
    clothes it would be); left out where none stands out. A thing that the model calls by several names has a caption
    for each under one number.

    Args:
        model: hub id or folder of a transformers detector, or the path of an ultralytics `.pt` file, which needs
            `pip install 'videochat[yolo]'`. Such a file is a pickle; it is loaded so that only the classes of
            ultralytics and torch come to life.
        every_seconds: step of the pictures looked at.
        labels: report only these, as the model calls them; None for all it knows.
        min_score: how sure a first sighting must be, in (0, 1].
        batch_size: see `UsesModel`.
        device: see `UsesModel`.

    Raises:
        InvalidArgument: `min_score` is out of range.
    """

    name: ClassVar[str] = "objects"
    kind: ClassVar[Kind] = "objects"
    sees: ClassVar[str] = "people and things with their places, each followed and numbered"
    source_tells_rate: ClassVar[bool] = True
    weights: Weights

    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = DEFAULT_DETECTOR,
        *,
        every_seconds: float = 0.5,
        labels: Collection[str] | None = None,
        min_score: float = 0.4,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        if not 0 < min_score <= 1:
            raise InvalidArgument(f"min_score must be above 0 and at most 1, got {min_score!r}")
        super().__init__(model, batch_size=batch_size, device=device)
        self.min_score = min_score
        self.labels = None if labels is None else frozenset(labels)
        self.needs: Needs = Sampling(every_seconds=every_seconds, max_side=MAX_SIDE)

    @property
    def every_seconds(self) -> float:
        """Step of the pictures looked at."""
        assert isinstance(self.needs, Sampling)  # noqa: S101 - for the type checker
        return self.needs.every_seconds or 0.0

    def usual_source(self) -> str:
        """Return model, step, least score and labels."""
        only = "" if self.labels is None else f", only {', '.join(sorted(self.labels))}"
        return f"{self.identity} every {self.every_seconds:g} s from {self.min_score:g}{only}"

    def find(self) -> Path:
        """Return where the weights lie, having seen that ultralytics is installed where they are its own.

        Raises:
            MissingDependency: one of them is not on this machine.
        """
        if not self.weights.model.endswith(".pt"):
            return super().find()
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

    def load_model(self, folder: Path, device: Device) -> Detector:
        """Load a detector of ultralytics (a `.pt` file) or transformers (a folder)."""
        return YoloDetector(folder, device) if folder.suffix == ".pt" else DetrDetector(folder, device)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each thing, or for each minute of it.

        Raises:
            MissingDependency: the model is not on this machine, or cannot be loaded.
        """
        detector = self.loaded()
        lowest = min(self.min_score, MIN_SCORE_TO_STAY)
        tracker = Tracker(self.every_seconds, self.min_score, LOST_SECONDS, self._stored_state(video, start_seconds))
        captions = ObjectCaptions(tracker, video, self.source)
        settled = start_seconds
        found = detect_in_frames(lambda images: detector.detect(images, lowest), stream, video, self.batcher)
        for frame, sightings in found:
            yield from captions.take_lost(frame.seconds)
            open_seconds = frame.seconds - settled
            if open_seconds >= _MAX_OPEN_SECONDS or (not tracker.tracks and open_seconds >= _MIN_STEP_SECONDS):
                yield from captions.take_all()
                settled = frame.seconds
                self._store_state(video, settled, tracker)
                yield Settled(settled)
            captions.add(frame, [s for s in sightings if self.labels is None or s.label in self.labels])
        yield from captions.take_all()
        yield Settled(end_seconds)

    def _state_file(self, video: Video, seconds: float) -> Path:
        digest = hashlib.blake2b(f"labels {self.source}".encode(), digest_size=8).hexdigest()
        return home() / "tracks" / video.id / f"{digest}-{round(seconds * 1000)}.json"

    def _stored_state(self, video: Video, seconds: float) -> str:
        """Return what was being followed at a checkpoint, so that a resumed watch keeps the numbers."""
        try:
            return self._state_file(video, seconds).read_text()
        except OSError:
            return "[]"

    def _store_state(self, video: Video, seconds: float, tracker: Tracker) -> None:
        file = self._state_file(video, seconds)
        # Without it a resumed watch counts some things twice, which is no reason to fail.
        with contextlib.suppress(OSError):
            if not tracker.tracks:
                file.unlink(missing_ok=True)
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(f".{os.getpid()}.part")
            part.write_text(tracker.state())
            part.replace(file)
