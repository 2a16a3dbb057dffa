"""Where alerts go: a program, an address, or only the log; never through a shell, and nowhere else than told."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from videochat.agent.alerts import Alert
from videochat.download import Address
from videochat.errors import InvalidArgument, first_line

_MOST_WAITING = 100
_TELL_SECONDS, _COMMAND_SECONDS = 10.0, 30.0


class Teller:
    """Tells alerts to a program or an address, in the background and in order.

    Args:
        on: `log`, `command:PROGRAM ARGUMENTS`, which gets the alert as JSON on its input, or `webhook:URL`, to which it
            is posted as JSON.
        say: told what could not be told.

    Raises:
        InvalidArgument: it is none of these.
        MediaError: the address is none.
    """

    def __init__(self, on: str, say: Callable[[str], None]) -> None:
        how, _, what = on.partition(":")
        self.failed = 0
        """How often it failed."""
        self._say = say
        if how == "command" and what.strip():
            try:
                self._send: Callable[[bytes], None] = _Command(shlex.split(what))
            except ValueError as error:
                raise InvalidArgument(f"The command {what!r} cannot be read ({error}).") from error
        elif how == "webhook" and what:
            self._send = _Webhook(Address.parse(what))
        elif on == "log":
            self._send = lambda _: None
        else:
            raise InvalidArgument(f"--on takes log, command:PROGRAM ARGUMENTS or webhook:URL, got {on!r}.")
        self._pool = ThreadPoolExecutor(1, "videochat-alert")
        self._waiting = threading.Semaphore(_MOST_WAITING)

    def __call__(self, alert: Alert) -> None:
        """Tell one, soon; where a hundred wait already it is said that it was not told."""
        if not self._waiting.acquire(blocking=False):
            self._fail(f"{_MOST_WAITING} wait to be told already")
            return
        self._pool.submit(self._work, json.dumps(alert.as_dict()).encode())

    def _work(self, data: bytes) -> None:
        try:
            self._send(data)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self._fail(first_line(error))
        finally:
            self._waiting.release()

    def _fail(self, why: str) -> None:
        self.failed += 1
        self._say(f"An alert could not be told: {why}")

    def close(self) -> None:
        """Tell what waits."""
        self._pool.shutdown(wait=True)


class _Command:
    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments

    def __call__(self, data: bytes) -> None:
        # No shell: what a video says can only ever be data on its input.
        subprocess.run(self._arguments, input=data, timeout=_COMMAND_SECONDS, check=True, stdout=subprocess.DEVNULL)


class _Webhook:
    def __init__(self, address: Address) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(_NoRedirect())

    def __call__(self, data: bytes) -> None:
        request = self._address.request(data=data, headers={"Content-Type": "application/json"})
        with self._opener.open(request, timeout=_TELL_SECONDS):
            pass


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nowhere: an alert goes where it was told to."""
        return
