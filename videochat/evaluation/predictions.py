"""Predictions: what contenders answered, in a file that is appended line by line and survives what ends the run."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from videochat.errors import InvalidArgument, first_line
from videochat.intervals import Interval
from videochat.records import Usage


@dataclass(frozen=True)
class Prediction:
    """What one contender answered to one item."""

    contender: str
    item: str
    text: str = ""
    """As the model said it, its citations written as times."""
    status: str = ""
    """`Answer.status`."""
    cited: tuple[Interval, ...] = ()
    """Intervals of seconds that it cites, best first."""
    invented: int = 0
    """Times and captions that it cites and was never given."""
    problem: str = ""
    """Why there is no answer; such a line is asked again by the next run."""
    usage: Usage = field(default_factory=Usage)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"usage": self.usage.as_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Prediction:
        """Make a prediction from `as_dict()`."""
        cited = tuple((float(start), float(end)) for start, end in data.get("cited", ()))
        plain = {name: data[name] for name in ("text", "status", "invented", "problem") if name in data}
        return cls(str(data["contender"]), str(data["item"]), cited=cited, usage=Usage(**data["usage"]), **plain)


@dataclass
class Results:
    """What a results file holds."""

    path: Path
    runs: list[dict[str, Any]] = field(default_factory=list)
    """What was known of each run that wrote it: benchmark, settings, commit, machine, models."""
    predictions: dict[tuple[str, str], Prediction] = field(default_factory=dict)
    """The last one of each (contender, item)."""
    broken: int = 0
    """Lines that could not be read."""
    _file: IO[str] | None = field(default=None, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read a results file; a line that broke off is left out.

        Raises:
            InvalidArgument: it cannot be read, or is none.
        """
        results = cls(path)
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise InvalidArgument(f"The results {str(path)!r} cannot be read: {first_line(error)}") from error
        for line in filter(None, lines):
            try:
                data = json.loads(line)
                if "run" in data:
                    results.runs.append(data["run"])
                else:
                    prediction = Prediction.from_dict(data["prediction"])
                    results.predictions[prediction.contender, prediction.item] = prediction
            except (ValueError, KeyError, TypeError):
                results.broken += 1
        if lines and not results.runs:
            raise InvalidArgument(f"{str(path)!r} holds no results of `videochat evaluate`; give another --out.")
        return results

    @classmethod
    @contextmanager
    def appending(cls, path: Path, run: Mapping[str, Any], same: Sequence[str]) -> Iterator[Results]:
        """Open a results file to go on with it, or make it; nobody else may write it meanwhile.

        Args:
            path: the file.
            run: what is known of this run.
            same: names in `run` that must be as in the runs before.

        Raises:
            InvalidArgument: another run writes it now, or it holds results of something else.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
            lock.acquire()
        except Timeout as error:
            raise InvalidArgument(
                f"Another run is writing {str(path)!r} now; wait for its end, or give this one another --out."
            ) from error
        except OSError as error:
            raise InvalidArgument(f"The results {str(path)!r} cannot be written: {first_line(error)}") from error
        try:
            results = cls.read(path) if path.exists() else cls(path)
            for name in same:
                if results.runs and results.runs[0].get(name) != run[name]:
                    raise InvalidArgument(
                        f"{str(path)!r} holds results with {name} {results.runs[0].get(name)!r}, and this run has "
                        f"{run[name]!r}; give it another --out."
                    )
            _end_last_line(path)
            with path.open("a", encoding="utf-8") as results._file:
                results._write({"run": dict(run)})
                results.runs.append(dict(run))
                yield results
        finally:
            results_file = lock.lock_file
            lock.release()
            Path(results_file).unlink(missing_ok=True)

    def add(self, prediction: Prediction) -> None:
        """Write a prediction; from then on it is kept, whatever happens to the process."""
        with self._guard:
            self._write({"prediction": prediction.as_dict()})
            self.predictions[prediction.contender, prediction.item] = prediction

    def _write(self, data: Mapping[str, Any]) -> None:
        assert self._file is not None  # noqa: S101 - only `appending` leads here
        self._file.write(json.dumps(data, ensure_ascii=False) + "\n")
        self._file.flush()

    def has(self, contender: str, item: str) -> bool:
        """Whether an item was answered; one that failed was not."""
        found = self.predictions.get((contender, item))
        return found is not None and not found.problem


def _end_last_line(path: Path) -> None:
    """Take away what a killed run wrote of its last line."""
    if not path.exists() or not (size := path.stat().st_size):
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read(size).rfind(b"\n") + 1)
