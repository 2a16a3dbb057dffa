"""Dockerfile and compose file name extras, commands, ports and versions that exist. No daemon is needed."""

import re
import tomllib
from pathlib import Path

import yaml  # type: ignore[import-untyped]  # it publishes no types

from videochat.cli import make_parser

ROOT = Path(__file__).parents[1]


def test_the_image_installs_extras_that_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = re.findall(r"'\.\[([\w,]+)\]'", (ROOT / "Dockerfile").read_text())
    assert set(wanted.split(",")) <= set(extras)


def test_the_services_fit_the_command_line_and_the_pins() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    options = make_parser().parse_args(services["videochat"]["command"].split())
    assert options.memory == "http://chroma:8000"
    assert services["videochat"]["ports"] == [f"127.0.0.1:{options.port}:{options.port}"]
    pinned = re.search(r"^chromadb==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert services["chroma"]["image"] == f"chromadb/chroma:{pinned[1]}"
    told = re.search(r"exec -e RAY_ADDRESS=auto ray videochat (.*)", (ROOT / "compose.yaml").read_text())
    assert told is not None
    fleet = make_parser().parse_args(told[1].split())
    assert (fleet.on, fleet.memory, fleet.video) == ("ray", options.memory, ["/videos"])
    assert services["worker"]["command"] == f"--address=ray:{services['ray']['command'].split('=')[1]}"
    listed = make_parser().format_help()
    assert all(name in listed for name in services["videochat"]["environment"])
