"""A question read with the conversation before it: "what does he do then?" made whole, by the model or by citations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from videochat.agent.conversation import Conversation
from videochat.agent.phrases import follow_up_words
from videochat.memory.query import Ordinal, Query, about
from videochat.memory.words import content_words
from videochat.records import Caption

_REWRITE = (
    "Rewrite the last question of a conversation about a video so that it can be understood without the conversation: "
    "put in what its pronouns and its 'then' stand for, with times where they matter. Keep its language. Answer with "
    "the question alone; if it stands alone already, repeat it."
)
_TURNS, _LONGEST = 6, 600
_SLACK_SECONDS = 0.3


@dataclass(frozen=True)
class ReadQuestion:
    """A question as retrieval gets it."""

    query: Query
    start_seconds: float = 0.0
    """Only what ends after this, where it asks what comes then."""
    end_seconds: float | None = None
    """Only what starts before this, where it asks what came before."""


def read_question(
    text: str,
    conversation: Conversation,
    duration_seconds: float,
    rewrite: Callable[[list[BaseMessage]], AIMessage] | None,
) -> ReadQuestion:
    """Read a question, with the turns before it where it refers to them.

    Args:
        text: the question.
        conversation: the turns before.
        duration_seconds: how long the video is.
        rewrite: asks the language model to make the question whole; None where there is none. A failure leaves the
            question as it is.
    """
    alone = ReadQuestion(Query.parse(text, duration_seconds))
    if not conversation.messages or not refers_back(text):
        return alone
    if rewrite is not None:
        try:
            whole = rewrite(_request(text, conversation)).text.strip()
        except Exception:
            return alone
        # An answer in place of a question, or a page of thoughts, is no question.
        return ReadQuestion(Query.parse(whole, duration_seconds)) if 0 < len(whole) <= _LONGEST else alone
    return _from_citations(alone.query, conversation, duration_seconds)


def refers_back(text: str) -> bool:
    """Whether a question may need the turns before it to be understood."""
    words, lowered = follow_up_words(), text.casefold().strip(" ¿¡")
    if any(re.search(words[name], lowered) for name in ("then", "before", "during", "goes_on")):
        return True
    return re.search(words["refers"], lowered) is not None and re.search(words["alone"], lowered) is None


def _request(text: str, conversation: Conversation) -> list[BaseMessage]:
    turns = [
        f"{'Question' if isinstance(message, HumanMessage) else 'Answer'}: {message.text[:_LONGEST]}"
        for message in conversation.messages[-_TURNS:]
    ]
    return [SystemMessage(_REWRITE), HumanMessage("\n".join([*turns, f"Last question: {text}"]))]


def _from_citations(query: Query, conversation: Conversation, duration: float) -> ReadQuestion:
    """Make a question whole without a model: by the question before it, and the moment that the last answer cites."""
    words, lowered = follow_up_words(), query.text.casefold()
    asked = next((m.text for m in reversed(conversation.messages) if isinstance(m, HumanMessage)), "")
    answered = next((m.text for m in reversed(conversation.messages) if isinstance(m, AIMessage)), "")
    before = Query.parse(asked, duration)
    cited: list[Caption] = conversation.evidence.cited_in(answered)[:1]
    span = conversation.evidence.span_of(cited[0]) if cited else None
    rest = re.sub("|".join(words[name] for name in ("then", "refers", "goes_on")), " ", lowered)
    short = not about(rest)
    if before.ordinal is not None and before.ordinal.position >= 0 and short and re.search(words["then"], lowered):
        return ReadQuestion(replace(before, ordinal=Ordinal(before.ordinal.kind, before.ordinal.position + 1)))
    if span is not None and re.search(words["before"], lowered):
        kind = query.kinds[0] if query.kinds else cited[0].kind
        return ReadQuestion(replace(query, ordinal=Ordinal(kind, -1), relation=None), 0.0, span[0] + _SLACK_SECONDS)
    if span is not None and query.span is None and re.search(words["during"], lowered):
        return ReadQuestion(replace(query, span=span, ordinal=None, relation=None, asks="other", subject=()))
    # "After that" names no moment of its own.
    own = query.relation is not None and bool(about(re.sub(words["idle"], " ", query.relation.what.casefold())))
    then = re.search(words["then"], lowered) or (query.relation is not None and query.relation.name == "after")
    if span is not None and then and not own and query.span is None:
        kinds = query.kinds or before.kinds
        after = kinds[0] if kinds else None
        start = min(span[1], duration)
        follows = (start, min(start + 5.0, duration)) if after is None and start < duration - 0.5 else None
        order = None if after is None else Ordinal(after, 0)
        return ReadQuestion(
            replace(query, ordinal=order, relation=None, span=follows, asks="other", subject=(), kinds=kinds),
            max(start, 0.0),
        )
    if query.asks == "other" and (short or re.search(words["goes_on"], lowered)) and query.span is None:
        query = replace(
            query, asks=before.asks, kinds=query.kinds or before.kinds, ordinal=query.ordinal or before.ordinal
        )
    if re.search(words["refers"], lowered) and (short or query.asks in ("when", "where", "length", "count")):
        # What only names a sense ("the cuts") is what "the last one" means all the same.
        subject = before.subject or tuple(content_words(before.text))
        query = replace(
            query,
            text=f"{query.text} {' '.join(subject)}",
            terms=tuple(dict.fromkeys([*query.terms, *subject])),
            names=tuple(dict.fromkeys([*query.names, *before.names])),
            subject=tuple(dict.fromkeys([*query.subject, *before.subject])),
            kinds=query.kinds or before.kinds,
        )
    return ReadQuestion(query)
