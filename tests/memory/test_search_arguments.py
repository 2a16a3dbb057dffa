"""What cannot be asked is refused with what can."""

from __future__ import annotations

import pytest

from videochat.errors import InvalidArgument, UnknownName
from videochat.memory.search_arguments import check_by, check_k, check_kinds, check_query


@pytest.mark.parametrize("k", [0, -3, 2.5, "8", None])
def test_k_is_a_whole_number_of_at_least_one(k: object) -> None:
    with pytest.raises(InvalidArgument, match="k of at least 1, got"):
        check_k(k)  # type: ignore[arg-type]  # the refusal is what is tested
    check_k(1)


def test_kinds_may_be_one_several_or_all() -> None:
    assert check_kinds(None) is None
    assert check_kinds("ocr") == ["ocr"]
    assert check_kinds(("ocr", "speech")) == ["ocr", "speech"]
    assert check_kinds([]) == []
    with pytest.raises(UnknownName, match="Did you mean 'speech'"):
        check_kinds(["speach"])


def test_a_query_has_words_and_is_text() -> None:
    assert check_query("milk") == "milk"
    assert check_query("\ud800 milk") == "? milk"
    for empty in ("", " \n\t"):
        with pytest.raises(InvalidArgument, match="The query is empty"):
            check_query(empty)


@pytest.mark.parametrize(("old", "now"), [("both", "hybrid"), ("words", "lexical"), ("likeness", "dense")])
def test_old_ways_to_search_work_and_warn(old: str, now: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"by='{old}' is now by='{now}'"):
        assert check_by(old) == now
    assert check_by(now) == now
