"""Everything that can go wrong, as sentences for the person who will read them.

    VideoChatError              what this package raises on purpose
    ├── MediaError              the file is missing, empty, not a video, broken, unreachable
    ├── UnknownName             a preset, tool, kind or LLM that does not exist (also a ValueError)
    ├── InvalidArgument         an empty question, a range or a number that is none (also a ValueError)
    ├── MissingDependency       an optional package or model weights that must be fetched first
    ├── CheckpointError         weights that are not those expected (videochat.embed_model)
    ├── PromptError             a prompt without a place for the video (videochat.embed_model; also a ValueError)
    ├── DataError               annotations from which nothing can be learned (videochat.embed_model)
    ├── TrainingError           a training run that cannot go on (videochat.embed_model)
    ├── StoreError              the caption store cannot be opened, written or mixed
    │   └── StoreInUse          another process owns the directory
    └── LLMError                the language model cannot be made or did not answer

Every message says what was given, what was expected or found, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Real
from typing import TYPE_CHECKING, cast

from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)


_LONGEST_SHOWN = 200


class VideoChatError(Exception):
    """Base of all errors raised on purpose by this package."""


class MediaError(VideoChatError):
    """A file or address that cannot be read as video or sound."""


class UnknownName(VideoChatError, ValueError):
    """A name that is not among the known ones; the message lists those.

    Args:
        what: what the name is of, such as `preset`.
        given: the name.
        known: the names that there are.
    """

    def __init__(self, what: str, given: object, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(str(given), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = repr(given if len(str(given)) <= _LONGEST_SHOWN else f"{str(given)[:_LONGEST_SHOWN]} ...")
        super().__init__(f"There is no {what} {shown}; the known ones are {', '.join(names)}.{hint}")


class InvalidArgument(VideoChatError, ValueError):
    """A question, a range of time or another argument that cannot be worked on."""


class MissingDependency(VideoChatError):
    """An optional package or model weights that are not on this machine."""


class StoreError(VideoChatError):
    """A caption store that cannot be opened, written, or mixed with another embedder."""


class StoreInUse(StoreError):
    """A store directory that another process owns; the message names the owner."""


class LLMError(VideoChatError):
    """A language model that cannot be made or did not answer."""


_LARGEST = 1e300  # of the endless integers that JSON may hold, floats hold no more


def check_number(name: str, value: object, *, above: float | None = None) -> None:
    """Hold an argument to a number.

    Args:
        name: of the argument, for the message.
        value: what was given.
        above: what it must be greater than; None for any number.

    Raises:
        InvalidArgument: it is none, or too small.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and isinstance(value, int) and abs(value) > _LARGEST:
        value, is_number = "a number beyond all measure", False
    if not is_number or (above is not None and not cast("float", value) > above):
        wanted = "a number" if above is None else f"a number above {above:g}"
        raise InvalidArgument(f"{name} must be {wanted}, got {value!r}.")


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or the name of its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip()
