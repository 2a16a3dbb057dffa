"""What all senses with a model have in common: finding it, naming it, and where it runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

from videochat.devices import Batcher, Device, choose_device, config_of, free_memory
from videochat.errors import MissingDependency
from videochat.hub import Weights, find_weights, identity, known
from videochat.media import Video
from videochat.tools.base import PerceptionTool


class ModelTool(PerceptionTool):
    """A sense whose model is a transformers checkpoint.

    Args:
        model: hub id, or the folder of a checkpoint.
        batch_size: pictures (or clips) at once; None for what suits the device. Halved when memory runs out.
        device: device and floats; None for the best there is.
    """

    accepts: ClassVar[tuple[str, ...]]
    """The `model_type`s of config.json that it can use."""
    batch_on_gpu: ClassVar[int] = 8

    def __init__(
        self,
        model: Weights | str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        self.weights: Weights = known(model)
        self.source = f"{self.name}:{identity(self.weights)}"
        self.batch_size = batch_size
        self._device = device
        self._folder: Path | None = None
        self._batcher: Batcher | None = None

    def prepare(self) -> None:
        """Find the checkpoint and see that it is one this sense can use; nothing is loaded.

        Raises:
            MissingDependency: it is not on this machine, or is of another architecture.
        """
        if self._folder is not None:
            return
        folder = find_weights(self.weights, needed_by=f"The sense {self.name!r}")
        config = config_of(folder)
        if config.get("model_type") not in self.accepts:
            raise MissingDependency(
                f"The sense {self.name!r} cannot use {self.weights.model}: it is of type {config.get('model_type')!r}, "
                f"and this sense takes {', '.join(self.accepts)}. Give another model as model=."
            )
        self.fit(config)
        # What `at_rate` has added stays.
        rest = self.source.removeprefix(f"{self.name}:{identity(self.weights)}")
        self.source = f"{self.name}:{identity(self.weights, folder)}{rest}"
        self._folder = folder

    def fit(self, config: dict[str, Any]) -> None:
        """Adapt to the checkpoint's config.json, e.g. to how many pictures it wants at once."""

    def settings(self) -> str:
        """Return what besides the model decides the captions."""
        return str(self.needs)

    def version(self, video: Video) -> str:
        """Return model and settings; when either changes, the video is watched anew."""
        return f"{self.source} {self.settings()}"

    @property
    def folder(self) -> Path:
        """Where the checkpoint lies."""
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
            self._batcher = Batcher(self.batch_size or self.device.usual_batch(self.batch_on_gpu), self.device)
        return self._batcher

    def forget(self) -> None:
        """Let go of the model; subclasses drop what they hold."""

    def close(self) -> None:
        """Free the model, unless another sense uses it too."""
        self.forget()
        free_memory()
