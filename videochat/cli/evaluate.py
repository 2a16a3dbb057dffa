"""`videochat evaluate`: the field's benchmarks, and one's own, with baselines in the same run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videochat.cli.common import (
    VIDEO_MODEL_HELP,
    Commands,
    add_command,
    add_json_option,
    add_price_options,
    add_watch_options,
    print_json,
)
from videochat.cli.progress import busy
from videochat.errors import InvalidArgument
from videochat.printable import steering

if TYPE_CHECKING:
    from videochat.contenders import Contender
    from videochat.evaluation.run import Settings
    from videochat.tools import PerceptionTool

# The parser knows them without loading what reads them; a test holds both to each other.
BENCHMARK_NAMES = (
    *("video-mme", "lvbench", "egoschema", "next-qa", "next-gqa", "mvbench", "mlvu", "cg-bench", "tvqa"),
    *("jsonl", "natural", "retrieval", "senses"),
)


def add_commands(commands: Commands) -> None:
    """Add `evaluate`."""
    evaluate = add_command(commands, "evaluate", _evaluate, "measure accuracy, grounding and cost on a benchmark")
    evaluate.add_argument("benchmark", choices=BENCHMARK_NAMES, metavar="BENCHMARK", help=", ".join(BENCHMARK_NAMES))
    evaluate.add_argument("--data", required=True, metavar="DIR", help="folder of the benchmark's files and videos")
    evaluate.add_argument("--questions", metavar="FILE", help="annotation file, where several are there or it is apart")
    evaluate.add_argument(
        "--llm",
        metavar="MODEL",
        help="PROVIDER:MODEL, or extractive for none: asked with tools, with one retrieval, blind, with subtitles "
        "alone and, if it sees, with pictures alone",
    )
    evaluate.add_argument("--video-model", metavar="DIR", help=f"{VIDEO_MODEL_HELP}; also asked alone")
    evaluate.add_argument(
        "--with",
        action="append",
        default=[],
        dest="contenders",
        metavar="CONTENDER",
        help="instead of these, who is asked, as of `videochat compare`; repeatable; differences are from the first",
    )
    evaluate.add_argument("--frames", type=int, default=16, metavar="N", help="pictures of the baseline (default: 16)")
    evaluate.add_argument("--limit", type=int, metavar="N", help="ask N questions, spread over the videos")
    evaluate.add_argument("--jobs", type=int, default=4, metavar="N", help="videos at the same time (default: 4)")
    evaluate.add_argument("--no-subtitles", action="store_true", help="read no subtitle files")
    evaluate.add_argument("--shuffle-options", type=int, metavar="SEED", help="control: options in another order")
    evaluate.add_argument(
        "--add-sense", action="append", default=[], metavar="NAME[=MODEL]", help="one more sense, as objects=yolo.pt"
    )
    evaluate.add_argument("--out", metavar="FILE", help="results, a line an answer (default: BENCHMARK.jsonl)")
    evaluate.add_argument(
        "--with-results", action="append", default=[], metavar="FILE", help="earlier results for the same report"
    )
    add_price_options(evaluate)
    evaluate.add_argument("--forecast", action="store_true", help="say what it will take, and ask nothing")
    add_watch_options(evaluate)
    add_json_option(evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    with busy("opening"):
        from videochat.evaluation.report import section, write
        from videochat.evaluation.run import evaluate, load

        settings = _settings(options)
    prices = (options.price_in, options.price_out)
    price = None if prices == (None, None) else (prices[0] or 0.0, prices[1] or 0.0)
    _say_forecast(settings, price)
    if options.forecast:
        return 0
    earlier = [load(Path(file)) for file in options.with_results]
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=steering(sys.stderr))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("asking", total=None)
        found = evaluate(settings, on_answer=lambda done, total: bar.update(task, completed=done, total=total))
    sections = [section(each, price) for each in (found, *earlier)]
    written = write(sections, settings.out.with_suffix(""))
    written += _submissions(found, settings.out)
    if options.json:
        print_json([each.as_dict() for each in sections])
    else:
        _print(sections)
    print(f"Wrote {', '.join(map(str, [settings.out, *written]))}", file=sys.stderr)
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    from videochat.evaluation.run import Settings, benchmark_of

    return Settings(
        benchmark_of(options.benchmark),
        Path(options.data).expanduser(),
        Path(options.out or f"{options.benchmark}.jsonl").expanduser(),
        _contenders(options),
        Path(options.questions).expanduser() if options.questions else None,
        options.limit,
        options.jobs,
        not options.no_subtitles,
        options.shuffle_options,
        options.memory,
        line_up(options),
    )


def _contenders(options: argparse.Namespace) -> list[Contender]:
    """Return who is asked: those that were named, or a model in every way that it can be asked."""
    from videochat.agent import resolve_llm
    from videochat.agent.chat_models import can_call_tools, can_see
    from videochat.contenders import SEARCHES, Contender

    if options.contenders:
        return [Contender.of(name) for name in options.contenders]
    if options.benchmark == "retrieval":
        return [Contender(way, f"search:{way}", "search") for way in SEARCHES]
    if options.benchmark == "senses":
        return [Contender("itself", "sense:itself", "sense")]
    found: list[Contender] = []
    if options.llm:
        model = resolve_llm(options.llm)
        if can_call_tools(model):
            found.append(Contender(options.llm, f"agent:{options.llm}", "agent", video_model=options.video_model))
        found += [Contender.of(f"{way}:{options.llm}") for way in ("retrieve", "blind", "subtitles")]
        if options.llm == "extractive":
            # It reads what was noted, and nothing that it is told in words.
            found = [Contender.of("extractive"), Contender.of("blind:extractive")]
        if can_see(model):
            found.append(Contender.of(f"frames={options.frames}:{options.llm}"))
    if options.video_model:
        found.append(Contender.of(f"video:{options.video_model}"))
    if not found:
        raise InvalidArgument("There is nobody to ask; name a model with --llm, or a contender with --with.")
    return found


def line_up(options: argparse.Namespace) -> str | Sequence[str | PerceptionTool] | None:
    """Return what watches: the preset, and the senses that were added to it."""
    from videochat.tools import best_present, make_tool, make_tools

    if not options.add_sense:
        preset: str | list[str] | None = options.preset
        return preset
    found = make_tools(best_present() if options.preset is None else options.preset)
    for sense in options.add_sense:
        name, _, model = sense.partition("=")
        found.append(make_tool(name, **({"model": model} if model else {})))
    return found


def _say_forecast(settings: Settings, price: tuple[float, float] | None) -> None:
    from videochat.evaluation.forecast import forecast
    from videochat.evaluation.predictions import Results
    from videochat.evaluation.run import read

    reading = read(settings)
    results = Results.read(settings.out) if settings.out.exists() else Results(settings.out)
    videos = len({item.video for item in reading.items})
    print(f"{settings.benchmark.title}: {len(reading.items)} questions about {videos} videos", file=sys.stderr)
    if reading.problems:
        print(f"{len(reading.problems)} entries cannot be read, as {reading.problems[0]}", file=sys.stderr)
    for each in forecast(reading.items, [name for name, _ in settings.named], results.predictions, price):
        print(f"  {each}", file=sys.stderr)


def _submissions(found: Any, out: Path) -> list[Path]:
    """Write what the server of a benchmark scores, where its answers are not public."""
    from videochat.evaluation.scoring import submission

    written: list[Path] = []
    if all(item.scored for item in found.items):
        return written
    for number, who in enumerate(found.order, 1):
        path = out.with_name(f"{out.stem}.submission-{number}.json")
        path.write_text(json.dumps(submission(found.items, found.results.predictions, who)), encoding="utf-8")
        written.append(path)
    return written


def _print(sections: Any) -> None:
    for each in sections:
        print(each.title)
        for table in each.tables:
            widths = [max(len(row[column]) for row in (table.head, *table.rows)) for column in range(len(table.head))]
            print(f"\n{table.title}")
            for row in (table.head, *table.rows):
                first, *rest = zip(row, widths, strict=True)
                cells = [f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)]
                print(f"  {'  '.join(cells)}".rstrip())
        for remark in each.remarks:
            print(f"  {remark}")
        print()
