"""Text that steers no terminal."""

from __future__ import annotations

import io
import json

import pytest

from videochat.printable import PrintableStream, printable, steering


@pytest.mark.parametrize(
    "sign",
    ["\x1b]0;owned\x07", "\x9b31m", "\x7f", "\u202emilk", "\u2066", "\x00", "milk\rvideochat: all is well", "\x07"],
)
def test_control_and_direction_signs_are_written(sign: str) -> None:
    out = io.StringIO()
    PrintableStream(out).write(f"milk {sign} é 牛奶\n\ttab")
    assert out.getvalue().endswith(" é 牛奶\n\ttab".replace("\\", ""))
    assert not any(
        ord(c) < 9 or ord(c) == 13 or 0x7F <= ord(c) < 0xA0 or ord(c) in (0x1B, 0x202E, 0x2066) for c in out.getvalue()
    )


def test_json_stays_json_and_the_stream_is_what_it_was() -> None:
    text = json.dumps("\x9b\u202e é", ensure_ascii=False)
    assert json.loads(printable(text)) == "\x9b\u202e é"
    assert not PrintableStream(io.StringIO()).isatty()


def test_lines_are_made_printable_too_and_what_is_ours_may_steer() -> None:
    out = io.StringIO()
    stream = PrintableStream(out)
    stream.writelines(["\x1b[2J", "milk"])
    assert out.getvalue() == "\\u001b[2Jmilk"
    assert steering(stream) is out  # type: ignore[arg-type]  # a stream by what it can do
    assert steering(out) is out
