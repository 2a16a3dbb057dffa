"""Records hold themselves to what they promise when they are made."""

from __future__ import annotations

import json
import math
import pickle
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from videochat.errors import UnknownName
from videochat.records import KINDS, Answer, Caption, Citation, Step, Usage, check_kind


def caption(**changes: Any) -> Caption:
    fields: dict[str, Any] = {
        "video_id": "v1",
        "start_seconds": 1.0,
        "end_seconds": 2.5,
        "kind": "speech",
        "text": "Hello there",
        "source": "test",
    }
    return Caption(**(fields | changes))


def refused(words: str, error: type[Exception] = ValueError) -> AbstractContextManager[Any]:
    return pytest.raises(error, match=words)


GOOD = nullcontext()


@pytest.mark.parametrize(
    ("changes", "expectation"),
    [
        ({}, GOOD),
        ({"start_seconds": 0.0, "end_seconds": 0.001}, GOOD),
        ({"start_seconds": 0, "end_seconds": 36_000}, GOOD),
        ({"score": 0.0}, GOOD),
        ({"score": 1}, GOOD),
        ({"box": (0, 0, 1, 1)}, GOOD),
        ({"box": [10, 20, 30, 40]}, GOOD),
        ({"start_seconds": -0.1}, refused("0 <= start_seconds < end_seconds")),
        ({"end_seconds": 1.0}, refused("start_seconds < end_seconds")),
        ({"end_seconds": 0.5}, refused("start_seconds < end_seconds")),
        ({"end_seconds": math.inf}, refused("start_seconds < end_seconds")),
        ({"start_seconds": math.nan}, refused("start_seconds < end_seconds")),
        ({"kind": "smell"}, refused("no kind 'smell'", UnknownName)),
        ({"text": ""}, refused("needs text")),
        ({"text": " \n"}, refused("needs text")),
        ({"video_id": ""}, refused("id of its video")),
        ({"score": 1.01}, refused(r"score must be in \[0, 1\], got 1.01")),
        ({"score": math.nan}, refused("score must be in")),
        ({"box": (5, 0, 5, 9)}, refused("box must be")),
        ({"box": (-1, 0, 5, 9)}, refused("box must be")),
        ({"box": (0, 9, 5, 2)}, refused("box must be")),
        ({"text": "half \ud800"}, refused("text of a caption holds half a character")),
        ({"attributes": {"scale": "30s", "lightness": 0.5, "continues": True}}, GOOD),
        ({"attributes": {"spans": [1, 2]}}, refused("attributes must map names to str, int, float or bool")),
        ({"attributes": {1: "a"}}, refused("attributes must map names")),
    ],
)
def test_caption_checks_itself(changes: dict[str, Any], expectation: AbstractContextManager[Any]) -> None:
    with expectation:
        caption(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"video_id": "v2"},
        {"start_seconds": 1.001},
        {"end_seconds": 2.501},
        {"kind": "ocr"},
        {"text": "Hello"},
        {"source": "other"},
        {"box": (0, 0, 4, 4)},
        {"track_id": 0},
    ],
)
def test_another_content_is_another_id(changes: dict[str, Any]) -> None:
    assert caption(**changes).id != caption().id


@pytest.mark.parametrize("changes", [{}, {"score": 0.3}, {"start_seconds": 1.0000001}, {"language": "en"}])
def test_the_same_content_is_the_same_id(changes: dict[str, Any]) -> None:
    assert caption(**changes).id == caption().id
    assert len(caption().id) == 32


def test_equal_captions_have_equal_ids() -> None:
    whole, broken = caption(box=(1, 2, 3, 4)), caption(box=(1.0, 2, 3.0, 4), start_seconds=1)
    assert whole == broken
    assert whole.id == broken.id
    assert Caption.from_dict(whole.as_dict()).id == broken.id


def test_caption_survives_json() -> None:
    full = caption(score=0.5, box=(1, 2, 3, 4), track_id=7, language="en")
    data = full.as_dict()
    assert data["box"] == [1, 2, 3, 4]
    assert data["id"] == full.id
    assert Caption.from_dict(data | {"from_a_later_version": 1}) == full
    assert Caption.from_dict(data).id == full.id


@pytest.mark.parametrize(
    ("start", "end", "shares"),
    [(0, 1, False), (0, 1.01, True), (2.5, 3, False), (2.49, 3, True), (1.2, 1.3, True), (0, 9, True)],
)
def test_overlap_is_half_open(start: float, end: float, shares: bool) -> None:
    assert caption().overlaps(start, end) is shares


