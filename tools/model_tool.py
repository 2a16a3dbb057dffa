"""What all users of a model share: finding it, its device and batch size, its memory, loading and freeing it."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from videochat.batches import Batcher
from videochat.devices import BUDGET, Device, choose_device, config_of, free_memory
from videochat.errors import MissingDependency
from videochat.hub import Weights, find_weights, identity, known, memory_of
from videochat.media import Video
from videochat.tools.base import PerceptionTool

_Model = TypeVar("_Model")


class UsesModel(ABC, Generic[_Model]):
    """Finds the weights of one model, loads them at first use, counts their memory, and frees them.

    A subclass names what it is and implements `load_model`.

    Args:
        model: hub id, or the folder of a checkpoint.
        batch_size: items (pictures, clips, texts) at once; None for what suits the device. Halved when memory runs
            out.
        device: device and floats; None for the best there is.
    """

    name: ClassVar[str]
    """Who needs the model, in messages."""
    accepts: ClassVar[tuple[str, ...]] = ()
    """The `model_type`s of config.json that it can use; empty where `find` checks otherwise."""
    batch_on_gpu: ClassVar[int] = 8
    """Usual batch on a GPU."""
    batch_on_cpu: ClassVar[int] = 1
    """Usual batch on a CPU."""

    def __init__(
        self,
        model: Weights | str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        self.weights: Weights = known(model)
        self.identity = identity(self.weights)
        """Model and revision; exact once `prepare` has found the weights."""
        self.batch_size = batch_size
        self._device = device
        self._folder: Path | None = None
        self._batcher: Batcher | None = None
        self._model: _Model | None = None

    @abstractmethod
    def load_model(self, folder: Path, device: Device) -> _Model:
        """Load the model.

        Args:
            folder: where it lies, as `find` returned it.
            device: device and floats.

        Raises:
            MissingDependency: it cannot be loaded.
        """

    def find(self) -> Path:
        """Return the folder (or file) of the weights; nothing is loaded.

        Raises:
            MissingDependency: they are not on this machine, or are of another architecture.
        """
        folder = find_weights(self.weights, needed_by=f"The sense {self.name!r}")
        if self.accepts:
            config = config_of(folder)
            if config.get("model_type") not in self.accepts:
                raise MissingDependency(
                    f"The sense {self.name!r} cannot use {self.weights.model}: it is of type "
                    f"{config.get('model_type')!r}, and this sense takes {', '.join(self.accepts)}. Give another model "
                    "as model=."
                )
            self.fit(config)
        return folder

    def fit(self, config: dict[str, Any]) -> None:
        """Adapt to the checkpoint's config.json, e.g. to how many pictures it wants at once."""

    def prepare(self) -> None:
        """Find the weights, without loading them.

        Raises:
            MissingDependency: they are not on this machine, or are of another architecture.
        """
        if self._folder is None:
            folder = self.find()
            self.identity = identity(self.weights, folder)
            self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the weights lie; found at first use."""
        self.prepare()
        assert self._folder is not None  # noqa: S101 - prepare() has set it or raised
        return self._folder

    @property
    def device(self) -> Device:
        """Where the model runs."""
        self._device = choose_device(self._device)
        return self._device

    @property
    def batcher(self) -> Batcher:
        """Runs batches; it remembers what fitted into memory."""
        if self._batcher is None:
            usual = self.device.usual_batch(self.batch_on_gpu, self.batch_on_cpu)
            self._batcher = Batcher(self.batch_size or usual, self.device)
        return self._batcher

    def memory_bytes(self) -> int:
        """Estimate what the model takes once loaded, in bytes on its own device."""
        return memory_of(self.weights, self.device.dtype.itemsize)

    def loaded(self) -> _Model:
        """Return the model, loading it at first use; its memory is then claimed from `devices.BUDGET`.

        Raises:
            MissingDependency: it is not on this machine, or cannot be loaded.
        """
        if self._model is None:
            self._model = self.load_model(self.folder, self.device)
        # Every time: a copy made by `at_rate` shares the model and must keep the claim alive.
        BUDGET.claim(self.weights, self.memory_bytes(), self)
        return self._model

    def close(self) -> None:
        """Free the model, unless another user of it holds it too; the next use loads it again."""
        self._model = None
        BUDGET.release(self)
        free_memory()


class ModelTool(UsesModel[_Model], PerceptionTool):
    """A perception tool whose model is a transformers checkpoint; see `UsesModel` for its arguments."""

    weights: Weights

    def usual_source(self) -> str:
        """Return the name of the tool, and the model with its revision."""
        return f"{self.name}:{self.identity}"

    def settings(self) -> str:
        """Return what besides the model decides the captions."""
        return str(self.needs)

    def version(self, video: Video) -> str:
        """Return model and settings; when either changes, the video is watched anew."""
        return f"{self.source} {self.settings()}"
