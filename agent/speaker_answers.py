"""Answers about who speaks: who says something, what one of them says, how many there are, and who they may be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from videochat.agent.findings import Asked, Finding
from videochat.agent.measured_answers import shares
from videochat.agent.notes import joined_sentences, range_text
from videochat.agent.speakers import SPEAKER, NameClaim, is_turn, name_claims
from videochat.memory import Hit
from videochat.memory.merged import merge_equal
from videochat.records import Caption

_MOST_LINES, _MOST_TIMES = 12, 4


def about_speakers(asked: Asked) -> list[Finding]:
    """Return what answers a question about who speaks; nothing where no voice is told from another."""
    captions = [c for c in asked.notes.captions if c.kind == "speech" and SPEAKER in c.attributes]
    if not captions:
        return []
    claims = {claim.speaker: claim for claim in name_claims(asked.notes.captions)}
    named = _named(asked, captions, claims)
    if asked.say.means("who_is") and named:
        return [_claimed(asked, claims[who]) for who in named if who in claims]
    if named and ("speech" in asked.query.kinds or asked.query.asks in ("when", "length", "list")):
        return _one(asked, captions, named, claims)
    if not named and asked.query.asks == "count" and asked.say.means("speakers"):
        firsts = _firsts(captions)
        return [Finding(asked.say("speaker_count", n=len(firsts)), tuple(firsts.values()), computed=True)]
    if asked.say.means("who") and "speech" in asked.query.kinds:
        return _who(asked, captions, claims)
    return []


def _who(asked: Asked, captions: Sequence[Caption], claims: dict[str, NameClaim]) -> list[Finding]:
    """Return the lines that the question quotes with who says them; everybody where it quotes nothing."""
    if asked.strange():
        lines = [hit for hit in asked.fitting() if hit.caption.kind == "speech" and SPEAKER in hit.caption.attributes]
        told = [asked.told(hit) for hit in lines[:2]]
        who = list(dict.fromkeys(str(hit.caption.attributes[SPEAKER]) for hit in lines[:2]))
        return [*told, *(_claimed(asked, claims[name]) for name in who if name in claims)] if told else []
    found = []
    for name, first in list(_firsts(captions).items())[:_MOST_LINES]:
        mine = _spans(asked, captions, name)
        times = asked.say.listed(range_text(hit.start_seconds, hit.end_seconds) for hit in mine[:_MOST_TIMES])
        found.append(Finding(asked.say("speaker_speaks", who=name, when=times), tuple(mine[:_MOST_TIMES] or [first])))
    return [*found, *(_claimed(asked, claim) for claim in claims.values())]


def _one(
    asked: Asked, captions: Sequence[Caption], named: Sequence[str], claims: dict[str, NameClaim]
) -> list[Finding]:
    """Return what those say whom the question names, or when they speak."""
    found: list[Finding] = []
    for name in named:
        if asked.query.asks in ("when", "length"):
            spans = _spans(asked, captions, name)
            seconds = sum(hit.end_seconds - hit.start_seconds for hit in spans)
            times = asked.say.listed(range_text(hit.start_seconds, hit.end_seconds) for hit in spans[:_MOST_TIMES])
            key = "speaker_length" if asked.query.asks == "length" else "speaker_speaks"
            text = asked.say(key, who=name, when=times, seconds=f"{seconds:.1f}")
            found += [Finding(text, tuple(spans[:_MOST_TIMES]), computed=True)] if spans else []
            continue
        lines = [hit for hit in asked.in_span(asked.notes.of("speech")) if name in _names(hit.caption)]
        words = [w for w in asked.query.subject if not asked.idle(w) and w not in name.casefold().split()]
        known = claims[name].name.casefold().split() if name in claims else []
        wanted = [word for word in words if word not in known]
        if wanted:
            fitting = [hit for hit in asked.fitting() if name in _names(hit.caption)]
            fitting = [hit for hit in fitting if shares(wanted, hit.caption)] or fitting
            found += [asked.told(hit) for hit in fitting[:2]]
        else:
            found += [asked.spoken(group) for group in joined_sentences(lines)[:_MOST_LINES]]
    return found


def _claimed(asked: Asked, claim: NameClaim) -> Finding:
    key = "perhaps_said" if claim.evidence.kind == "speech" else "perhaps_shown"
    words = " ".join(claim.evidence.text.split())
    return Finding(asked.say(key, who=claim.speaker, name=claim.name, what=words), (Hit(claim.evidence),))


def _named(asked: Asked, captions: Sequence[Caption], claims: dict[str, NameClaim]) -> list[str]:
    """Return the voices that the question names, by number or by a name that they have or may have."""
    found = []
    for name in _firsts(captions):
        number = re.fullmatch(r"Speaker (\d+)(?: from .*)?", name)
        known = claims[name].name if name in claims else "" if number else name
        # A part of a name is one where it is written as one: "Anna" of "Anna von Berg".
        parts = [known, *(part for part in known.split() if part[:1].isupper() and len(part) > 2)]
        patterns = [rf"(?<!\w){re.escape(part.casefold())}(?!\w)" for part in parts if part]
        if number:
            patterns.append(rf"\b(?:speaker|voice|sprecher|stimme|hablante|voz|locuteur|voix)\s*{number[1]}\b")
        if any(re.search(pattern, asked.text) for pattern in patterns):
            found.append(name)
    return found


def _names(caption: Caption) -> list[str]:
    return str(caption.attributes.get(SPEAKER) or "").split(", ")


def _firsts(captions: Sequence[Caption]) -> dict[str, Hit]:
    """Return each voice with the first that it says, in the order in which they are heard."""
    firsts: dict[str, Hit] = {}
    # Words say more than that somebody speaks.
    for caption in sorted(captions, key=lambda c: (is_turn(c), c.start_seconds)):
        for name in _names(caption):
            firsts.setdefault(name, Hit(caption))
    return dict(sorted(firsts.items(), key=lambda item: (item[1].start_seconds, item[0])))


def _spans(asked: Asked, captions: Sequence[Caption], name: str) -> list[Hit]:
    """Return when a voice speaks: its turns where they are known, else its lines."""
    mine = [caption for caption in captions if name in _names(caption)]
    turns = [caption for caption in mine if is_turn(caption)]
    return asked.in_span(merge_equal(turns) if turns else [Hit(caption) for caption in mine])
