"""`videochat embed convert`, `videochat embed train` and `videochat instruct`; `look` has the rest of `embed`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from videochat.cli import look
from videochat.cli.common import (
    Commands,
    add_command,
    add_group,
    add_price_options,
    add_watch_options,
    fail_usage,
    finite_option,
)
from videochat.cli.progress import watch_progress
from videochat.errors import InvalidArgument
from videochat.printable import steering


def add_commands(commands: Commands) -> None:
    """Add `embed ...` and `instruct`."""
    embed = add_group(commands, "embed", "VideoChat-Embed, the end-to-end model")
    _add_convert(embed)
    _add_train(embed)
    look.add_commands(embed)
    _add_instruct(commands)


def _add_convert(commands: Commands) -> None:
    convert = add_command(
        commands, "convert", _convert, "gather the weights of VideoChat-Embed into one folder of safetensors"
    )
    convert.add_argument("out", metavar="OUT", help="the folder to write")
    convert.add_argument(
        "--llm", required=True, metavar="DIR", help="directory of the language model; a hub id is downloaded"
    )
    convert.add_argument("--vit", metavar="FILE", help="eva_vit_g.pth")
    convert.add_argument("--qformer", metavar="FILE", help="blip2_pretrained_flant5xxl.pth")
    convert.add_argument(
        "--blip2", metavar="DIR", help="BLIP-2 of the hub, instead of --vit and --qformer; a hub id is downloaded"
    )
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
    except InvalidArgument as error:
        return fail_usage("embed convert", error)
    print(f"Wrote {folder}", file=sys.stderr)
    return 0


def _add_train(commands: Commands) -> None:
    train = add_command(
        commands,
        "train",
        _train,
        "train a stage of VideoChat-Embed; with `accelerate launch -m videochat.cli` on many GPUs",
    )
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
    recipe.add_argument("--learning-rate", type=finite_option, metavar="RATE")
    recipe.add_argument("--floor", type=finite_option, metavar="SHARE", help="lowest share of the learning rate")
    recipe.add_argument("--warmup-epochs", type=finite_option, metavar="N")
    recipe.add_argument("--epochs", type=int, metavar="N")
    recipe.add_argument("--batch", type=int, metavar="N", help="examples a process takes at once")
    recipe.add_argument("--accumulate", type=int, metavar="N", help="batches that make a step")
    recipe.add_argument("--frames", type=int, metavar="N", help="of a video")
    recipe.add_argument("--max-text-tokens", type=int, metavar="N")
    recipe.add_argument("--weight-decay", type=finite_option, metavar="RATE")
    recipe.add_argument("--clip-norm", type=finite_option, metavar="NORM", help="largest norm of a gradient")
    recipe.add_argument("--learn", choices=("paper", "all"), help="`all` for a model that begins from nothing")
    recipe.add_argument("--lora-rank", type=int, metavar="N", help="adapters on the language model")
    recipe.add_argument("--seed", type=int)
    recipe.add_argument(
        "--crop-area", type=finite_option, metavar="SHARE", help="smallest crop (default: 0.5; 1: none)"
    )
    recipe.add_argument(
        "--flip", type=finite_option, metavar="CHANCE", help="of a mirror image, where the text allows one"
    )


def _train(options: argparse.Namespace) -> int:
    from dataclasses import fields, replace

    from rich.console import Console

    from videochat.embed_model.annotations import Skips, Source, read_examples
    from videochat.embed_model.dataset import Augmentation
    from videochat.embed_model.recipe import RECIPES, Recipe
    from videochat.embed_model.run_folder import Progress
    from videochat.embed_model.train import load_to_train, train

    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    given = {f.name: getattr(options, f.name) for f in fields(Recipe) if getattr(options, f.name, None) is not None}
    changes = {k: getattr(options, k) for k in ("crop_area", "flip") if getattr(options, k) is not None}
    try:
        recipe = replace(RECIPES[options.stage], **given, augmentation=Augmentation(**changes))
    except InvalidArgument as error:
        return fail_usage("embed train", error)
    skips = Skips()
    examples = read_examples(map(Source.parse, options.data), options.stage, skips, check_files=not options.unchecked)
    model = load_to_train(options.model, precision=options.precision)
    every = 1 if Console().is_terminal else 50

    def report_step(progress: Progress) -> None:
        if progress.step % every == 0 or progress.step == progress.steps:
            end = "\r" if every == 1 and progress.step < progress.steps else "\n"
            print(progress, end=end, flush=True, file=steering(sys.stdout))

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
        on_step=report_step,
    )
    if int(os.environ.get("RANK", "0")) == 0:
        print(report)
        for place, reason in skips.reasons.items():
            print(f"  left out: {place}: {reason}", file=sys.stderr)
    return 0


def _add_instruct(commands: Commands) -> None:
    instruct = add_command(
        commands, "instruct", _instruct, "make instruction data for VideoChat-Embed from what was seen in videos"
    )
    instruct.add_argument("videos", nargs="+", metavar="VIDEO", help="watched first if need be")
    add_watch_options(instruct)
    instruct.add_argument("--out", required=True, metavar="FILE", help="JSON lines; rejects go beside it")
    instruct.add_argument(
        "--llm",
        required=True,
        action="append",
        metavar="PROVIDER:MODEL",
        help="language model that writes; with --forecast several, to choose among",
    )
    instruct.add_argument(
        "--make", choices=("description", "conversation"), action="append", help="default: both of each video"
    )
    instruct.add_argument("--concurrency", type=int, default=4, metavar="N", help="calls at once (default: 4)")
    instruct.add_argument("--calls-per-minute", type=finite_option, metavar="N", help="at most so many calls")
    add_price_options(instruct)
    instruct.add_argument("--forecast", action="store_true", help="say what it would take, and stop")
    instruct.add_argument("--retry-rejected", action="store_true", help="ask again for what was rejected")


def _instruct(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from videochat.agent import VideoAgent
    from videochat.agent.chat_models import resolve_llm, window_of
    from videochat.agent.extractive import EXTRACTIVE
    from videochat.embed_model.instruct import ITEM_KINDS, WatchedVideo, forecast, make_instructions
    from videochat.media import Video
    from videochat.memory.textualize import textualize

    if len(options.llm) > 1 and not options.forecast:
        return fail_usage("instruct", InvalidArgument("one --llm writes; several are for --forecast."))
    llms = {name: resolve_llm(name) for name in options.llm}
    videos = []
    folder = Path(options.out).expanduser().resolve().parent
    for video in [Video(source) for source in options.videos]:
        agent = VideoAgent(video, preset=options.preset, memory=options.memory, llm=EXTRACTIVE)
        try:
            with watch_progress(agent) as progress:
                agent.watch(progress=progress)
            path = video.path.resolve()
            # Beside the data a path survives when both are moved.
            name = path.relative_to(folder) if path.is_relative_to(folder) else path
            videos.append(WatchedVideo(str(name), agent.captions()))
        finally:
            agent.close()
    item_kinds = tuple(options.make or ITEM_KINDS)
    prices = {"price_in": options.price_in, "price_out": options.price_out}
    for name, llm in llms.items():
        window = window_of(llm)
        found = forecast(
            videos, options.out, textualize=textualize, context_tokens=window, item_kinds=item_kinds, **prices
        )
        print(f"{name} (reads {window:,} tokens): {found}", file=sys.stderr)
    if options.forecast:
        return 0
    (llm,) = llms.values()
    console = Console(file=steering(sys.stderr))
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("asking", total=None)
        report = make_instructions(
            videos,
            llm,
            options.out,
            textualize=textualize,
            context_tokens=window_of(llm),
            item_kinds=item_kinds,
            concurrency=options.concurrency,
            calls_per_minute=options.calls_per_minute,
            retry_rejected=options.retry_rejected,
            on_item=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(report)
    return 0
