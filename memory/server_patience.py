"""ServerPatience: a Chroma server that is away for a minute is waited for, and nothing that is to be written is lost.

What is read, written or deleted twice there is read, written or deleted once, so every call may be repeated.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")
PATIENCE_SECONDS = 300.0
"""How long a server is waited for."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0


class ServerPatience:
    """Repeats calls to a server that does not answer, for threads that wait.

    A watch that waits takes nothing from its senses, their queues fill, and decoding stands still: captions wait in
    memory, and memory does not grow.

    Args:
        name: address of the server, for the message.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting = threading.local()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let this thread wait for the server."""
        before = getattr(self._waiting, "on", False)
        self._waiting.on = True
        try:
            yield
        finally:
            self._waiting.on = before

    def ask(self, do: Callable[[], _T]) -> _T:
        """Call something, again where the server was away, and return what it returns.

        Args:
            do: asks the server.

        Raises:
            Exception: as `do`; of a server that is away, after `PATIENCE_SECONDS`, or at once where nobody waits.
        """
        until, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return do()
            except Exception as error:
                if not getattr(self._waiting, "on", False) or not is_away(error) or time.monotonic() > until:
                    raise
                if pause == _FIRST_PAUSE_SECONDS:
                    warnings.warn(
                        f"The Chroma server at {self._name} does not answer; captions wait for it, up to "
                        f"{PATIENCE_SECONDS / 60:.0f} minutes.",
                        UserWarning,
                        stacklevel=4,
                    )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def is_away(error: Exception) -> bool:
    """Whether an error says that a server cannot be reached, and not that it refused."""
    import httpx  # which chromadb asks servers by

    return isinstance(error, httpx.TransportError)
