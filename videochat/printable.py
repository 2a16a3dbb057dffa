"""Text for a terminal or a file that is shown on one: control and direction signs in it are written, not sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

_CODES = [*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x061C, 0x200E, 0x200F]
_CODES += [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_WRITTEN = {code: f"\\u{code:04x}" for code in _CODES}
# Tags that nobody sees spell words to whoever reads codes; in JSON they are two halves each.
_WRITTEN |= {code: f"\\udb40\\u{0xDC00 + code - 0xE0000:04x}" for code in range(0xE0000, 0xE0080)}


def printable(text: str) -> str:
    r"""Return a text in which each control, escape and direction sign stands as `\u001b`; JSON stays JSON."""
    return text.translate(_WRITTEN)


class PrintableStream:
    """A stream of text on which nothing arrives that steers a terminal.

    Args:
        stream: where it goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def steering(self) -> TextIO:
        """The stream below, for what is ours and may steer the terminal, such as a bar of progress."""
        return self._stream

    def write(self, text: str) -> int:
        """Write a text, made printable."""
        return self._stream.write(printable(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, made printable."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def steering(stream: TextIO) -> TextIO:
    """Return the stream on which a program may steer the terminal; nothing from a video is written there."""
    return stream.steering if isinstance(stream, PrintableStream) else stream
