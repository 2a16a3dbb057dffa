"""What a model may give to a tool."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from videochat.agent import tool_schemas
from videochat.agent.tool_schemas import (
    DESCRIPTIONS,
    SCHEMAS,
    FramesInput,
    LookInput,
    ReadInput,
    SearchInput,
    WatchClipInput,
)


@pytest.mark.parametrize("tool", SCHEMAS)
def test_every_tool_and_argument_is_described(tool: str) -> None:
    schema = SCHEMAS[tool]
    assert DESCRIPTIONS[tool].format(senses="ocr").endswith(".")
    for name, argument in schema.model_json_schema()["properties"].items():
        assert argument.get("description"), name
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        schema.model_validate({"start": 0, "end": 1, "query": "q", "question": "q", "colour": "red"})


@pytest.mark.parametrize(
    ("schema", "arguments", "words"),
    [
        (ReadInput, {"start": -1, "end": 3}, "greater than or equal to 0"),
        (ReadInput, {"start": float("nan"), "end": 3}, "finite"),
        (ReadInput, {"end": 3}, "Field required"),
        (SearchInput, {"query": "x" * 2001}, "at most 2000"),
        (SearchInput, {"query": "x", "kinds": ["smell"]}, "'action'"),
        (LookInput, {"start": 0, "end": 1, "rate": 61}, "less than or equal to 60"),
        (FramesInput, {"start": 0, "end": 1, "n": tool_schemas.MOST_PICTURES + 1}, "less than or equal to 16"),
        (WatchClipInput, {"start": 0, "end": 1, "question": ""}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(schema: type[BaseModel], arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        schema.model_validate(arguments)
