"""What may be asked of the store: the checks of queries, counts and kinds."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from videochat.errors import InvalidArgument, UnknownName
from videochat.memory.ranking import SEARCH_BY
from videochat.records import Kind, check_kind

_OLD_WAYS = {"both": "hybrid", "words": "lexical", "likeness": "dense"}


def check_query(query: str) -> str:
    """Return a query as text that any index can take.

    Raises:
        InvalidArgument: it is empty.
    """
    query = query.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    if not query.strip():
        raise InvalidArgument("The query is empty; give the words to look for.")
    return query


def check_k(k: int) -> None:
    """Hold the number of results to at least 1.

    Raises:
        InvalidArgument: it is less, or no whole number.
    """
    if not isinstance(k, int) or k < 1:
        raise InvalidArgument(f"A search needs k of at least 1, got {k!r}.")


def check_by(by: str) -> str:
    """Return the way to search; names of the previous release (`words`, `likeness`, `both`) still work, and warn.

    Raises:
        UnknownName: there is no such way.
    """
    if by in _OLD_WAYS:
        now = _OLD_WAYS[by]
        warnings.warn(
            f"by={by!r} is now by={now!r}; the old name goes with the next release.", DeprecationWarning, stacklevel=3
        )
        return now
    if by not in SEARCH_BY:
        raise UnknownName("way to search", by, SEARCH_BY)
    return by


def check_kinds(kinds: Iterable[str] | None) -> list[Kind] | None:
    """Return kinds of captions as a list; one alone may be given as text, None stands for all but `DERIVED_KINDS`.

    Raises:
        UnknownName: one is none of `KINDS`.
    """
    if kinds is None:
        return None
    return [check_kind(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
