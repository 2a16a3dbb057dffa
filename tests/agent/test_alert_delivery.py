"""Alerts go where they were told to go, and a failure is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from videochat.agent.alert_delivery import Teller
from videochat.agent.alerts import Alert
from videochat.errors import InvalidArgument, MediaError
from videochat.records import Caption

ALERT = Alert(
    "a person enters",
    "tcp://camera:1",
    "confirmed",
    "",
    Caption("v" * 32, 1, 2, "objects", "$(rm -rf /) person", "x"),
    0.0,
)


def test_a_program_gets_it_on_its_input(tmp_path: Path) -> None:
    said: list[str] = []
    target = tmp_path / "got.json"
    script = tmp_path / "take it.py"
    script.write_text("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())")
    teller = Teller(f"command:{sys.executable} '{script}' {target}", said.append)
    teller(ALERT)
    teller.close()
    assert json.loads(target.read_text())["citation"]["text"] == "$(rm -rf /) person"
    assert (teller.failed, said) == (0, [])


def test_a_program_that_fails_is_said() -> None:
    said: list[str] = []
    teller = Teller("command:/no/such/program", said.append)
    teller(ALERT)
    teller.close()
    assert teller.failed == 1
    assert said[0].startswith("An alert could not be told: ")


@pytest.mark.parametrize("on", ["", "mail", "command:", "webhook:", "command:'open", "log:x"])
def test_other_ways_are_refused(on: str) -> None:
    with pytest.raises(InvalidArgument, match="--on takes|cannot be read"):
        Teller(on, print)
    with pytest.raises(MediaError, match="no http"):
        Teller("webhook:file:///etc/passwd", print)
