"""Annotations of other projects, brought into upstream's form: LLaVA, ShareGPT, WebVid, Video-ChatGPT.

- LLaVA and ShareGPT: `{"image" or "video": path, "conversations": [{"from": "human", "value": ...}, {"from": "gpt",
  ...}]}`, or `{"images" or "videos": [path], "messages": [{"role": "user", "content": ...}, ...]}`. Marks such as
  `<image>` are taken out of the text; what the system says is left aside. One turn alone is a caption, too.
- Video-ChatGPT: `{"q": ..., "a": ..., "video_id": name}`, a turn an object.
- WebVid: a CSV with the columns `videoid`, `page_dir` and `name`; or any CSV with `video` (or `image`) and `caption`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")

_MARKS = re.compile(r"<(?:image|video|ImageHere|VideoHere)>\s*|</?(?:Image|Video|img|vid)>\s*")
_ASKS, _ANSWERS = ("human", "user"), ("gpt", "assistant", "chatgpt", "bot")


class Unusable(Exception):
    """Why one item is left out."""


def csv_items(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line, object) of a CSV, one at a time.

    Raises:
        OSError: it cannot be read.
    """
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            item: dict[str, Any] = {key: value for key, value in row.items() if key is not None}
            if "videoid" in item:
                folder = (item.get("page_dir") or "").strip()
                item["video"] = f"{folder}/{item['videoid']}.mp4" if folder else f"{item['videoid']}.mp4"
                item.setdefault("caption", item.get("name"))
            yield reader.line_num, item


def files_by_stem(root: Path) -> dict[str, str]:
    """Return the videos below a folder, by their name without suffix, as paths from there."""
    found = (path for path in root.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    return {path.stem: str(path.relative_to(root)) for path in found}


def upstream_form(item: Mapping[str, Any], videos: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an item of any of the formats as upstream writes it; one that is so already, or of none, as it is.

    Args:
        item: an object of an annotation file.
        videos: paths by name, for items that name no file.

    Raises:
        Unusable: it has several pictures, or its turns do not alternate.
    """
    turns = item.get("conversations", item.get("messages"))
    if isinstance(turns, list):
        pairs = _pairs(turns)
        found = {"QA": pairs, **_medium(item)}
        return {"caption": pairs[0]["a"], **found} if len(pairs) == 1 else found
    if "video_id" in item and "q" in item and "video" not in item:
        name = str(item["video_id"])
        return {"video": videos.get(name, f"{name}.mp4"), "QA": [{"q": item["q"], "a": item.get("a")}]}
    return item


def _medium(item: Mapping[str, Any]) -> dict[str, Any]:
    for medium in ("video", "image"):
        given = item.get(medium, item.get(f"{medium}s"))
        if isinstance(given, list):
            if len(given) > 1:
                raise Unusable(f"several {medium}s: an example has one, this has {len(given)}")
            given = given[0] if given else None
        if given is not None:
            return {medium: given}
    return {}


def _pairs(turns: list[Any]) -> list[dict[str, str]]:
    pairs: list[dict[str, str]] = []
    question: str | None = None
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise Unusable('no turns: each needs "from" and "value", or "role" and "content"')
        who, text = str(turn.get("from", turn.get("role", ""))), _text(turn.get("value", turn.get("content")))
        if who in _ASKS and question is None:
            question = text
        elif who in _ANSWERS and question is not None:
            pairs.append({"q": question, "a": text})
            question = None
        elif who != "system":
            raise Unusable(f"turns out of order: {who or 'nobody'} speaks where the other should")
    if question is not None or not pairs:
        raise Unusable("no turns: the last question has no answer")
    return pairs


def _text(value: Any) -> str:
    """Return the words of a turn, also of one that is a list of parts."""
    if isinstance(value, list):
        value = "\n".join(str(part.get("text", "")) for part in value if isinstance(part, Mapping))
    return _MARKS.sub("", value).strip() if isinstance(value, str) else ""
