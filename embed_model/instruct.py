"""Instruction data from the captions of watched videos and any LangChain chat model (paper section 3.2.2).

For each video a detailed description (Table 3, put right by Table 4) and a conversation (Table 6). What passes the
gates goes to a JSONL file in upstream's annotation format with the captions it rests on; what does not goes, with
the reason, to the file of rejects beside it. Knows captions and a language model, neither store nor agent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.rate_limiters import InMemoryRateLimiter

from videochat.embed_model.prompts import CONVERSATION, DESCRIPTION, DETAILED_VIDEO, REFINEMENT, REFUSAL
from videochat.errors import VideoChatError
from videochat.records import Caption

Making = Literal["description", "conversation"]
MAKINGS: tuple[Making, ...] = ("description", "conversation")

Textualize = Callable[..., str]
"""`textualize(captions, numbers={id: n})` as in `videochat.memory`."""

FORMAT = (
    'Write every turn of the dialogue as two lines, "Question: ..." and "Answer: ...". In the description, each '
    "piece ends with its number in brackets. End every answer with the numbers of the pieces it rests on, like "
    '[3] or [3][5]; only "' + REFUSAL + '" has none. The numbers are taken out before anybody reads the answer, so '
    "never speak of them."
)
"""Ours, beside Table 6: how to write the dialogue, and what each answer rests on."""

DESCRIPTION_WORDS = (150, 200)
"""Table 3: more than, and less than."""


class Rejected(VideoChatError):
    """Text of a language model that does not pass the gates; the message is the reason."""


@dataclass(frozen=True)
class WatchedVideo:
    """A video and what was seen in it."""

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


@dataclass(frozen=True)
class _Job:
    id: str
    making: Making
    video: WatchedVideo
    text: str
    """The captions, textualized; with numbers for a conversation."""
    numbers: Mapping[int, Caption]


def make_instructions(
    videos: Iterable[WatchedVideo],
    llm: BaseChatModel,
    out: str | Path,
    *,
    textualize: Textualize,
    makings: Sequence[Making] = MAKINGS,
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
        makings: what to make of each video.
        concurrency: calls at the same time.
        calls_per_minute: at most so many; None for no limit.
        retry_rejected: ask again for what an earlier run rejected.
        seed: of the choice among Table 9's instructions.
        on_item: is told (done, of how many) after each item.
    """
    out = Path(out).expanduser()
    out.parent.mkdir(parents=True, exist_ok=True)
    rejects = out.with_name(f"{out.stem}.rejected.jsonl")
    kept_before, rejected_before = _read_back(out), _read_back(rejects)
    settled = {row["id"] for row in kept_before}
    if not retry_rejected:
        settled |= {row["id"] for row in rejected_before if row["final"]}
    jobs = list(_jobs(videos, makings, textualize))
    todo = [job for job in jobs if job.id not in settled]
    report = InstructReport(out, rejects, earlier=len(jobs) - len(todo))
    described = {_plain(turn["a"]) for row in kept_before for turn in row["QA"] if row["making"] == "description"}
    limiter = None if calls_per_minute is None else InMemoryRateLimiter(requests_per_second=calls_per_minute / 60)

    def ask(messages: list[BaseMessage]) -> AIMessage:
        if limiter is not None:
            limiter.acquire()
        return llm.invoke(messages)

    with (
        out.open("a", encoding="utf-8") as good,
        rejects.open("a", encoding="utf-8") as bad,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        running = {pool.submit(_make, job, ask, seed): job for job in todo}
        for number, future in enumerate(as_completed(running), 1):
            job = running[future]
            turns, refused = future.result()
            if job.making == "description" and turns:
                text = _plain(turns[0]["a"])
                if text in described:
                    refused.append(_refusal("duplicate: another video has the same description", turns[0]["a"]))
                    turns = []
                described.add(text)
            for one in refused:
                # An item of which a part was kept is settled whatever became of the rest.
                row = {"id": job.id, "video": job.video.name, "making": job.making, **one}
                bad.write(json.dumps(row | {"final": one["final"] or bool(turns)}, ensure_ascii=False) + "\n")
                reason = one["reason"].partition(":")[0]
                report.rejected[reason] = report.rejected.get(reason, 0) + 1
            if turns:
                row = {"id": job.id, "video": job.video.name, "making": job.making, "QA": turns}
                good.write(json.dumps(row, ensure_ascii=False) + "\n")
                report.kept += 1
                report.turns += len(turns)
            good.flush()
            bad.flush()
            if on_item is not None:
                on_item(number, len(todo))
    return report


def forecast(
    videos: Iterable[WatchedVideo],
    out: str | Path,
    *,
    textualize: Textualize,
    makings: Sequence[Making] = MAKINGS,
    price_in: float | None = None,
    price_out: float | None = None,
) -> Forecast:
    """Estimate what `make_instructions` will take, without a call.

    Args:
        videos: as there.
        out: as there; what it holds already is not counted.
        textualize: as there.
        makings: as there.
        price_in: of a million input tokens.
        price_out: of a million output tokens.
    """
    settled = {row["id"] for row in _read_back(Path(out).expanduser(), mend=False)}
    calls = tokens_in = tokens_out = items = 0
    for job in _jobs(videos, makings, textualize):
        if job.id in settled or not job.video.captions:
            continue
        items += 1
        if job.making == "description":
            # The description is written, then read and written again.
            calls += 2
            tokens_in += (len(DESCRIPTION) + len(job.text) + len(REFINEMENT)) // 4 + 250
            tokens_out += 2 * 250
        else:
            calls += 1
            tokens_in += (len(CONVERSATION) + len(FORMAT) + len(job.text)) // 4
            tokens_out += 700
    priced = price_in is not None or price_out is not None
    cost = (tokens_in * (price_in or 0) + tokens_out * (price_out or 0)) / 1e6 if priced else None
    return Forecast(items, calls, tokens_in, tokens_out, cost)


def _jobs(videos: Iterable[WatchedVideo], makings: Sequence[Making], textualize: Textualize) -> Iterator[_Job]:
    for video in videos:
        ordered = sorted(video.captions, key=lambda c: (c.start_seconds, c.end_seconds, c.id))
        numbers = dict(enumerate(ordered, 1))
        for making in makings:
            marks = {caption.id: number for number, caption in numbers.items()} if making == "conversation" else None
            # The same captions are the same job, whenever and in whatever order they come.
            content = "\x1f".join([video.name, making, *(caption.id for caption in ordered)])
            id_ = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
            yield _Job(id_, making, video, textualize(ordered, numbers=marks), numbers)


def _make(
    job: _Job, ask: Callable[[list[BaseMessage]], AIMessage], seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the turns that are good and what was refused."""
    if not job.video.captions:
        return [], [_refusal("no captions: watch the video first", "")]
    said = ""
    try:
        if job.making == "description":
            captions = list(job.numbers.values())
            prompt = DESCRIPTION.format(origin_caption=origin_caption(captions), textualizing_videos=job.text)
            said = _text(ask([HumanMessage(prompt)]))
            check_text(said, prompt)
            said = _text(ask([HumanMessage(f"{REFINEMENT}\n\n{said}")]))
            check_description(said, f"{prompt}\n{REFINEMENT}")
            question = Random(f"{seed}/{job.id}").choice(DETAILED_VIDEO)
            return [{"q": question, "a": said, "evidence": _evidence(captions)}], []
        messages: list[BaseMessage] = [SystemMessage(f"{CONVERSATION}\n\n{FORMAT}"), HumanMessage(job.text)]
        said = _text(ask(messages))
        check_text(said, f"{CONVERSATION}\n{FORMAT}", ends=False)
    except Rejected as reason:
        return [], [_refusal(str(reason), said)]
    except Exception as error:
        # Providers raise from many libraries; whichever it was, the item is not lost.
        return [], [_refusal(f"no answer: {type(error).__name__}: {error}", said, final=False)]
    return _turns(said, job.numbers)


def _refusal(reason: str, text: str, *, final: bool = True) -> dict[str, Any]:
    return {"reason": reason, "text": text, "final": final}


def origin_caption(captions: Sequence[Caption]) -> str:
    """Return what Table 3 calls the *origin_caption*: what the video shows as a whole, or the best there is."""
    for kind in ("video_caption", "summary", "clip_caption", "action"):
        for caption in captions:
            if caption.kind == kind:
                return caption.text.strip().rstrip(".")
    return "a scene"


def _text(message: AIMessage) -> str:
    """Return what was said.

    Raises:
        Rejected: nothing, or the provider says that it was cut off.
    """
    text = str(message.text).strip()
    if not text:
        raise Rejected("empty")
    ended = message.response_metadata.get("finish_reason") or message.response_metadata.get("stop_reason")
    if ended in ("length", "max_tokens", "MAX_TOKENS"):
        raise Rejected("cut off: the model reached its longest answer")
    return text


def _turns(said: str, numbers: Mapping[int, Caption]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Cut a dialogue into turns; return those that are good, and the others with reasons."""
    good: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    asked: set[str] = set()
    found = list(_TURN.finditer(said))
    if not found:
        return [], [_refusal("no dialogue: no lines with Question: and Answer:", said)]
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
            if _plain(question) in asked:
                raise Rejected("duplicate: the question was asked before")
        except Rejected as reason:
            bad.append(_refusal(str(reason), match[0].strip()))
            continue
        asked.add(_plain(question))
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


def check_text(text: str, prompt: str, *, ends: bool = True) -> None:
    """Hold text to what every text must be: English, whole, of its own.

    Args:
        text: what the model said.
        prompt: what it was asked.
        ends: whether it must end as a sentence does.

    Raises:
        Rejected: it is not.
    """
    if not text.strip():
        raise Rejected("empty")
    if "###" in text or _ROLE.search(text):
        raise Rejected("role separator: ### or a speaker's name in the text")
    if not looks_english(text):
        raise Rejected("language: not English")
    words = _plain(text).split()
    asked = _plain(prompt).split()
    runs = {tuple(asked[at : at + _RUN]) for at in range(len(asked) - _RUN + 1)}
    own = _plain(FORMAT).split()
    runs |= {tuple(own[at : at + _RUN]) for at in range(len(own) - _RUN + 1)}
    refusal = tuple(_plain(REFUSAL).split())
    if any(run in runs and not _within(run, refusal) for run in zip(*(words[n:] for n in range(_RUN)), strict=False)):
        raise Rejected("prompt repeated: words of the prompt in the answer")
    if ends and text.rstrip()[-1] not in ".!?\"'”’)":
        raise Rejected("cut off: the last sentence does not end")


_RUN = 8
"""So many words in a row that are the prompt's are no accident."""
_ROLE = re.compile(r"\b(Human|Assistant|User|System)\s*:")


def _within(run: tuple[str, ...], text: tuple[str, ...]) -> bool:
    return any(text[at : at + len(run)] == run for at in range(len(text) - len(run) + 1))


def check_description(text: str, prompt: str) -> None:
    """Hold a description to Table 3: its length, no absolute times, nothing said twice.

    Raises:
        Rejected: it is not so.
    """
    check_text(text, prompt)
    least, most = DESCRIPTION_WORDS
    count = len(text.split())
    if not least < count < most:
        raise Rejected(f"length: {count} words, not more than {least} and less than {most}")
    if found := _TIME.search(text):
        raise Rejected(f"absolute time: {found[0]!r}")
    sentences = [_plain(sentence) for sentence in re.split(r"(?<=[.!?])\s+", text)]
    if len(set(sentences)) < len(sentences):
        raise Rejected("duplicate: a sentence is said twice")


_TIME = re.compile(
    r"\b\d{1,2}:\d{2}(:\d{2})?\b"
    r"|\b(\d+(\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty)[\s-]*"
    r"(s|secs?|seconds?|mins?|minutes?|hours?)\b(?!\s+(of|later|each)\b)"
    r"|\b(second|minute|frame|timestamp)\s+\d+\b",
    re.IGNORECASE,
)


def check_turn(question: str, answer: str) -> None:
    """Hold a turn to Table 6: a question, an answer as from one who watches, the refusal word for word.

    Raises:
        Rejected: it is not so.
    """
    if not question or not answer:
        raise Rejected("empty")
    if "###" in question + answer or _ROLE.search(f"{question}\n{answer}"):
        raise Rejected("role separator: ### or a speaker's name in the text")
    if question[-1] not in "?.!":
        raise Rejected("cut off: the question does not end")
    if answer in (REFUSAL, REFUSAL + "."):
        return
    if SequenceMatcher(None, _plain(answer), _plain(REFUSAL)).ratio() > 0.7:
        raise Rejected("refusal reworded: it must be the sentence of Table 6")
    if answer[-1] not in ".!?\"'”’)":
        raise Rejected("cut off: the last sentence does not end")
    if not looks_english(answer):
        raise Rejected("language: not English")
    if _SOURCE.search(answer):
        raise Rejected("speaks of its source: the video is seen, not read about")


_SOURCE = re.compile(
    r"\b(descriptions? (provided|given|says?|states?|mentions?)|(provided|given) descriptions?|captions?)\b", re.I
)

_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his in is it its no not of on or she that the their them "
        "there they this to was we were what when which while who with yes you",
    )
)


def looks_english(text: str) -> bool:
    """Whether text is in Latin letters and, if longer than a few words, uses the commonest English ones."""
    letters = [sign for sign in text if sign.isalpha()]
    if sum(sign.isascii() for sign in letters) < 0.9 * len(letters) or not letters:
        return False
    words = _plain(text).split()
    return len(words) < 8 or sum(word in _COMMON for word in words) >= 0.12 * len(words)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


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
