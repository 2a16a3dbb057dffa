"""`videochat search` and `videochat memory ...`: commands over all captions that are kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from videochat.cli.common import Commands, add_command, add_group, add_json_option, kind_option, print_json
from videochat.errors import StoreError

if TYPE_CHECKING:
    from videochat.memory import CaptionStore
    from videochat.memory.maintenance import Health


def add_commands(commands: Commands) -> None:
    """Add `search` and `memory ...`."""
    search = _add(commands, "search", _search, "find captions by words and meaning, in one video or in all")
    search.add_argument("query")
    search.add_argument("--library", action="store_true", help="over all videos (the default without --video)")
    search.add_argument(
        "--video",
        action="append",
        metavar="NAME",
        help="only in this video, or in those of a folder: its name, id, file or folder",
    )
    search.add_argument(
        "--kind", action="append", type=kind_option, help="only captions of this kind, or of this sense"
    )
    search.add_argument("-k", type=int, default=8, metavar="N", help="how many at most (default: 8)")
    parts = add_group(commands, "memory", "look after the captions that are kept")
    listing = _add(parts, "list", _list, "list the videos that are remembered")
    verify = _add(parts, "verify", _verify, "say whether everything is whole; changes nothing")
    rebuild = _add(parts, "rebuild", _rebuild, "make all indexes anew from the captions")
    rebuild.add_argument("--embeddings", metavar="MODEL", help="compare texts by this model from now on")
    forget = _add(parts, "forget", _forget, "remove all that is remembered of videos")
    forget.add_argument("videos", nargs="+", metavar="VIDEO", help="name, id or file")
    export = _add(parts, "export", _export, "write captions as JSON lines")
    export.add_argument("file", help="where to write; - for standard output")
    export.add_argument("videos", nargs="*", metavar="VIDEO", help="only these: name, id or file")
    bring = _add(parts, "import", _import, "read captions that `export` wrote")
    bring.add_argument("file", help="what to read; - for standard input")
    for command in (search, listing, verify, rebuild):
        add_json_option(command)


def _add(commands: Commands, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    command = add_command(commands, name, run, text)
    command.add_argument(
        "--memory", metavar="DIR", help="directory of the captions, or a Chroma server (default: your data folder)"
    )
    return command


def _store(options: argparse.Namespace) -> CaptionStore:
    from videochat.memory import CaptionStore

    return CaptionStore(options.memory)


def _directory(options: argparse.Namespace) -> Path:
    from videochat.home import home

    path = Path(options.memory).expanduser() if options.memory else home() / "memory"
    if str(options.memory).startswith(("http://", "https://")):
        raise StoreError("A Chroma server keeps its own index; rebuild works on a directory.")
    if not path.is_dir():
        raise StoreError(f"There is no store at {str(path)!r}; `videochat watch` makes one.")
    return path


def _id(store: CaptionStore, name: str) -> str:
    path = Path(name)
    if path.is_file():
        from videochat.media import Video

        return Video(path).id
    return store.find_video(name).id


def _ids(store: CaptionStore, name: str) -> list[str]:
    """Return the id of a video, or those of the videos that were watched in a folder."""
    if not Path(name).is_dir():
        return [_id(store, name)]
    folder = Path(name).absolute()
    found = [video.id for video in store.videos() if any(Path(place).is_relative_to(folder) for place in video.places)]
    if not found:
        raise StoreError(f"No video of the folder {name!r} is remembered; run: videochat watch {name}")
    return found


def _search(options: argparse.Namespace) -> int:
    from videochat.intervals import clock_range
    from videochat.memory.retrieval import find_moments

    with _store(options) as store:
        names = {video.id: video.name for video in store.videos()}
        some = options.video and not options.library
        wanted = [id_ for name in options.video for id_ in _ids(store, name)] if some else None
        hits = find_moments(store, options.query, k=options.k, video_ids=wanted, kinds=options.kind)
    if options.json:
        print_json(
            [
                hit.caption.as_dict()
                | {"video": names.get(hit.caption.video_id), "score": hit.score, "similarity": hit.similarity}
                for hit in hits
            ]
        )
        return 0
    for hit in hits:
        caption = hit.caption
        when = clock_range(caption.start_seconds, caption.end_seconds)
        print(f"{names.get(caption.video_id, caption.video_id)} [{when}] {caption.kind}: {caption.attributed_text}")
    if not hits:
        print("Nothing that is remembered fits; `videochat memory list` says what is.")
    return 0


def _list(options: argparse.Namespace) -> int:
    from videochat.intervals import clock

    with _store(options) as store:
        videos = store.videos()
    if options.json:
        print_json([video.as_dict() for video in videos])
        return 0
    for video in videos:
        length = clock(video.duration_seconds) if video.duration_seconds else "?"
        print(f"{video.id}  {length:>8}  {video.captions:>7} captions  {video.name}")
        when = f", last at {video.watched_at}" if video.watched_at else ""
        print(f"  watched: {video.extent() or 'nothing yet'}{when}")
        for place in video.places:
            print(f"  from: {place}")
    if not videos:
        print("Nothing is remembered; run: videochat watch VIDEO")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from videochat.memory.maintenance import check_store

    with _store(options) as store:
        return _print_health(options, check_store(store))


def _rebuild(options: argparse.Namespace) -> int:
    from videochat.memory.maintenance import rebuild

    return _print_health(options, rebuild(_directory(options), options.embeddings))


def _print_health(options: argparse.Namespace, health: Health) -> int:
    if options.json:
        print_json(vars(health))
    else:
        count = len(health.faults)
        state = "whole" if not count else "1 fault" if count == 1 else f"{count} faults"
        lines = [f"{health.videos} videos, {health.captions} captions: {state}.", *health.faults, *health.remarks]
        print("\n".join(lines))
    return 1 if health.faults else 0


def _forget(options: argparse.Namespace) -> int:
    with _store(options) as store:
        for video_id in [_id(store, name) for name in options.videos]:
            store.forget(video_id)
            print(f"Forgot {video_id}", file=sys.stderr)
        store.sync()
    return 0


def _export(options: argparse.Namespace) -> int:
    from videochat.memory.maintenance import export_captions

    with _store(options) as store:
        chosen = [_id(store, name) for name in options.videos] or None
        if options.file == "-":
            count = export_captions(store, sys.stdout, chosen)
        else:
            try:
                with Path(options.file).open("w", encoding="utf-8") as out:
                    count = export_captions(store, out, chosen)
            except OSError as error:
                raise StoreError(f"{options.file!r} cannot be written ({error.strerror}).") from error
    print(f"Wrote {count} captions", file=sys.stderr)
    return 0


def _import(options: argparse.Namespace) -> int:
    from videochat.memory.maintenance import import_captions

    with _store(options) as store:
        if options.file == "-":
            report = import_captions(store, sys.stdin.buffer)
        else:
            try:
                with Path(options.file).open("rb") as lines:
                    report = import_captions(store, lines)
            except OSError as error:
                raise StoreError(f"{options.file!r} cannot be read ({error.strerror}).") from error
    print(f"Took in {report.added} new captions", file=sys.stderr)
    if report.left_out_count:
        print(f"Left out {report.left_out_count} lines:", *report.left_out, sep="\n  ", file=sys.stderr)
    return 1 if report.left_out_count else 0
