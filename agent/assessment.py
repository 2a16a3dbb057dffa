"""Assessment: how far an answer rests on what it cites, and what its reader must know of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from langchain_core.messages import AIMessage, BaseMessage

from videochat.agent.citations import Checked, Evidence
from videochat.agent.grounding import SentenceCheck, plain
from videochat.agent.phrases import is_refusal
from videochat.agent.prompts import NOT_NOTED
from videochat.agent.verification import Picture, judge, marked
from videochat.records import Status, Verdict

_PROBLEMS_TOLD = 3


@dataclass(frozen=True)
class Assessment:
    """What is said of an answer beside its text."""

    checked: Checked
    """The text with its citations as times, rejected sentences marked."""
    status: Status
    notes: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


def assess(
    text: str,
    evidence: Evidence,
    checks: Sequence[SentenceCheck],
    *,
    ask: Callable[[list[BaseMessage]], AIMessage] | None = None,
    must_verify: bool = False,
    picture: Picture | None = None,
) -> Assessment:
    """Return the status of an answer, by a check of its words and, where there is a judge, by a second call.

    A sentence that the judge rejects is marked. One that he confirms is not doubted for its words; a time that its
    citation does not cover, or that nothing is cited, no second call can mend.

    Args:
        text: the answer, with its `[n]`.
        evidence: what the numbers stand for.
        checks: of its sentences, as `grounding.check_sentences` made them.
        ask: calls the model that judges; None for no second call.
        must_verify: whether a sentence that the judge gives no verdict on is doubted.
        picture: of the moment of a caption, for a judge that can see.
    """
    if is_refusal(text):
        return Assessment(evidence.check(text), "not_found")
    cited = [check for check in checks if check.captions]
    verdicts = judge(ask, cited, evidence.span_of, picture) if ask is not None and cited else []
    by_sentence = {verdict.sentence: verdict.judgement for verdict in verdicts}
    checked = evidence.check(marked(text, verdicts))
    notes = list(checked.notes)
    if not checked.cited:
        return Assessment(checked, "not_found", notes)
    doubted = [
        check for check in checks if check.problem and (check.certain or by_sentence.get(check.sentence) != "confirmed")
    ]
    notes += [f"Doubtful: “{plain(check.sentence)}” ({check.problem})" for check in doubted[:_PROBLEMS_TOLD]]
    if len(doubted) > _PROBLEMS_TOLD:
        notes.append(f"Doubtful: {len(doubted) - _PROBLEMS_TOLD} more sentences")
    rejected = any(verdict.judgement == "rejected" for verdict in verdicts)
    open_ = must_verify and any(verdict.judgement == "unverified" for verdict in verdicts)
    notes.append(_how(len(cited), verdicts, picture is not None))
    status: Status = "partly" if checked.notes or doubted or rejected or open_ else "grounded"
    shown = [replace(verdict, sentence=evidence.check(verdict.sentence).text) for verdict in verdicts]
    return Assessment(checked, status, notes, shown)


def _how(sentences: int, verdicts: Sequence[Verdict], sees: bool) -> str:
    """Return a sentence on which checks were made."""
    many = f"{sentences} cited sentence{'s' if sentences != 1 else ''}"
    if not verdicts:
        return f"Checked: {many}, by words against the notes"
    counts = [
        f"{count} {judgement}"
        for judgement in ("confirmed", "rejected", "unverified")
        if (count := sum(verdict.judgement == judgement for verdict in verdicts))
    ]
    with_pictures = " that saw the pictures" if sees else ""
    return f"Checked: {many}, by words against the notes and by a second call{with_pictures}: {', '.join(counts)}"


def with_watched_for(text: str, watched_for: str) -> str:
    """Return a refusal that says what was watched for; any other text as it is."""
    if NOT_NOTED in text and watched_for and f"{NOT_NOTED} (" not in text:
        return text.replace(NOT_NOTED, f"{NOT_NOTED} (watched for: {watched_for})", 1)
    return text
