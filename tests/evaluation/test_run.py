"""A run: everybody is asked everything once, whatever ends it; the same table comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.conftest import QUESTIONS
from tests.fakes.knowing_model import KnowingModel
from videochat.contenders import Contender
from videochat.errors import InvalidArgument, UnknownName
from videochat.evaluation.benchmarks import BENCHMARKS
from videochat.evaluation.predictions import Results
from videochat.evaluation.report import section
from videochat.evaluation.run import Settings, benchmark_of, evaluate, load, read, shuffled
from videochat.testing import ScriptedLLM


def settings(data: Path, out: Path, model: KnowingModel, **more: Any) -> Settings:
    contenders = [Contender(model, "knowing", "retrieve"), Contender(model, "knowing", "blind")]
    usual: dict[str, Any] = {"preset": ["subtitles"], "embeddings": "builtin", "jobs": 2, "contenders": contenders}
    return Settings(BENCHMARKS["jsonl"], data, out, **(usual | more))


def shown(out: Path) -> list[Any]:
    """Return the tables of a results file without what takes another time in each run."""
    tables = section(load(out)).as_dict()["tables"]
    for table in tables:
        for row in table["rows"]:
            row.pop("seconds (median)", None)
    return tables


class Killed(Exception):
    pass


def test_everybody_is_asked_and_what_is_missing_is_named(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "out.jsonl"
    found = evaluate(settings(own, out, knowing), on_answer=lambda *now: told.append(now))
    assert told[-1] == (2 * QUESTIONS, 2 * QUESTIONS)
    assert list(found.missing) == ["three.mp4"]
    assert "There is no video 'three.mp4'" in found.missing["three.mp4"]
    assert found.problems[0].startswith("questions.jsonl, line 17: it is no JSON")
    assert len(found.results.predictions) == 2 * (QUESTIONS - 2)
    of = section(found).as_dict()
    accuracy = {row["contender"]: row for row in of["tables"][0]["rows"]}
    assert accuracy.keys() == {"retrieve:knowing", "blind:knowing"}
    assert accuracy["retrieve:knowing"]["questions"] == str(QUESTIONS - 2)
    assert of["remarks"][0] == "1 videos with 2 questions were left out:"
    asked = len(knowing.sent)
    evaluate(settings(own, out, knowing))
    assert len(knowing.sent) == asked, "nothing is asked twice"


def test_a_run_that_is_killed_again_and_again_gives_the_same_table(
    own: Path, tmp_path: Path, knowing: KnowingModel
) -> None:
    evaluate(settings(own, tmp_path / "whole.jsonl", knowing))
    out = tmp_path / "parts.jsonl"

    def stop_after(count: int) -> Any:
        def tell(done: int, total: int) -> None:
            if done >= count:
                raise Killed

        return tell

    for count in (3, 1, 9):
        with pytest.raises(Killed):
            evaluate(settings(own, out, knowing), on_answer=stop_after(count))
        with out.open("a") as file:
            file.write('{"prediction": {"contender": "retr')  # as a process that is killed while it writes
    evaluate(settings(own, out, knowing))
    assert shown(out) == shown(tmp_path / "whole.jsonl")
    results = Results.read(out)
    assert (len(results.runs), results.broken) == (4, 0)


def test_what_failed_is_asked_again(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    out = tmp_path / "out.jsonl"
    down = ScriptedLLM(*[RuntimeError("the server is down")] * 100, profile={"tool_calling": False})
    found = evaluate(settings(own, out, knowing, contenders=[Contender(down, "x", "blind")], limit=4))
    assert {p.problem for p in found.results.predictions.values()} == {"RuntimeError: the server is down"}
    remarks = section(found).remarks
    assert "blind:x failed 3 times; the next run asks again: RuntimeError: the server is down" in remarks
    found = evaluate(settings(own, out, knowing, contenders=[Contender(knowing, "x", "blind")], limit=4))
    assert {p.problem for p in found.results.predictions.values()} == {""}


def test_two_runs_into_one_file(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    out = tmp_path / "out.jsonl"
    seen: list[str] = []

    def second(done: int, total: int) -> None:
        if done == 1:
            try:
                evaluate(settings(own, out, knowing))
            except InvalidArgument as error:
                seen.append(str(error))

    evaluate(settings(own, out, knowing, limit=2), on_answer=second)
    assert seen
    assert "Another run is writing" in seen[0]
    with pytest.raises(InvalidArgument, match="holds results with shuffled None, and this run has 1"):
        evaluate(settings(own, out, knowing, shuffle=1))
    (own / "questions.jsonl").write_text((own / "questions.jsonl").read_text().replace("boiling", "boiled"))
    with pytest.raises(InvalidArgument, match="holds results with questions"):
        evaluate(settings(own, out, knowing))


def test_a_limit_takes_something_of_every_video(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    items = read(settings(own, tmp_path / "x", knowing, limit=3)).items
    assert {item.video for item in items} == {"one.mp4", "two.mp4", "three.mp4"}


def test_options_are_shuffled_alike_each_time(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    item = read(settings(own, tmp_path / "x", knowing)).items[0]
    assert item.right is not None
    orders = {shuffled(item, seed).options for seed in range(9)}
    assert len(orders) > 3
    for seed in range(9):
        other = shuffled(item, seed)
        assert other.right is not None
        assert other.options[other.right] == item.options[item.right]


def test_what_cannot_be_evaluated(own: Path, tmp_path: Path, knowing: KnowingModel) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'video-mme'"):
        benchmark_of("videomme")
    with pytest.raises(InvalidArgument, match="nobody to ask"):
        settings(own, tmp_path / "x", knowing, contenders=[])
    with pytest.raises(InvalidArgument, match="limit must be 1 or more"):
        settings(own, tmp_path / "x", knowing, limit=0)
    (tmp_path / "notes.jsonl").write_text("hello\n")
    with pytest.raises(InvalidArgument, match="holds no results"):
        evaluate(settings(own, tmp_path / "notes.jsonl", knowing))
