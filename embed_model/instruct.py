"""Instruction data from the captions of watched videos and any LangChain chat model (paper section 3.2.2).

For each video a detailed description (Table 3, corrected by Table 4) and a conversation (Table 6). What passes the
checks goes to a JSONL file in upstream's annotation format with the captions it rests on; what does not goes, with the
reason, to the file of rejects beside it. Needs captions and a language model, neither store nor agent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import Runnable

from videochat.embed_model.instruction_checks import (
    Rejected,
    check_description,
    check_text,
    check_turn,
    plain_words,
)
from videochat.embed_model.prompts import (
    CONVERSATION,
    DESCRIPTION,
    DETAILED_VIDEO,
    DIALOGUE_FORMAT,
    REFINEMENT,
    REFUSAL,
)
from videochat.errors import InvalidArgument, UnknownName
from videochat.records import Caption
from videochat.renamed import getter, keywords

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

ItemKind = Literal["description", "conversation"]
ITEM_KINDS: tuple[ItemKind, ...] = ("description", "conversation")
"""What can be made of a video."""

Textualize = Callable[..., str]
"""`textualize(captions, numbers={id: n})` as in `videochat.memory`."""


@dataclass(frozen=True)
class WatchedVideo:
    """A video and the captions of it."""

    name: str
    """Its path as it shall stand in the data."""
    captions: Sequence[Caption]


@dataclass(frozen=True)
class Forecast:
    """What a run will take, estimated at four characters a token."""

    items: int
    """Descriptions and conversations still to be made."""
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    """In the currency of the prices, if those were given."""

    def __str__(self) -> str:
        money = "" if self.cost is None else f", about {self.cost:.2f} at the prices given"
        return (
            f"{self.items} items to make in {self.calls} calls: about {self.input_tokens:,} tokens in and "
            f"{self.output_tokens:,} out{money}"
        )


@dataclass
class InstructReport:
    """What a run made."""

    out: Path
    rejects: Path
    kept: int = 0
    """Items written."""
    turns: int = 0
    """Questions with answers in them."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Reason to count."""
    earlier: int = 0
    """Items that an earlier run has dealt with."""

    def __str__(self) -> str:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in sorted(self.rejected.items())) or "none"
        return (
            f"{self.kept} items ({self.turns} turns) in {str(self.out)!r}; rejected: {reasons}"
            + (f" (see {str(self.rejects)!r})" if self.rejected else "")
            + (f"; {self.earlier} were done before" if self.earlier else "")
        )


_CHARACTERS_PER_TOKEN = 4
_NO_CAPTIONS = "no captions: watch the video first"


@dataclass(frozen=True)
class _Job:
    id: str
    kind: ItemKind
    video: WatchedVideo
    text: str
    """The captions, textualized; with numbers for a conversation."""
    numbers: Mapping[int, Caption]
    problem: str = ""
    """Why nothing can be made of the video."""
    left_out: int = 0
    """How many captions are not in the text, since it would be too long for the model."""


