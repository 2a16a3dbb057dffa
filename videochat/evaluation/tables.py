"""Tables: the rows of annotation files (JSON, JSON lines, CSV, Parquet), with sentences for what cannot be read."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from videochat.errors import InvalidArgument, MissingDependency, first_line
from videochat.evaluation.items import Item, Reading

Row = Mapping[str, Any]


def find_file(folder: Path, patterns: Sequence[str], chosen: Path | None, what: str) -> Path:
    """Return the file of a benchmark: the one that was named, or the only one below a folder that fits.

    Args:
        folder: where the user keeps the benchmark.
        patterns: of file names, likeliest first; the first that fits any file decides.
        chosen: what the user named; None for nothing.
        what: the file is, for the message.

    Raises:
        InvalidArgument: there is none, or there are several.
    """
    if chosen is not None:
        return existing(chosen)
    if not folder.is_dir():
        raise InvalidArgument(f"There is no folder {str(folder)!r}; --data names the folder of the benchmark's files.")
    for pattern in patterns:
        found = sorted(folder.rglob(pattern))
        if len(found) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found[:6])
            raise InvalidArgument(f"Several files below {folder} may be {what}: {names}; name one with --questions.")
        if found:
            return found[0]
    raise InvalidArgument(
        f"Below {folder} is no {what} ({' or '.join(patterns)}); fetch it from the benchmark's publisher, or name it "
        "with --questions."
    )


def existing(path: Path) -> Path:
    """Return a file that a user named.

    Raises:
        InvalidArgument: there is none.
    """
    if not path.is_file():
        raise InvalidArgument(f"There is no file {str(path)!r}.")
    return path


def find_files(folder: Path, pattern: str, chosen: Path | None, what: str) -> list[Path]:
    """Return the file that was named, or all below a folder that fit, by name.

    Args:
        folder: where the user keeps the benchmark.
        pattern: of file names.
        chosen: what the user named; None for nothing.
        what: the files are, for the message.

    Raises:
        InvalidArgument: there is none.
    """
    if chosen is not None:
        return [existing(chosen)]
    if not folder.is_dir():
        raise InvalidArgument(f"There is no folder {str(folder)!r}; --data names the folder of the benchmark's files.")
    found = sorted(folder.rglob(pattern), key=lambda path: path.name)
    if not found:
        raise InvalidArgument(f"Below {folder} is no {what} ({pattern}); fetch it from the benchmark's publisher.")
    return found


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InvalidArgument: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"{path} cannot be read as JSON: {first_line(error)}") from error


def numbered_rows(path: Path) -> Iterator[tuple[str, Row | str]]:
    """Yield (where, row) of a table by the ending of its file; a row that is broken is the reason, as text.

    Raises:
        InvalidArgument: the file cannot be read, or is no table.
        MissingDependency: it is Parquet, and pyarrow is not installed.
    """
    ending = path.suffix.casefold()
    if ending == ".parquet":
        yield from _parquet(path)
    elif ending in (".csv", ".tsv"):
        yield from _csv(path, "\t" if ending == ".tsv" else ",")
    elif ending in (".jsonl", ".ndjson"):
        yield from _lines(path)
    else:
        data = read_json(path)
        rows = (
            list(data.values()) if isinstance(data, dict) and all(isinstance(v, dict) for v in data.values()) else data
        )
        if not isinstance(rows, list):
            raise InvalidArgument(f"{path} should hold a list of questions, and holds {type(data).__name__}.")
        for number, row in enumerate(rows, 1):
            yield f"{path.name}, entry {number}", row if isinstance(row, dict) else "it is no object"


def _lines(path: Path) -> Iterator[tuple[str, Row | str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {first_line(error)}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            yield where, f"it is no JSON ({first_line(error)})"
            continue
        yield where, row if isinstance(row, dict) else "it is no object"


def _csv(path: Path, delimiter: str) -> Iterator[tuple[str, Row | str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for row in (reader := csv.DictReader(file, delimiter=delimiter)):
                where = f"{path.name}, line {reader.line_num}"
                wrong = None in row or any(value is None for value in row.values())
                yield where, "it has another number of columns than the head" if wrong else row
    except (OSError, csv.Error) as error:
        raise InvalidArgument(f"{path} cannot be read as a table: {first_line(error)}") from error


def _parquet(path: Path) -> Iterator[tuple[str, Row | str]]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependency(
            f"{path.name} is a Parquet file, which pyarrow reads; pip install pyarrow, or give the same rows as JSON "
            "lines with --questions."
        ) from error
    try:
        rows = pyarrow.parquet.read_table(path).to_pylist()
    except Exception as error:  # pyarrow has errors of its own
        raise InvalidArgument(f"{path} cannot be read as Parquet: {first_line(error)}") from error
    for number, row in enumerate(rows, 1):
        yield f"{path.name}, row {number}", row


def read_items(rows: Iterable[tuple[str, Row | str]], make: Callable[[Row], Item | None]) -> Reading:
    """Make items of rows; each that cannot be made is a problem, and of two with one id the second is.

    Args:
        rows: as of `numbered_rows`.
        make: returns the item of a row, or None for a row that is none; a missing column may raise KeyError.

    Raises:
        InvalidArgument: no row is a question.
    """
    items: dict[str, Item] = {}
    problems: list[str] = []
    for where, row in rows:
        if isinstance(row, str):
            problems.append(f"{where}: {row}")
            continue
        try:
            item = make(row)
        except KeyError as error:
            problems.append(f"{where}: the field {error} is missing")
        except (TypeError, ValueError, AttributeError) as error:  # InvalidArgument is a ValueError
            problems.append(f"{where}: {first_line(error)}")
        else:
            if item is not None and item.id in items:
                problems.append(f"{where}: the id {item.id!r} came before")
            elif item is not None:
                items[item.id] = item
    if not items:
        raise InvalidArgument(f"There is no question to ask. {' '.join(problems[:3])}".strip())
    return Reading(list(items.values()), problems)
