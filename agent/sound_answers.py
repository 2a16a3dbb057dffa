"""Answers about sounds other than speech: whether there is music, when somebody claps, what can be heard."""

from __future__ import annotations

import re

from videochat.agent.findings import Asked, Finding
from videochat.agent.notes import length_of, range_text
from videochat.memory import Hit
from videochat.memory.appearances import labels_meant

_MOST_SOUNDS, _MOST_TIMES = 6, 4
# With more words than this beside a sound, something else is asked.
_MOST_BESIDE = 1


def about_events(asked: Asked) -> list[Finding]:
    """Return when the sounds that a question names are heard; all of them where it only asks what there is to hear."""
    query = asked.query
    if set(query.kinds) - {"sound", "speech"} or ("speech" in query.kinds and "sound" not in query.kinds):
        return []
    if query.relation is not None or query.ordinal is not None or query.asks in ("where", "size", "amount", "compare"):
        return []
    if "sound" not in query.kinds and query.subject and all(map(asked.in_view, query.subject)):
        return []  # an animal, say, is seen sooner than heard
    events = asked.in_span(asked.notes.of("sound"))
    words = [*query.subject, *query.names]
    meant = [hit for hit in events if labels_meant(words, _names(hit))]
    named = {word for word in words if any(labels_meant([word], _names(hit)) for hit in meant)}
    beside = [word for word in query.subject if word not in named and not asked.idle(word)]
    if not meant and "sound" in query.kinds and not beside:
        # That there is a sound track answers whether there is sound.
        meant = [] if query.asks == "presence" else events
    elif len(beside) > (0 if query.names or (query.asks in ("other", "list") and not query.kinds) else _MOST_BESIDE):
        # In another language the name of a sound is itself a word beside it.
        meant = meant if query.names and len(beside) <= len(query.names) else []
    by_label: dict[str, list[Hit]] = {}
    for hit in meant:
        by_label.setdefault(hit.caption.text, []).append(hit)
    groups = sorted(by_label.items(), key=lambda group: -sum(map(length_of, group[1])))[:_MOST_SOUNDS]
    return [_heard(asked, label, hits) for label, hits in groups]


def _heard(asked: Asked, label: str, hits: list[Hit]) -> Finding:
    if asked.query.asks == "length":
        seconds = f"{sum(map(length_of, hits)):.1f}"
        return Finding(asked.say("heard_length", what=label, seconds=seconds), tuple(hits[:_MOST_TIMES]), computed=True)
    times = [range_text(hit.start_seconds, hit.end_seconds) for hit in hits[:_MOST_TIMES]]
    return Finding(asked.say("heard", what=label, when=asked.say.listed(times)), tuple(hits[:_MOST_TIMES]))


def _names(hit: Hit) -> list[str]:
    """Return the words for a sound: of `vehicle horn, car horn, honking` each, of `keyboard (musical)` the first."""
    return [name.strip() for name in re.sub(r"\([^)]*\)", "", hit.caption.text).split(",") if name.strip()]