def test_caption_prints_its_time_kind_and_text() -> None:
    assert str(caption()) == "[00:01-00:03] speech: Hello there"
    assert str(caption(box=(1.4, 2, 3, 4))) == "[00:01-00:03] speech: Hello there [1, 2, 3, 4]"


def test_unknown_kind_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'speech'") as caught:
        check_kind("speach")
    assert all(kind in str(caught.value) for kind in KINDS)


def test_answer_needs_a_citation_unless_nothing_was_found() -> None:
    citation = Citation(caption())
    assert Answer("Hello", [citation], "grounded").citations == [citation]
    assert Answer("The video does not show this.").status == "not_found"
    for status in ("grounded", "partly"):
        with pytest.raises(ValueError, match="at least one citation"):
            Answer("Hello", [], status)
    with pytest.raises(UnknownName, match="no status 'sure'"):
        Answer("Hello", [citation], "sure")  # type: ignore[arg-type]  # the refusal is what is tested


def test_answer_reads_well_and_turns_into_data() -> None:
    answer = Answer("She greets [00:01-00:03].", [Citation(caption())], "grounded", notes=["A note"])
    assert str(answer) == ("She greets [00:01-00:03].\n  [00:01-00:03] speech: Hello there\n  (A note)")
    data = answer.as_dict()
    assert data["status"] == "grounded"
    assert {"start_seconds": 1.0, "end_seconds": 2.5, "kind": "speech"}.items() <= data["citations"][0].items()


def test_answer_as_html_escapes_text_and_shows_the_picture() -> None:
    told = Citation(replace(caption(), text="<script>"), thumbnail=lambda: b"jpeg")
    page = Answer("a < b", [told], "grounded", notes=["<i>"])._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &lt; b" in page
    assert "data:image/jpeg;base64,anBlZw==" in page


def test_attributes_are_part_of_the_content_and_survive_json() -> None:
    plain, dark = caption(), caption(attributes={"light": "dark", "lightness": 0.1})
    assert plain.id != dark.id != caption(attributes={"light": "dark", "lightness": 0.2}).id
    assert dark.id == caption(attributes={"lightness": 0.1, "light": "dark"}).id
    assert dark.as_dict()["attributes"] == {"light": "dark", "lightness": 0.1}
    assert "attributes" not in plain.as_dict()
    assert Caption.from_dict(json.loads(json.dumps(dark.as_dict()))) == dark
    assert len({plain, dark, caption()}) == 2


def test_ids_of_captions_without_attributes_are_what_they_were() -> None:
    assert Caption("v", 0, 1, "ocr", "x", "s").id == "46e1e1fed6e1a1c75d4501ff5e6145f2"


def test_steps_and_usage_are_data() -> None:
    step = Step("read", {"start": 1}, 0.2, 3)
    assert step.as_dict() == {"tool": "read", "args": {"start": 1}, "seconds": 0.2, "captions": 3}
    assert Usage(1.5, 2, 1).as_dict() == {"seconds": 1.5, "model_calls": 2, "tool_calls": 1}
    answer = Answer("no", steps=[step], usage=Usage(1.5, 2, 1, 10, 20))
    assert answer.as_dict()["steps"] == [step.as_dict()]
    assert answer.as_dict()["usage"]["input_tokens"] == 10


def test_the_old_form_of_steps_and_usage_warns() -> None:
    with pytest.warns(DeprecationWarning, match=r"Usage\['seconds'\] is now \.seconds"):
        assert Usage(1.5)["seconds"] == 1.5
    with pytest.warns(DeprecationWarning, match="is now .tool"):
        assert Step("read")["tool"] == "read"
    assert "error" not in Step("read")
    with pytest.raises(KeyError):
        Step("read")["nothing"]


def test_an_answer_travels_to_another_process_without_its_pictures() -> None:
    answer = Answer("Yes.", [Citation(caption(), thumbnail=lambda: b"jpeg")], "grounded", [Step("read")], Usage(0.5))
    copy = pickle.loads(pickle.dumps(answer))
    assert copy == answer
    assert copy.citations[0].thumbnail is None


def test_an_answer_as_html_keeps_its_lines_and_says_its_status() -> None:
    shown = Answer("One <line>.\nAnother.")._repr_html_()
    assert "One &lt;line&gt;.<br>Another." in shown
    assert "Not found" in shown
