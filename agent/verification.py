"""Verification of an answer by a second call: each cited sentence is judged by the captions and pictures it cites."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from videochat.agent.grounding import SentenceCheck, plain
from videochat.chat_models import picture_block
from videochat.fence import DATA, fenced
from videochat.intervals import clock
from videochat.records import Caption, Judgement, Verdict

Verify = bool | Literal["auto"]
"""Whether cited sentences are judged by a second call; `auto`: where a language model is configured."""

MARK = "(not borne out by what is cited)"
"""Follows a rejected sentence in the answer."""

Picture = Callable[[Caption], bytes | None]
"""Makes a JPEG of the moment of a caption."""

_MOST_PICTURES, _PICTURES_EACH = 8, 2

_JUDGE = (
    "You check statements about a video. For each statement you get the notes that it cites, and where there are some, "
    "pictures of those moments. Judge only by them: CONFIRMED if they say or show it, REJECTED if they do not, or say "
    "or show otherwise: another thing, number, name, time or order. Answer one line for each statement, and nothing "
    "else: its number, CONFIRMED or REJECTED, and a short reason, like\n"
    "1: CONFIRMED - the note says so\n" + DATA
)
_LINE = re.compile(r"^[^\w\n]*(?:statement +)?(\d{1,4})[^\w\n]+(confirmed|rejected)\b[^\w\n]*(.*)$", re.I | re.M)


def question_for(
    checks: Sequence[SentenceCheck], spans: Callable[[Caption], tuple[float, float]], picture: Picture | None
) -> tuple[list[BaseMessage], set[int]]:
    """Return what the judge is sent, and which statements come with pictures.

    Args:
        checks: sentences that cite captions.
        spans: the interval that a caption stands for.
        picture: of a moment; None for a judge that cannot see.
    """
    blocks: list[dict[str, Any]] = []
    pictured: set[int] = set()
    left = _MOST_PICTURES
    for number, check in enumerate(checks, 1):
        notes = fenced("\n".join(str(caption) for caption in check.captions if not caption.attributes.get("picture")))
        words = f"Statement {number}: {plain(check.sentence)}\nNotes it cites:\n{notes}"
        blocks.append({"type": "text", "text": words})
        for caption in check.captions[:_PICTURES_EACH] if picture is not None else ():
            jpeg = picture(caption) if left > 0 and picture is not None else None
            if jpeg is not None:
                start, end = spans(caption)
                blocks.append({"type": "text", "text": f"Picture of it at {clock((start + end) / 2)}:"})
                blocks.append(picture_block(jpeg))
                pictured.add(number)
                left -= 1
    content: Any = blocks if pictured else "\n\n".join(block["text"] for block in blocks)
    return [SystemMessage(_JUDGE), HumanMessage(content)], pictured


def judgements(reply: str, count: int) -> Mapping[int, tuple[Judgement, str]]:
    """Read the judge's reply: judgement and reason by number. A number judged both ways is not judged."""
    found: dict[int, tuple[Judgement, str]] = {}
    for match in _LINE.finditer(reply):
        number = int(match[1])
        judgement: Judgement = "confirmed" if match[2].casefold() == "confirmed" else "rejected"
        if number in found and found[number][0] != judgement:
            judgement = "unverified"
        if 1 <= number <= count:
            found[number] = judgement, match[3].strip()
    return found


def judge(
    ask: Callable[[list[BaseMessage]], AIMessage],
    checks: Sequence[SentenceCheck],
    spans: Callable[[Caption], tuple[float, float]],
    picture: Picture | None = None,
) -> list[Verdict]:
    """Ask for a verdict on each cited sentence, all in one call.

    A call that fails and a reply that is unclear never count as confirmed. A sentence that cites only pictures is
    judged by a model that sees them, or not at all.

    Args:
        ask: calls the chat model that judges.
        checks: sentences that cite captions.
        spans: the interval that a caption stands for.
        picture: of a moment; None for a judge that cannot see.
    """
    judged: Mapping[int, tuple[Judgement, str]] = {}
    pictured: set[int] = set()
    why = "the second look gave no clear verdict"
    if any(not _only_pictures(check) or picture is not None for check in checks):
        try:
            messages, pictured = question_for(checks, spans, picture)
            judged = judgements(ask(messages).text, len(checks))
        except Exception as error:
            why = f"the second look failed ({type(error).__name__})"
    found = []
    for number, check in enumerate(checks, 1):
        if _only_pictures(check) and number not in pictured:
            found.append(Verdict(check.sentence, "unverified", "it cites a picture, which words cannot confirm"))
        else:
            found.append(Verdict(check.sentence, *judged.get(number, ("unverified", why))))
    return found


def _only_pictures(check: SentenceCheck) -> bool:
    return all(caption.attributes.get("picture") for caption in check.captions)


def marked(text: str, verdicts_: list[Verdict]) -> str:
    """Return the answer with rejected sentences marked; verdicts are in the order of the sentences."""
    at = 0
    for verdict in verdicts_:
        found = text.find(verdict.sentence, at)
        if found < 0:
            continue
        at = found + len(verdict.sentence)
        if verdict.judgement == "rejected":
            text = f"{text[:at]} {MARK}{text[at:]}"
            at += len(MARK) + 1
    return text
