"""What follows from the notes of a video for one question: sentences, each with the captions that it rests on."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from videochat.agent.notes import (
    Notes,
    at_most,
    crowd,
    joined_sentences,
    length_of,
    range_text,
    same_moment,
    when,
)
from videochat.agent.phrases import Phrases
from videochat.agent.word_overlap import coverage
from videochat.intervals import Interval
from videochat.memory import Hit, appearances
from videochat.memory.appearances import Appearance, coloured, colours_meant, joined_names, labels_meant
from videochat.memory.query import Query
from videochat.memory.thing_names import label_in
from videochat.memory.times import number_words
from videochat.memory.words import english_names
from videochat.records import Caption, Kind

# How much of what a question is about a caption must share to be quoted; found on one half of
# benchmarks/natural_questions.json.
_ENOUGH, _ENOUGH_OF_KIND, _ENOUGH_LIKENESS = 0.46, 0.25, 0.45
# Of the words of a question in another language, as English has them.
_ENOUGH_NAMED = 0.35
_SOME, _SOME_LIKENESS = 0.3, 0.33
_NEARLY_AS_GOOD = 0.75
# In other words than the question's: so alike, and so much more than any other caption.
_STANDS_OUT, _STANDS_OUT_BY = 0.33, 0.12
# So alike where a caption holds what is asked for by its sort.
_STANDS_OUT_TYPED = 0.3
_TELLS = {
    "place": re.compile(r"\b(?:in|at|near|from|to) (?:the )?[A-Z]\w+|\b[A-Z][a-z]+, (?:[A-Z][a-z]+|[A-Z]\.[A-Z]\.)"),
    "day": re.compile(
        r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|tonight|[12]?\d(?:st|nd|rd|th))\b", re.I
    ),
    "date": re.compile(
        r"\b(?:(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d\d?|\d\d?(?:st|nd|rd|th)? of [A-Z][a-z]+"
        r"|\d\d?[./-]\d\d?[./-]\d{2,4}|\d{4}-\d\d-\d\d)\b|\d月\d+日",
        re.I,
    ),
    "year": re.compile(r"\b(?:1\d|20)\d\d\b"),
}
_UNSPACED = ("zh", "ja")
_DESCRIBED = ("clip_caption", "video_caption", "action")
# So many words beside a thing ask what following it does not tell.
_MOST_BESIDE = 3
# What captions of measures call the topics of `Phrases`.
_MEASURES = {"lightness": "light", "camera_speed": "camera", "moving_share": "motion", "loudness": "sound"}
# A reply follows a question by no more than this.
_ASKS, _REPLY_SECONDS = re.compile(r"[?？][\"”')]*\s*$"), 4.0


@dataclass(frozen=True)
class Finding:
    """A sentence that follows from the notes, with the captions that it rests on."""

    text: str
    """In the language of the question, without citations."""
    hits: tuple[Hit, ...] = ()
    """What it rests on, best first; none where it rests on the file itself."""
    computed: bool = False
    """Whether it was counted, measured or compared, so that no single caption says it."""


@dataclass(frozen=True)
class Answered:
    """What the notes say to a question."""

    findings: list[Finding]
    """Best first."""
    found: bool = True
    """Whether they answer it; else they are only what comes nearest."""


class Asked:
    """One question to the notes of one video: what it means among them, and how they are told.

    Args:
        query: the question as it was read.
        notes: of the video.
        hits: what was found for it, best first.
    """

    def __init__(self, query: Query, notes: Notes, hits: Sequence[Hit]) -> None:
        self.query, self.notes, self.hits = query, notes, list(hits)
        self.say = Phrases(query.text)
        # "Does anybody say ...?" asks for words, not for a person.
        heard = bool({"speech", "ocr"} & {*query.kinds}) and query.asks != "count"
        self.colours: dict[str, set[str]] = {}
        """The words for a colour of a thing, and what captions of things call it; empty where it names no thing."""
        self.subject = joined_names(query.subject, self.say.text)
        """What the question is about, names of several words as one."""
        meant = [word for word in (*self.subject, *query.names) if not (heard and self.names_person(word))]
        self.labels: list[str] = labels_meant(meant, (thing.name for thing in notes.things))
        # Where words are not spaced, pairs of signs are no words that could be counted.
        spaced = self.say.language not in _UNSPACED
        if query.asks == "count" and spaced and len(self.beside_labels()) >= _MOST_BESIDE:
            self.labels = []  # it asks something of a thing that following it does not tell
        self.topic = self.say.topic
        if self.topic == "moving_share" and self.say.means("quiet") and notes.audible:
            self.topic = "loudness"  # where there is something to hear, quiet is what one hears
        self.text = query.text.casefold()
        # "Black and white" is the picture, and an orange a fruit.
        named = {w: c for w, c in colours_meant(self.say.text).items() if w not in self.labels}
        if not (self.topic == "colours" and len(named) > 1):
            if named and not self.labels and re.search(r"\b(?:ones?|anything|something)\b", self.say.text):
                wanted = set().union(*named.values())
                self.labels = [thing.name for thing in notes.things if coloured(thing, wanted)]
            self.colours = named if self.labels else {}

    def itself(self) -> tuple[Hit, ...]:
        """Return what stands for the video as a whole: its summary, else the caption that reaches furthest."""
        if self.notes.whole is not None:
            return (Hit(self.notes.whole),)
        last = max(self.notes.captions, key=lambda c: c.end_seconds - c.start_seconds, default=None)
        return () if last is None else (Hit(last),)

    def counted(self, thing: Appearance) -> Finding:
        """Return how many of a sort of thing there are, at once and in all."""
        name = self.say.many(thing.at_once, thing.name)
        key = "count_same" if thing.count == thing.at_once else "count"
        text = self.say(key, what=name, n=thing.count, name=self.say.many(thing.count, thing.name))
        return Finding(text, tuple(at_most(thing)), computed=True)

    def fitting(self) -> list[Hit]:
        """Return the hits that say what the question is about, best first."""
        # Words that only say that something is seen or heard tell no caption from another.
        words = tuple(word for word in self.query.subject if not self.idle(word))
        words = words or (() if self.query.kinds else self.query.subject)
        captions = [hit.caption for hit in self.hits]
        share = coverage(words or self.query.terms, captions)
        if self.query.names:
            # What captions in English call the things that the question names.
            named = coverage(self.query.names, captions)
            spaced = self.say.language not in _UNSPACED
            known = min(len(self.query.names) / max(len(words), 1), 1.0) if spaced else 1.0
            named = {id_: known * value for id_, value in named.items()}
            share = {
                id_: named[id_] if named[id_] >= max(value, _ENOUGH_NAMED) else value for id_, value in share.items()
            }
        telling = self._telling()
        if not words:
            order = [hit for hit in self.hits if hit.caption.kind in self.query.kinds]
            return [hit for hit in order if hit.caption.text == telling] or order
        # That a thing is there answers only whether, when, where and how many.
        mute = {"shot", "measure"} | ({"objects"} if self.query.asks == "other" else set())
        mute |= {"sound"} - {*self.query.kinds} if self.query.asks in ("other", "list", "where") else set()
        outstanding = telling or self._outstanding()
        fits = {
            hit.caption.id: share[hit.caption.id] + max(hit.similarity - 0.2, 0.0)
            for hit in self.hits
            if hit.caption.kind not in mute
            # A label is one word: like it is much of what goes with it.
            and (hit.caption.kind != "objects" or share[hit.caption.id] > 0)
            and (
                share[hit.caption.id] >= self._enough(hit.caption)
                or hit.similarity >= _ENOUGH_LIKENESS
                or (share[hit.caption.id] >= _SOME and hit.similarity >= _SOME_LIKENESS)
                or hit.caption.text == outstanding
            )
        }
        order = [hit for hit in self.hits if hit.caption.id in fits]
        order = [hit for hit in order if hit.caption.kind in self.query.kinds] or order
        order.sort(key=lambda hit: -fits[hit.caption.id])
        best = [hit for hit in order if fits[hit.caption.id] >= _NEARLY_AS_GOOD * fits[order[0].caption.id]]
        if telling:
            best = [hit for hit in order if hit.caption.text == telling] or best
        if self.say.means("doing") and all(hit.caption.kind in _DESCRIBED for hit in best):
            best.sort(key=lambda hit: hit.start_seconds - hit.end_seconds)  # what is done for longest
        return best

    def _telling(self) -> str:
        """Return the text that alone holds what is asked for by its sort, as a place or a day; empty where none is."""
        likest = self._likest()
        for tells in (tells for kind, tells in _TELLS.items() if self.say.means(f"asks_{kind}")):
            best = max(likest, key=likest.__getitem__, default="")
            if best and likest[best] >= _STANDS_OUT_TYPED and tells.search(best):
                return best
            # Of what is on the slides, say, one alone names a place.
            asked = {h.caption.text for h in self.hits if h.caption.kind in self.query.kinds}
            if len(found := [text for text in asked if tells.search(text)]) == 1:
                return found[0]
        return ""

    def _outstanding(self) -> str:
        """Return the text that is much more like the question than all others; empty where none is."""
        likest = self._likest()
        (best, most), (_, next_) = [*sorted(likest.items(), key=lambda item: -item[1]), ("", 0.0), ("", 0.0)][:2]
        return best if most >= _STANDS_OUT and most - next_ >= _STANDS_OUT_BY else ""

    def _likest(self) -> dict[str, float]:
        """Return how alike the question the texts that were found are."""
        likest: dict[str, float] = {}
        for hit in self.hits:
            likest[hit.caption.text] = max(hit.similarity, likest.get(hit.caption.text, 0.0))
        return likest

    def _enough(self, caption: Caption) -> float:
        """Return how much of the words of the question a caption must share to be quoted."""
        # Where a question names the sense, less of its words tell which caption it means.
        # Of a question in another language, captions can share little more than names.
        foreign = self.say.language != (caption.language or "en")
        return _ENOUGH_OF_KIND if caption.kind in self.query.kinds or foreign else _ENOUGH

    def names_person(self, word: str) -> bool:
        """Whether a word means anybody: of what somebody says, it does not matter whether he is seen."""
        return self.say.is_word("person", word) or bool(labels_meant([word], ["person"]))

    def strange(self) -> bool:
        """Whether the question is about something beside what its type and sense name."""
        return not all(map(self.idle, self.query.subject))

    def idle(self, word: str) -> bool:
        """Whether a word only says that something is seen or heard."""
        if len(word) < 2 or word in self.say.film_words or word in self.say.words_of("shot"):
            return True
        known = ("thing", "sound", "shot", "cut", "speech", "ocr", "person", "why", "manner")
        return any(self.say.is_word(name, word) for name in known)

    def tells_year(self, finding: Finding) -> bool:
        """Whether a finding names a year, where the question asks for one."""
        return not self.say.means("asks_year") or _TELLS["year"].search(finding.text) is not None

    def in_view(self, word: str) -> bool:
        """Whether a word means a thing that was followed, or says nothing."""
        return self.idle(word) or bool(labels_meant([word], self.labels))

    def meant(self) -> list[Appearance]:
        """Return the sorts of things that the question means, of the colour that it names."""
        things = [thing for thing in self.notes.things if thing.name in self.labels]
        return self._in_colour(things) if self.colours else things

    def _in_colour(self, things: Iterable[Appearance]) -> list[Appearance]:
        wanted = set().union(*self.colours.values())
        have = [found for thing in things if (found := coloured(thing, wanted)) is not None]
        word = next(iter(self.colours))
        if self.say.language == "en":
            return [replace(thing, name=f"{word} {thing.name}") for thing in have]
        return [replace(thing, name=f"{label_in(self.say.language, thing.name, 1)} ({word})") for thing in have]

    @property
    def number_of_things(self) -> int:
        """The number that the question names of a thing that was followed; 0 where it names none."""
        words = re.findall(r"[^\W_]+", self.say.text)
        for number, *after in zip(words, words[1:], [*words[2:], ""], strict=False):
            value = int(number) if number.isdecimal() and len(number) < 3 else int(number_words().get(number, 0))
            meant = [*after, *english_names(" ".join(after))]
            if value > 1 and labels_meant(meant, self.labels):
                return value
        return 0

    def beside_labels(self) -> list[str]:
        """Return the words of the question that neither mean a thing that was followed, or its colour, nor are idle."""
        words = [word for word in self.subject if not self.in_view(word) and word not in self.colours]
        # What a thing is doing is seen with it, as far as it is.
        return [word for word in words if not (self.say.language == "en" and word.endswith("ing"))]

    @property
    def asks_colour(self) -> bool:
        """Whether it asks for the colour of a thing that was followed."""
        return self.topic == "colours" and bool(self.labels) and not self.colours

    def title(self) -> list[Hit]:
        """Return the text in the largest letters, where the question only asks for a title."""
        words = [word for word in self.query.subject if not self.idle(word) and not self.say.is_word("title", word)]
        texts = [hit for hit in self.in_span(self.notes.of("ocr")) if hit.caption.box is not None]
        if words or not texts or not self.say.means("title") or self.say.means("slide"):
            return []
        return [max(texts, key=_letter_height)]

    def clipped(self, thing: Appearance, span: Interval | None = None) -> Appearance | None:
        """Return what is seen of a thing in the range that the question names; None where nothing is."""
        span = span or self.query.span
        if span is None:
            return thing
        inside = [c for c in thing.captions if c.overlaps(*span)]
        return appearances(inside)[0] if inside else None

    def in_span(self, hits: Sequence[Hit]) -> list[Hit]:
        """Return the hits within the range that the question names; all where it names none."""
        span = self.query.span
        return [h for h in hits if span is None or (h.start_seconds < span[1] and span[0] < h.end_seconds)]

    def touching(self, kinds: Iterable[Kind], span: Interval) -> list[Hit]:
        """Return what some senses noted within a range."""
        found = [hit for kind in kinds for hit in self.notes.of(kind)]
        return [hit for hit in found if hit.start_seconds < span[1] and span[0] < hit.end_seconds]

    def crowded(self, thing: Appearance) -> list[Finding]:
        """Return when the most of a sort of thing are in sight."""
        start, end, cited = crowd(thing)
        what = self.say.many(thing.at_once, thing.name)
        return [Finding(self.say("most_at_once", what=what, when=range_text(start, end)), tuple(cited), computed=True)]

    def shot(self, key: str, shot: Hit) -> Finding:
        """Return a shot as a sentence."""
        text = self.say(key, seconds=f"{length_of(shot):.1f}", when=when(shot))
        return Finding(text, (shot,), computed=True)

    def seen(self, thing: Appearance, *, yes: bool = False) -> Finding:
        """Return when a sort of thing is in sight."""
        spans = [range_text(start, end) for start, end in thing.spans[:4]]
        many = yes and thing.at_once > 1 and self.say.knows("yes_seen_many")
        key = "yes_seen_many" if many else "yes_seen" if yes else "seen_at"
        what = self.say.many(thing.at_once, thing.name) if many else self.say.one(thing.name)
        firsts = [next(c for c in thing.captions if c.end_seconds > start) for start, _ in thing.spans[:4]]
        hits = tuple(Hit(c, span=thing.spans[i] if len(thing.captions) > 1 else None) for i, c in enumerate(firsts))
        if many:
            hits += tuple(hit for hit in at_most(thing) if all(hit.caption.id != other.caption.id for other in hits))
        return Finding(self.say(key, what=what, when=self.say.listed(spans)), hits, computed=many)

    def in_sight(self, thing: Appearance) -> Finding:
        """Return for how long a sort of thing is in sight."""
        text = self.say("in_sight", what=self.say.one(thing.name), seconds=f"{thing.seconds:.1f}")
        return Finding(text, self.seen(thing).hits, computed=True)

    def told(self, hit: Hit) -> Finding:
        """Return a caption as a sentence; of speech, the whole sentence of which it is a part."""
        if hit.caption.kind == "speech" and hit.caption.attributes.get("words_known") is not False:
            for group in joined_sentences(self.notes.of("speech")):
                if any(same_moment(hit, other) for other in group):
                    return self.spoken(sorted(group, key=lambda other: not same_moment(hit, other)), group)
        return Finding(self.sentence(hit), (hit,))

    def reply_to(self, hit: Hit) -> list[Finding]:
        """Return what is said next where a hit is a question: it holds the answer sooner than the question does."""
        groups = joined_sentences(self.notes.of("speech")) if hit.caption.kind == "speech" else []
        for asking, reply in itertools.pairwise(groups):
            # So does what is said after what is to be explained.
            asks = _ASKS.search(asking[-1].caption.text) or self.say.means("why")
            if asks and any(same_moment(hit, other) for other in asking):
                near = reply[0].start_seconds - asking[-1].end_seconds <= _REPLY_SECONDS
                return [self.spoken(reply)] if near else []
        return []

    def spoken(self, cited: Sequence[Hit], group: Sequence[Hit] | None = None) -> Finding:
        """Return lines of speech as one quote; the first of those cited is the one that was looked for."""
        words = " ".join(" ".join(hit.caption.text.split()) for hit in group or cited)
        return Finding(self._said(cited[0].caption, words), tuple(cited))

    def _said(self, caption: Caption, words: str) -> str:
        who = caption.attributes.get("speaker")
        return self.say("speaker_says", who=who, what=words) if who else self.say("said", what=words)

    def quoted(self, key: str, hit: Hit) -> str:
        """Return a caption within a sentence."""
        return self.say(key, what=" ".join(hit.caption.text.split()))

    def as_title(self, hit: Hit) -> Finding:
        """Return a title as a sentence; its lines are one name."""
        return Finding(self.say("shown", what=" ".join(hit.caption.text.replace(" / ", " ").split())), (hit,))

    def sentence(self, hit: Hit, *, yes: bool = False) -> str:
        """Return a caption as a sentence."""
        caption = hit.caption
        text = " ".join(caption.text.split())
        if caption.kind == "speech":
            if caption.attributes.get("words_known") is not False:
                return self._said(caption, text)
            return f"{text}." if "speaker" in caption.attributes else self.say("somebody_speaks")
        if caption.kind == "ocr":
            return self.say("shown", what=text)
        if caption.kind == "objects":
            return self.say("yes_seen" if yes else "seen_at", what=self.say.one(caption.text), when=when(hit))
        if caption.kind == "shot":
            return (
                self.say("change")
                if caption.attributes.get("event") == "sudden_change"
                else self.say("shot_is", seconds=f"{length_of(hit):.1f}", when=when(hit))
            )
        if caption.kind == "sound":
            return self.say("heard", what=text, when=when(hit))
        if caption.kind == "measure":
            return self.say("measured", what=self.measure(caption))
        return self.say("noted", what=text)

    def measures_it(self, caption: Caption) -> bool:
        """Whether a caption is no measure, or one of what the question asks for; of nothing particular, any is."""
        return caption.kind != "measure" or not self.topic or self.measure(caption) != caption.text

    def measure(self, caption: Caption) -> str:
        """Return what was measured of what the question asks for; all of it where it asks for nothing particular."""
        name = _MEASURES.get(self.topic, self.topic)
        return f"{name}: {caption.attributes[name]}" if name in caption.attributes else caption.text


def _letter_height(hit: Hit) -> float:
    """Return how high a line of a text on the screen is, in pixels."""
    box = hit.caption.box
    return 0.0 if box is None else (box[3] - box[1]) / (hit.caption.text.count(" / ") + 1)
