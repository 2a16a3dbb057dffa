"""The command line. Errors are one sentence and exit status 1; wrong usage is 2; `--debug` shows the trace."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from videochat.errors import VideoChatError

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.records import Answer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    options = _parser().parse_args(arguments)
    if not hasattr(options, "command"):
        _parser().print_help()
        return 2
    warnings.showwarning = _say_warning
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except VideoChatError as error:
        if options.debug:
            raise
        print(f"videochat: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nvideochat: stopped; what was seen is kept, and the next run goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has enough. Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(
        prog="videochat", description="Ask questions about a video and get answers with timestamps that are true."
    )
    parser.add_argument("--version", action="version", version=f"videochat {version('videochat')}")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str, *, video: bool = True, several: bool = False
    ) -> Any:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(command=run)
        # Also after the command, where people put it; SUPPRESS keeps it from undoing the one before.
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        if video:
            many = "; several are asked together" if several else ""
            command.add_argument(
                "video", nargs="+" if several else None, help=f"path or http(s) address of a video{many}"
            )
            command.add_argument(
                "--memory", metavar="DIR", help="directory of the captions (default: your data folder)"
            )
            command.add_argument("--preset", help="line-up of senses, see `videochat presets` (default: builtin)")
        return command

    ask = add("ask", _ask, "answer a question about a video, watching it first if needed", several=True)
    ask.add_argument("question")
    chat = add("chat", _chat, "ask question after question; the earlier ones are remembered", several=True)
    chat.add_argument("--conversation", metavar="FILE", help="keep the conversation in this file and go on with it")
    for command in (ask, chat):
        command.add_argument(
            "--llm", metavar="PROVIDER:MODEL", help="language model (default: VIDEOCHAT_LLM, OpenAI, none)"
        )
        command.add_argument(
            "--video-model", metavar="DIR", help="VideoChat-Embed or another video model the agent may look with"
        )
        command.add_argument(
            "--mode", choices=("agent", "retrieve"), help="let the model look further, or answer at once"
        )
        command.add_argument(
            "--verify", action="store_true", help="have each cited sentence judged against what it cites"
        )
    watch = add("watch", _watch, "watch a video, or a part of it, and remember what was seen")
    captions = add("captions", _captions, "list what is remembered of a video")
    captions.add_argument("--kind", help="only captions of this kind")
    for command in (watch, captions):
        command.add_argument("--start", type=_time, default=0.0, metavar="TIME", help="from here (seconds or MM:SS)")
        command.add_argument("--end", type=_time, default=None, metavar="TIME", help="up to here")
    watch.add_argument("--fps", type=float, metavar="RATE", help="pictures per second (default: each sense's own rate)")
    timeline = add("timeline", _timeline, "show over time what is remembered of a video")
    timeline.add_argument("--output", metavar="FILE", help="write a picture (.png, .svg, .pdf) instead of text")
    mcp = add("mcp", _mcp, "serve the tools over the Model Context Protocol, on stdio or HTTP", several=True)
    mcp.add_argument("--http", metavar="[HOST:]PORT", help="serve over HTTP (host: 127.0.0.1) instead of stdio")
    mcp.add_argument("--video-model", metavar="DIR", help="VideoChat-Embed or another video model to look with")
    demo = add("demo", _demo, "draw a small video and ask it three questions", video=False)
    demo.add_argument("path", nargs="?", default="videochat-demo.mp4", help="where to write it")
    embed = commands.add_parser("embed", help="VideoChat-Embed, the end-to-end model").add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )
    _add_convert(embed)
    _add_train(embed)
    from videochat.memory_cli import add_commands

    add_commands(commands)
    _add_instruct(commands)
    presets = add("presets", _presets, "list the line-ups of senses", video=False)
    download = add("download", _download, "fetch the weights of a preset", video=False)
    download.add_argument("preset", help="see `videochat presets`")
    doctor = add("doctor", _doctor, "say what this machine can do", video=False)
    for command in (ask, watch, captions, presets, doctor):
        command.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    return parser


def _add_convert(commands: Any) -> None:
    text = "gather the weights of VideoChat-Embed into one folder of safetensors"
    convert = commands.add_parser("convert", help=text, description=text[0].upper() + text[1:] + ".")
    convert.set_defaults(command=_convert)
    convert.add_argument("out", metavar="OUT", help="the folder to write")
    convert.add_argument("--llm", required=True, metavar="DIR", help="directory or hub id of the language model")
    convert.add_argument("--vit", metavar="FILE", help="eva_vit_g.pth")
    convert.add_argument("--qformer", metavar="FILE", help="blip2_pretrained_flant5xxl.pth")
    convert.add_argument("--blip2", metavar="DIR", help="BLIP-2 of the hub, instead of --vit and --qformer")
    convert.add_argument("--videochat", metavar="FILE", help="videochat_7b.pth or videochat_13b.pth")
    convert.add_argument("--new-layers", action="store_true", help="begin untrained, instead of --videochat")
    convert.add_argument(
        "--stand-in", action="append", default=[], metavar="CLASS", help="a class in an old pickle to read as a dict"
    )
    convert.add_argument(
        "--llm-dtype", choices=("float16", "bfloat16", "float32"), default="float16", help="default: float16"
    )
    convert.add_argument("--max-shard-size", default="2GB", metavar="SIZE", help="largest file (default: 2GB)")


def _convert(options: argparse.Namespace) -> int:
    from videochat.embed_model import convert

    try:
        folder = convert(
            options.out,
            llm=options.llm,
            vit=options.vit,
            qformer=options.qformer,
            blip2=options.blip2,
            videochat=options.videochat,
            new_layers=options.new_layers,
            stand_in=options.stand_in,
            llm_dtype=options.llm_dtype,
            max_shard_size=options.max_shard_size,
        )
    except ValueError as error:
        if isinstance(error, VideoChatError):
            raise
        print(f"videochat embed convert: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {folder}", file=sys.stderr)
    return 0


def _add_train(commands: Any) -> None:
    text = "train a stage of VideoChat-Embed; with `accelerate launch -m videochat.cli` on many GPUs"
    train = commands.add_parser("train", help=text, description=text[0].upper() + text[1:] + ".")
    train.set_defaults(command=_train)
    train.add_argument("stage", choices=("alignment", "instruction"), help="stage 1: captions; stage 2: conversations")
    train.add_argument("--model", required=True, metavar="DIR", help="what to start from: a VideoChat-Embed")
    train.add_argument(
        "--data",
        required=True,
        action="append",
        metavar="FILE[:DIR]",
        help="annotations (JSON list or JSON lines), and where their paths start; repeatable",
    )
    train.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    train.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    train.add_argument("--checkpoint-every", type=int, default=0, metavar="STEPS", help="default: none")
    train.add_argument("--workers", type=int, default=0, metavar="N", help="processes that decode (default: 0)")
    train.add_argument("--precision", choices=("no", "bf16", "fp16"), default="no", help="of the arithmetic")
    train.add_argument(
        "--checkpoint-activations", action="store_true", help="compute the LLM's activations twice, to save memory"
    )
    train.add_argument("--remember", action="store_true", help="keep all decoded pictures in memory (small sets)")
    train.add_argument("--unchecked", action="store_true", help="do not look first whether every file is there")
    train.add_argument("--threads", type=int, metavar="N", help="of the arithmetic on a CPU")
    recipe = train.add_argument_group("recipe", "each defaults to the paper's value for the stage")
    recipe.add_argument("--learning-rate", type=float, metavar="RATE")
    recipe.add_argument("--floor", type=float, metavar="SHARE", help="lowest share of the learning rate")
    recipe.add_argument("--warmup-epochs", type=float, metavar="N")
    recipe.add_argument("--epochs", type=int, metavar="N")
    recipe.add_argument("--batch", type=int, metavar="N", help="examples a process takes at once")
    recipe.add_argument("--accumulate", type=int, metavar="N", help="batches that make a step")
    recipe.add_argument("--frames", type=int, metavar="N", help="of a video")
    recipe.add_argument("--max-text-tokens", type=int, metavar="N")
    recipe.add_argument("--weight-decay", type=float, metavar="RATE")
    recipe.add_argument("--clip-norm", type=float, metavar="NORM", help="largest norm of a gradient")
    recipe.add_argument("--learn", choices=("paper", "all"), help="`all` for a model that begins from nothing")
    recipe.add_argument("--lora-rank", type=int, metavar="N", help="adapters on the language model")
    recipe.add_argument("--seed", type=int)
    recipe.add_argument("--crop-area", type=float, metavar="SHARE", help="smallest crop (default: 0.5; 1: none)")
    recipe.add_argument("--flip", type=float, metavar="CHANCE", help="of a mirror image, where the text allows one")


def _train(options: argparse.Namespace) -> int:
    from dataclasses import fields, replace

    from rich.console import Console

    from videochat.embed_model.data import Augmentation, Skips, Source, read_examples
    from videochat.embed_model.train import RECIPES, Progress, Recipe, load_to_train, train

    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    given = {f.name: getattr(options, f.name) for f in fields(Recipe) if getattr(options, f.name, None) is not None}
    changes = {k: getattr(options, k) for k in ("crop_area", "flip") if getattr(options, k) is not None}
    try:
        recipe = replace(RECIPES[options.stage], **given, augmentation=Augmentation(**changes))
    except ValueError as error:
        print(f"videochat embed train: {error}", file=sys.stderr)
        return 2
    skips = Skips()
    examples = read_examples(map(Source.parse, options.data), options.stage, skips, check_files=not options.unchecked)
    model = load_to_train(options.model, precision=options.precision)
    every = 1 if Console().is_terminal else 50

    def say(progress: Progress) -> None:
        if progress.step % every == 0 or progress.step == progress.steps:
            end = "\r" if every == 1 and progress.step < progress.steps else "\n"
            print(progress, end=end, flush=True)

    report = train(
        model,
        examples,
        recipe,
        options.out,
        skips=skips,
        resume=options.resume,
        checkpoint_every=options.checkpoint_every,
        workers=options.workers,
        precision=options.precision,
        checkpoint_activations=options.checkpoint_activations,
        remember=options.remember,
        on_step=say,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        print(report)
        for place, reason in skips.reasons.items():
            print(f"  left out: {place}: {reason}", file=sys.stderr)
    return 0


def _add_instruct(commands: Any) -> None:
    text = "make instruction data for VideoChat-Embed from what was seen in videos"
    instruct = commands.add_parser("instruct", help=text, description=text[0].upper() + text[1:] + ".")
    instruct.set_defaults(command=_instruct)
    instruct.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    instruct.add_argument("videos", nargs="+", metavar="VIDEO", help="watched first if need be")
    instruct.add_argument("--out", required=True, metavar="FILE", help="JSON lines; rejects go beside it")
    instruct.add_argument("--llm", required=True, metavar="PROVIDER:MODEL", help="language model that writes")
    instruct.add_argument("--memory", metavar="DIR", help="directory of the captions (default: your data folder)")
    instruct.add_argument("--preset", help="line-up of senses, see `videochat presets` (default: builtin)")
    instruct.add_argument(
        "--make", choices=("description", "conversation"), action="append", help="default: both of each video"
    )
    instruct.add_argument("--concurrency", type=int, default=4, metavar="N", help="calls at once (default: 4)")
    instruct.add_argument("--calls-per-minute", type=float, metavar="N", help="at most so many calls")
    instruct.add_argument("--price-in", type=float, metavar="PRICE", help="of a million input tokens")
    instruct.add_argument("--price-out", type=float, metavar="PRICE", help="of a million output tokens")
    instruct.add_argument("--forecast", action="store_true", help="say what it would take, and stop")
    instruct.add_argument("--retry-rejected", action="store_true", help="ask again for what was rejected")


def _instruct(options: argparse.Namespace) -> int:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from videochat.agent import VideoAgent
    from videochat.agent.chat_models import resolve_llm
    from videochat.embed_model.instruct import MAKINGS, WatchedVideo, forecast, make_instructions
    from videochat.media import Video
    from videochat.memory.textualize import textualize

    llm: Any = resolve_llm(options.llm)
    videos = []
    folder = Path(options.out).expanduser().resolve().parent
    for video in [Video(source) for source in options.videos]:
        agent = VideoAgent(video, preset=options.preset, memory=options.memory, llm=llm)
        try:
            with _progress(agent) as progress:
                agent.watch(progress=progress)
            path = video.path.resolve()
            # Beside the data a path survives when both are moved.
            name = path.relative_to(folder) if path.is_relative_to(folder) else path
            videos.append(WatchedVideo(str(name), agent.captions()))
        finally:
            agent.close()
    makings = tuple(options.make or MAKINGS)
    prices = {"price_in": options.price_in, "price_out": options.price_out}
    print(forecast(videos, options.out, textualize=textualize, makings=makings, **prices), file=sys.stderr)
    if options.forecast:
        return 0
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("asking", total=None)
        report = make_instructions(
            videos,
            llm,
            options.out,
            textualize=textualize,
            makings=makings,
            concurrency=options.concurrency,
            calls_per_minute=options.calls_per_minute,
            retry_rejected=options.retry_rejected,
            on_item=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(report)
    return 0


def _ask(options: argparse.Namespace) -> int:
    with _agent(options, **_answering(options)) as agent:
        with _progress(agent) as progress:
            agent.watch(progress=progress)
        answer = agent.ask(options.question) if options.json else _tell(agent, options.question)
    if options.json:
        _print_json(answer.as_dict())
    return 0


def _answering(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "llm": options.llm,
        "mode": options.mode,
        "video_model": options.video_model,
        "verify": options.verify,
    }


def _chat(options: argparse.Namespace) -> int:
    with _agent(options, checkpointer=options.conversation, **_answering(options)) as agent:
        with _progress(agent) as progress:
            report = agent.watch(progress=progress)
        names = ", ".join(agent.video_set.names.values())
        print(f"{report}\nAsk about {names}; an empty line or Ctrl-D ends.", file=sys.stderr)
        while question := _read_line("> "):
            try:
                _tell(agent, question)
            except VideoChatError as error:
                print(f"videochat: {error}", file=sys.stderr)
    return 0


def _tell(agent: VideoAgent, question: str) -> Answer:
    """Answer in front of a person: on a terminal what the model does and says appears as it comes."""
    live = sys.stdout.isatty()
    streamed = ""
    for event in agent.stream(question):
        if event.step is not None:
            arguments = ", ".join(f"{name}={value!r}" for name, value in event.step.args.items())
            found = event.step.error or f"{event.step.captions} captions"
            print(f"  {event.step.tool}({arguments}): {found}", file=sys.stderr)
        elif event.kind == "token" and live:
            print(event.text, end="", flush=True)
            streamed += event.text
        elif event.kind == "again" and streamed:
            print("\n  ... looking again", file=sys.stderr)
            streamed = ""
    answer = event.answer
    assert answer is not None  # noqa: S101 - a stream that does not raise ends with the answer
    if streamed.strip() == answer.text.strip():
        print(str(answer)[len(answer.text) :])
    else:
        print(f"\n{answer}" if streamed else answer)
    print(f"({answer.status}, {answer.usage.seconds:.1f} s)", file=sys.stderr)
    return answer


def _mcp(options: argparse.Namespace) -> int:
    from videochat.agent import VideoToolkit
    from videochat.mcp_server import serve_http, serve_stdio

    host, port = _address(options.http) if options.http else ("", 0)
    toolkit = VideoToolkit(
        options.video,
        preset=options.preset,
        memory=options.memory,
        video_model=options.video_model,
        pictures=True,
    )
    try:
        if options.http:
            serve_http(toolkit, host, port)
        else:
            serve_stdio(toolkit)
    finally:
        toolkit.close()
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (port.isdigit() and 0 < int(port) < 65536):
        raise VideoChatError(f"--http needs PORT or HOST:PORT with a port from 1 to 65535, got {text!r}.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _watch(options: argparse.Namespace) -> int:
    with _agent(options) as agent, _progress(agent) as progress:
        report = agent.watch(options.start, options.end, fps=options.fps, progress=progress)
    if options.json:
        _print_json(report.as_dict())
    else:
        print(report)
    return 0


def _captions(options: argparse.Namespace) -> int:
    with _agent(options) as agent:
        found = agent.captions(options.kind, options.start, options.end)
    if options.json:
        _print_json([caption.as_dict() for caption in found])
    else:
        print("\n".join(map(str, found)) or f"Nothing is remembered; run: videochat watch {options.video}")
    return 0


def _timeline(options: argparse.Namespace) -> int:
    with _agent(options) as agent:
        if options.output:
            try:
                agent.timeline().savefig(options.output, dpi=150)
            except (OSError, ValueError) as error:
                raise VideoChatError(f"The picture {options.output!r} cannot be written: {error}") from error
            print(f"Wrote {options.output}", file=sys.stderr)
        else:
            from shutil import get_terminal_size

            from videochat.agent.timeline import print_timeline

            print(print_timeline(agent.captions(), agent.video.duration_seconds, width=get_terminal_size().columns))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from videochat.demo import run_demo

    run_demo(options.path)
    return 0


def _download(options: argparse.Namespace) -> int:
    from videochat.errors import UnknownName
    from videochat.hub import find_weights
    from videochat.tools import PRESETS

    if options.preset not in PRESETS:
        raise UnknownName("preset", options.preset, PRESETS)
    wanted = PRESETS[options.preset].weights()
    for weights in wanted:
        print(f"{weights.model} ({weights.licence}), about {weights.download_mb} MB", file=sys.stderr)
        print(find_weights(weights, needed_by=f"The preset {options.preset!r}", allow_download=True))
    if not wanted:
        print(f"The preset {options.preset} needs no downloads.", file=sys.stderr)
    return 0


def _presets(options: argparse.Namespace) -> int:
    import dataclasses

    from videochat.hub import cached
    from videochat.tools import PRESETS, make_tools

    listed: dict[str, dict[str, Any]] = {
        preset.name: {
            "summary": preset.summary,
            "weights": [
                dataclasses.asdict(weights) | {"here": cached(weights) is not None} for weights in preset.weights()
            ],
            "tools": {tool.name: {"kind": tool.kind, "sees": tool.sees} for tool in make_tools(preset.name)},
        }
        for preset in PRESETS.values()
    }
    if options.json:
        _print_json(listed)
        return 0
    for name, preset in listed.items():
        print(f"{name}: {preset['summary']}")
        for tool, facts in preset["tools"].items():
            print(f"  {tool:<15} {facts['kind']:<13} {facts['sees']}")
        for weights in preset["weights"]:
            state = "on this machine" if weights["here"] else f"about {weights['download_mb']} MB to download"
            print(f"    {weights['model']} ({weights['licence']}): {state}, {weights['memory_mb']} MB in memory")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from videochat.doctor import examine

    findings = examine()
    if options.json:
        _print_json([{"part": f.part, "ok": f.ok, "found": f.found, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else '-- '} {finding.part}: {finding.found}")
            if finding.fix:
                print(f"    {finding.fix}")
    return 0 if all(f.ok or not f.needed for f in findings) else 1


@contextlib.contextmanager
def _agent(options: argparse.Namespace, **settings: Any) -> Iterator[VideoAgent]:
    from videochat.media import Video

    # What is cheap to find wrong is found before the heavy parts load.
    video = [Video(path) for path in ([options.video] if isinstance(options.video, str) else options.video)]
    from videochat.agent import VideoAgent

    agent = VideoAgent(video, preset=options.preset, memory=options.memory, **settings)
    try:
        yield agent
    finally:
        agent.close()


@contextlib.contextmanager
def _progress(agent: VideoAgent) -> Iterator[Callable[[float], None]]:
    """Show how far the video has been read, once that takes longer than a moment and where there is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from videochat.intervals import clock

    console = Console(stderr=True)
    columns = (
        TextColumn("watching"),
        BarColumn(),
        TextColumn("{task.fields[at]} of " + clock(agent.video_set.duration_seconds)),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    began = time.monotonic()
    task = bar.add_task("", total=agent.video_set.duration_seconds, at=clock(0))

    def show(seconds: float) -> None:
        if time.monotonic() - began > 0.5:
            bar.start()
            bar.update(task, completed=seconds, at=clock(max(seconds, 0)))
            if seconds >= agent.video_set.duration_seconds - 1e-3:
                bar.update(task, at="finishing")

    try:
        yield show
    finally:
        bar.stop()


def _print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def _read_line(prompt: str) -> str:
    try:
        # The prompt is for people; what comes out of a pipe stays clean.
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:
        print(file=sys.stderr)
        return ""


def _time(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _say_warning(message: Any, category: type[Warning], *_: Any, **__: Any) -> None:
    if category is UserWarning:
        print(f"videochat: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