@keywords(makings="item_kinds")
def make_instructions(
    videos: Iterable[WatchedVideo],
    llm: Runnable[LanguageModelInput, AIMessage],
    out: str | Path,
    *,
    textualize: Textualize,
    context_tokens: int | None = None,
    item_kinds: Sequence[ItemKind] = ITEM_KINDS,
    concurrency: int = 4,
    calls_per_minute: float | None = None,
    retry_rejected: bool = False,
    seed: int = 42,
    on_item: Callable[[int, int], None] | None = None,
) -> InstructReport:
    """Ask for descriptions and conversations, and keep what is good.

    Every item is written as soon as it is there. A run that was stopped goes on where it was; what failed because
    the model could not be reached is asked for again, other rejects only with `retry_rejected`.

    Args:
        videos: what was watched; one without captions is rejected.
        llm: writes the text.
        out: JSONL file; rejects go to `NAME.rejected.jsonl` beside it.
        textualize: writes captions in the template of Table 1.
        context_tokens: how much the model reads at once; of a long video captions are left out until the rest fits,
            evenly over its time, and the item says how many. None for no limit.
        item_kinds: what to make of each video.
        concurrency: calls at the same time, at least 1.
        calls_per_minute: at most so many; None for no limit.
        retry_rejected: ask again for what an earlier run rejected.
        seed: of the choice among Table 9's instructions.
        on_item: called with (done, of how many) after each item.

    Raises:
        InvalidArgument: `concurrency` below 1, or `calls_per_minute` not positive.
        UnknownName: an item kind that there is not.
    """
    if concurrency < 1:
        raise InvalidArgument(f"concurrency must be at least 1, got {concurrency}")
    if calls_per_minute is not None and calls_per_minute <= 0:
        raise InvalidArgument(f"calls_per_minute must be positive, or None for no limit, got {calls_per_minute:g}")
    out = Path(out).expanduser()
    out.parent.mkdir(parents=True, exist_ok=True)
    rejects = out.with_name(f"{out.stem}.rejected.jsonl")
    kept_before, rejected_before = _read_back(out), _read_back(rejects)
    settled = {row["id"] for row in kept_before}
    if not retry_rejected:
        settled |= {row["id"] for row in rejected_before if row["final"]}
    jobs = list(_jobs(videos, item_kinds, textualize, context_tokens))
    todo = [job for job in jobs if job.id not in settled]
    report = InstructReport(out, rejects, earlier=len(jobs) - len(todo))
    described = {plain_words(turn["a"]) for row in kept_before for turn in row["QA"] if row["making"] == "description"}
    limiter = None if calls_per_minute is None else InMemoryRateLimiter(requests_per_second=calls_per_minute / 60)

    def ask(messages: list[BaseMessage]) -> AIMessage:
        if limiter is not None:
            limiter.acquire()
        return llm.invoke(messages)

    with (
        # A lone surrogate, of a file's name or a rejected text, is written as the escape that JSON has for it.
        out.open("a", encoding="utf-8", errors="backslashreplace") as good,
        rejects.open("a", encoding="utf-8", errors="backslashreplace") as bad,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        running = {pool.submit(_make, job, ask, seed): job for job in todo}
        for number, future in enumerate(as_completed(running), 1):
            job = running[future]
            turns, refused = future.result()
            if job.kind == "description" and turns:
                text = plain_words(turns[0]["a"])
                if text in described:
                    refused.append(_reject("duplicate: another video has the same description", turns[0]["a"]))
                    turns = []
                described.add(text)
            facts: dict[str, Any] = {"id": job.id, "video": job.video.name, "making": job.kind}
            facts |= {"left_out": job.left_out} if job.left_out else {}
            for one in refused:
                # An item of which a part was kept is settled whatever became of the rest.
                row = facts | one | {"final": one["final"] or bool(turns)}
                bad.write(json.dumps(row, ensure_ascii=False) + "\n")
                reason = one["reason"].partition(":")[0]
                report.rejected[reason] = report.rejected.get(reason, 0) + 1
            if turns:
                good.write(json.dumps(facts | {"QA": turns}, ensure_ascii=False) + "\n")
                report.kept += 1
                report.turns += len(turns)
            good.flush()
            bad.flush()
            if on_item is not None:
                on_item(number, len(todo))
    return report


@keywords(makings="item_kinds")
def forecast(
    videos: Iterable[WatchedVideo],
    out: str | Path,
    *,
    textualize: Textualize,
    context_tokens: int | None = None,
    item_kinds: Sequence[ItemKind] = ITEM_KINDS,
    price_in: float | None = None,
    price_out: float | None = None,
) -> Forecast:
    """Estimate what `make_instructions` will take, without a call.

    Args:
        videos: as there.
        out: as there; what it holds already is not counted.
        textualize: as there.
        context_tokens: as there.
        item_kinds: as there.
        price_in: of a million input tokens.
        price_out: of a million output tokens.

    Raises:
        UnknownName: an item kind that there is not.
    """
    settled = {row["id"] for row in _read_back(Path(out).expanduser(), mend=False)}
    calls = tokens_in = tokens_out = items = 0
    for job in _jobs(videos, item_kinds, textualize, context_tokens):
        if job.id in settled or job.problem:
            continue
        items += 1
        if job.kind == "description":
            # The description is written, then read and written again.
            calls += 2
            tokens_in += (len(DESCRIPTION) + len(job.text) + len(REFINEMENT)) // 4 + 250
            tokens_out += 2 * 250
        else:
            calls += 1
            tokens_in += (len(CONVERSATION) + len(DIALOGUE_FORMAT) + len(job.text)) // 4
            tokens_out += 700
    priced = price_in is not None or price_out is not None
    cost = (tokens_in * (price_in or 0) + tokens_out * (price_out or 0)) / 1e6 if priced else None
    return Forecast(items, calls, tokens_in, tokens_out, cost)


def _jobs(
    videos: Iterable[WatchedVideo],
    item_kinds: Sequence[ItemKind],
    textualize: Textualize,
    context_tokens: int | None,
) -> Iterator[_Job]:
    for kind in item_kinds:
        if kind not in ITEM_KINDS:
            raise UnknownName("kind of instruction data", kind, ITEM_KINDS)
    for video in videos:
        if not video.captions:
            for kind in item_kinds:
                yield _Job(_digest([video.name, kind, _NO_CAPTIONS]), kind, video, "", {}, _NO_CAPTIONS)
            continue
        everything = sorted(video.captions, key=lambda c: (c.start_seconds, c.end_seconds, c.id))
        ordered = fitting(everything, textualize, context_tokens)
        left_out = len(everything) - len(ordered)
        numbers = dict(enumerate(ordered, 1))
        for kind in item_kinds:
            marks = {caption.id: number for number, caption in numbers.items()} if kind == "conversation" else None
            # The same captions are the same job, whenever and in whatever order they come.
            id_ = _digest([video.name, kind, *(caption.id for caption in ordered)])
            yield _Job(id_, kind, video, textualize(ordered, numbers=marks), numbers, left_out=left_out)


def fitting(captions: Sequence[Caption], textualize: Textualize, context_tokens: int | None) -> Sequence[Caption]:
    """Return captions whose text leaves a model half of its window: all, or those that tell most, evenly over time.

    Repetitions go first, then measurements and cuts, then every so many of the rest.

    Args:
        captions: of one video, in the order of time.
        textualize: writes them.
        context_tokens: how much the model reads at once; None for no limit.
    """
    if context_tokens is None:
        return captions
    room = max(context_tokens // 2 * _CHARACTERS_PER_TOKEN - len(CONVERSATION) - len(DIALOGUE_FORMAT), 400)

    def length(some: Sequence[Caption]) -> int:
        return len(textualize(some, numbers={caption.id: number for number, caption in enumerate(some, 1)}))

    if length(captions) <= room:
        return captions
    last: dict[str, str] = {}
    kept = []
    for caption in captions:
        if last.get(caption.kind) != caption.text:
            kept.append(caption)
        last[caption.kind] = caption.text
    if length(kept) > room:
        kept = [caption for caption in kept if caption.kind not in ("measure", "shot")] or kept
    while len(kept) > 1 and (size := length(kept)) > room:
        count = max(min(int(len(kept) * room / size), len(kept) - 1), 1)
        kept = [kept[number * len(kept) // count] for number in range(count)]
    return kept


def _digest(parts: Sequence[str]) -> str:
    return hashlib.blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _make(
    job: _Job, ask: Callable[[list[BaseMessage]], AIMessage], seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the turns that are good and what was rejected."""
    if job.problem:
        return [], [_reject(job.problem, "")]
    text = ""
    try:
        if job.kind == "description":
            captions = list(job.numbers.values())
            prompt = DESCRIPTION.format(origin_caption=origin_caption(captions), textualizing_videos=job.text)
            text = _text(ask([HumanMessage(prompt)]))
            check_text(text, prompt)
            text = _text(ask([HumanMessage(f"{REFINEMENT}\n\n{text}")]))
            check_description(text, f"{prompt}\n{REFINEMENT}")
            question = Random(f"{seed}/{job.id}").choice(DETAILED_VIDEO)
            return [{"q": question, "a": text, "evidence": _evidence(captions)}], []
        messages: list[BaseMessage] = [SystemMessage(f"{CONVERSATION}\n\n{DIALOGUE_FORMAT}"), HumanMessage(job.text)]
        text = _text(ask(messages))
        check_text(text, f"{CONVERSATION}\n{DIALOGUE_FORMAT}", ends=False)
    except Rejected as reason:
        return [], [_reject(str(reason), text)]
    except Exception as error:
        # Providers raise from many libraries; whichever it was, the item is not lost.
        return [], [_reject(f"no answer: {type(error).__name__}: {error}", text, final=False)]
    return _turns(text, job.numbers)


def _reject(reason: str, text: str, *, final: bool = True) -> dict[str, Any]:
    return {"reason": reason, "text": text, "final": final}


def origin_caption(captions: Sequence[Caption]) -> str:
    """Return what Table 3 calls the *origin_caption*: what the video shows as a whole, or the best there is."""
    for kind in ("video_caption", "summary", "clip_caption", "action"):
        for caption in captions:
            if caption.kind == kind:
                return caption.text.strip().rstrip(".")
    return "a scene"


def _text(message: AIMessage) -> str:
    """Return the text of an answer.

    Raises:
        Rejected: it is empty, or the provider says that it was cut off.
    """
    text = str(message.text).strip()
    if not text:
        raise Rejected("empty")
    ended = message.response_metadata.get("finish_reason") or message.response_metadata.get("stop_reason")
    if ended in ("length", "max_tokens", "MAX_TOKENS"):
        raise Rejected("cut off: the model reached its longest answer")
    return text


def _turns(dialogue: str, numbers: Mapping[int, Caption]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cut a dialogue into turns; return those that are good, and the others with reasons."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    asked: set[str] = set()
    found = list(_TURN.finditer(dialogue))
    if not found:
        return [], [_reject("no dialogue: no lines with Question: and Answer:", dialogue)]
    for match in found:
        question, answer = match["q"].strip(), match["a"].strip()
        try:
            text, cited = split_citations(answer)
            check_turn(question, text)
            unknown = [number for number in cited if number not in numbers]
            if unknown:
                raise Rejected(f"unknown evidence: no piece has the number {unknown[0]}")
            if not cited and text != REFUSAL and text != REFUSAL + ".":
                raise Rejected("no evidence: the answer names no piece")
            if plain_words(question) in asked:
                raise Rejected("duplicate: the question was asked before")
        except Rejected as reason:
            bad.append(_reject(str(reason), match[0].strip()))
            continue
        asked.add(plain_words(question))
        good.append({"q": question, "a": text, "evidence": _evidence([numbers[number] for number in cited])})
    return good, bad


_TURN = re.compile(
    r"^\W*Question\W*?:\W*?\s*(?P<q>.+?)\n\s*\W*Answer\W*?:\W*?\s*(?P<a>.*?)(?=\n\s*\W*Question\W*?:|\Z)",
    re.MULTILINE | re.DOTALL,
)
_CITED = re.compile(r"\s*\[(\d+(?:\s*,\s*\d+)*)\]")


def split_citations(answer: str) -> tuple[str, list[int]]:
    """Take `[n]` out of an answer; return it and the numbers, each once."""
    cited = [int(number) for group in _CITED.findall(answer) for number in group.split(",")]
    return _CITED.sub("", answer).strip(), list(dict.fromkeys(cited))


def _evidence(captions: Sequence[Caption]) -> list[dict[str, Any]]:
    return [{"id": c.id, "start_seconds": c.start_seconds, "end_seconds": c.end_seconds} for c in captions]


def _read_back(path: Path, *, mend: bool = True) -> list[dict[str, Any]]:
    """Read the lines of an earlier run; a last one that was cut off is taken out of the file."""
    if not path.exists():
        return []
    rows, whole = [], b""
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
        whole += line
    if mend and whole != path.read_bytes():
        path.write_bytes(whole)
    return rows
