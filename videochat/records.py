"""The records that travel between the rooms: caption, citation, answer.

Times are seconds from where a player starts to count, intervals are half-open.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

from videochat.answer_html import answer_html, answer_style, captions_html
from videochat.errors import InvalidArgument, UnknownName, check_number
from videochat.intervals import Interval, check_interval, clock_range
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

Kind = Literal[
    "action",
    "clip_caption",
    "tags",
    "dense_caption",
    "objects",
    "speech",
    "sound",
    "ocr",
    "shot",
    "video_caption",
    "summary",
    "measure",
    "claim",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The senses a caption can come from. `measure`: light, colours, camera and motion as numbers; `claim`: what a model
said of a clip when it was asked, with the question as an attribute, which is no evidence."""
DERIVED_KINDS: frozenset[Kind] = frozenset({"summary", "claim"})
"""Kinds that nobody saw or heard; what names no kinds leaves them out."""

_MOST_SECONDS = 1e9
_MOST_CLIPS = 4  # of an answer in a notebook
_MOST_SHOWN = 160  # characters of a caption where a citation is printed
_LARGEST_WHOLE = 2**53
_SURROGATE = re.compile("[\ud800-\udfff]")

AttributeValue = str | int | float | bool
"""What a caption's `attributes` may hold."""

Status = Literal["grounded", "partly", "claim", "not_found"]
STATUSES: tuple[Status, ...] = get_args(Status)
"""How far an answer rests on retrieved captions."""


def check_kind(kind: str) -> Kind:
    """Return `kind` if it is one of `KINDS`.

    Raises:
        UnknownName: it is not; the message lists those that are.
    """
    if kind not in KINDS:
        raise UnknownName("kind", kind, KINDS)
    return kind


@dataclass(frozen=True)
class Caption:
    """One timestamped piece of text about a video: the only currency between the rooms.

    Two captions that say the same about the same moment are equal and have the same `id`,
    so that watching twice stores once.

    Raises:
        InvalidArgument: the interval, text, score or box is not one.
        UnknownName: the kind is not one of `KINDS`.
    """

    video_id: str
    """`Video.id` of the video it is about."""
    start_seconds: float
    """First moment it is true of, in seconds from where a player starts to count."""
    end_seconds: float
    """First moment after; the interval is `[start_seconds, end_seconds)`."""
    kind: Kind
    """Which sense it comes from."""
    text: str
    """What was seen, heard or read."""
    source: str
    """The tool or model that said it, e.g. `rapidocr`."""
    score: float | None = None
    """The tool's own confidence, in [0, 1]."""
    box: tuple[float, float, float, float] | None = None
    """`(x1, y1, x2, y2)` in pixels of the source frame after rotation."""
    track_id: int | None = None
    """The same number for the same thing over time."""
    language: str | None = None
    """BCP 47 or ISO 639 code of spoken or written text, as far as known."""
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict, hash=False)
    """Facts beside the text, as plain values, so that nobody reads them out of prose: e.g. `scale` of a summary,
    `lightness` of a measurement. Part of the `id`; not to be changed."""

    def __post_init__(self) -> None:
        check_interval(self.start_seconds, self.end_seconds)
        if self.end_seconds > _MOST_SECONDS:
            raise InvalidArgument(f"a caption cannot end after {_MOST_SECONDS:g} seconds, got {self.end_seconds!r}")
        for name in ("video_id", "text", "source", "language"):
            value = getattr(self, name)
            if not isinstance(value, str) and (name != "language" or value is not None):
                raise InvalidArgument(f"{name} of a caption must be text, got {value!r:.60}")
        check_kind(self.kind)
        if not self.text.strip():
            raise InvalidArgument(f"a caption needs text, got {self.text!r} ({self.kind} from {self.source})")
        if not self.video_id:
            raise InvalidArgument("a caption needs the id of its video")
        for name in ("video_id", "text", "source"):
            try:
                getattr(self, name).encode()
            except UnicodeEncodeError as error:
                raise InvalidArgument(
                    f"{name} of a caption holds half a character ({error.reason}), so it is no text: "
                    f"{getattr(self, name)!a}"
                ) from error
        if self.score is not None:
            check_number("score", self.score)
            if not 0 <= self.score <= 1:
                raise InvalidArgument(f"score must be in [0, 1], got {self.score!r}")
        if self.track_id is not None:
            check_number("track_id", self.track_id)
            if not isinstance(self.track_id, int) or abs(self.track_id) > _LARGEST_WHOLE:
                raise InvalidArgument(f"track_id must be a whole number, got {self.track_id!r:.60}")
        if self.box is not None:
            object.__setattr__(self, "box", _checked_box(self.box))
        if not isinstance(self.attributes, Mapping):
            raise InvalidArgument(f"attributes must map names to values, got {self.attributes!r:.60}")
        for name, value in self.attributes.items():
            broken = isinstance(value, int | float) and not -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE
            broken = broken or any(_SURROGATE.search(text) for text in (name, value) if isinstance(text, str))
            if not isinstance(name, str) or not isinstance(value, str | int | float | bool) or broken:
                raise InvalidArgument(
                    f"attributes must map names to str, int, float or bool, got {name!r}: {value!r} ({self.kind})"
                )
        object.__setattr__(self, "attributes", dict(self.attributes))

    @cached_property
    def id(self) -> str:
        """32 hex digits made from the content (times to the millisecond); the score does not count."""
        parts = (
            self.video_id,
            self.kind,
            self.source,
            str(round(self.start_seconds * 1000)),
            str(round(self.end_seconds * 1000)),
            self.text,
            str(self.box or ""),
            str("" if self.track_id is None else self.track_id),
            *(f"{name}={json.dumps(self.attributes[name])}" for name in sorted(self.attributes)),
        )
        return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()

    def overlaps(self, start_seconds: float, end_seconds: float) -> bool:
        """Whether it shares a moment with `[start_seconds, end_seconds)`."""
        return self.start_seconds < end_seconds and start_seconds < self.end_seconds

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: every field that has a value, and the id."""
        data: dict[str, Any] = {"id": self.id}
        for name in _CAPTION_FIELDS:
            value = getattr(self, name)
            if value is not None and value != {}:
                data[name] = list(value) if name == "box" else dict(value) if name == "attributes" else value
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Caption:
        """Make a caption from `as_dict()`; unknown keys are left aside."""
        known = {name: data[name] for name in _CAPTION_FIELDS if data.get(name) is not None}
        if "box" in known:
            known["box"] = tuple(known["box"])
        return cls(**known)

    @property
    def attributed_text(self) -> str:
        """Its text as people read it: of words, after who says them, where that is known."""
        speaker = self.attributes.get("speaker")
        named = self.kind == "speech" and speaker and self.attributes.get("words_known") is not False
        return f"{speaker}: {self.text}" if named else self.text

    def __str__(self) -> str:
        where = f" {[round(v) for v in self.box]}" if self.box else ""
        return f"[{clock_range(self.start_seconds, self.end_seconds)}] {self.kind}: {self.attributed_text}{where}"

    def _repr_html_(self) -> str:
        return captions_html([self.as_dict()])


# `dataclasses.asdict` copies every value deeply, which takes longer than writing the caption.
_CAPTION_FIELDS = tuple(one.name for one in fields(Caption))


def _checked_box(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Return a box as floats: whole numbers and broken ones are one box, also to the id and to Chroma."""
    for value in box:
        check_number("A side of a box", value)
    if len(box) != 4 or not (0 <= box[0] < box[2] < math.inf and 0 <= box[1] < box[3] < math.inf):
        raise InvalidArgument(f"box must be (x1, y1, x2, y2) with 0 <= x1 < x2 and 0 <= y1 < y2: {box!r:.80}")
    x1, y1, x2, y2 = (float(value) for value in box)
    return x1, y1, x2, y2


@dataclass(frozen=True)
class Citation:
    """A place in an answer that points at a stored caption which was really retrieved."""

    caption: Caption
    thumbnail: Callable[[], bytes | None] | None = field(default=None, repr=False, compare=False)
    """Makes a JPEG of the moment when called; None where there are no pictures."""
    span: Interval | None = None
    """Of equal captions that touch, the interval that they fill together; None for that of the caption alone."""
    clip: Callable[[], bytes | None] | None = field(default=None, repr=False, compare=False)
    """Makes a small MP4 of the moment when called, for a notebook; None where it cannot be had."""
    video_name: str = field(default="", compare=False)
    """Name of the video, where the answer must say which one."""

    @property
    def start_seconds(self) -> float:
        """First moment of what is cited."""
        return self.span[0] if self.span else self.caption.start_seconds

    @property
    def end_seconds(self) -> float:
        """First moment after what is cited."""
        return self.span[1] if self.span else self.caption.end_seconds

    def __reduce__(self) -> tuple[type[Citation], tuple[Caption, None, Interval | None, None, str]]:
        # What makes picture and clip holds an open video, which cannot travel to another process.
        return Citation, (self.caption, None, self.span, None, self.video_name)

    def as_dict(self) -> dict[str, Any]:
        """Return `{start_seconds, end_seconds, kind, text}` of what is cited and what else the caption knows."""
        return self.caption.as_dict() | {"start_seconds": self.start_seconds, "end_seconds": self.end_seconds}

    def __str__(self) -> str:
        when = clock_range(self.start_seconds, self.end_seconds)
        text = self.caption.attributed_text
        text = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN].rsplit(' ', 1)[0]} …"
        taken = str(self.caption.attributes.get("wall_clock", ""))  # of a live recording, in ISO 8601
        at = f" ({taken[11:19]})" if taken and self.start_seconds == self.caption.start_seconds else ""
        name = f"{self.video_name} " if self.video_name else ""
        return f"[{name}{when}] {self.caption.kind}: {text}{at}"


@dataclass
class Step:
    """One call of a tool on the way to an answer."""

    tool: str
    """Its name."""
    args: dict[str, Any] = field(default_factory=dict)
    """What the model gave it."""
    seconds: float | None = None
    """How long it took; None while it runs, or where it failed."""
    captions: int | None = None
    """How many captions it brought."""
    error: str | None = None
    """Why it failed, where it did."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: every field that has a value."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return _old_item(self, name)

    def __contains__(self, name: str) -> bool:
        return getattr(self, name, None) is not None


@dataclass
class Usage:
    """What an answer took."""

    seconds: float = 0.0
    """From the question on, without the first watch."""
    model_calls: int = 0
    """Calls of the language model."""
    tool_calls: int = 0
    """Calls of tools."""
    input_tokens: int | None = None
    """Tokens read, where the model reports them."""
    output_tokens: int | None = None
    """Tokens written, where the model reports them."""
    frames: int | None = None
    """Pictures that a model was shown, where that is counted: by `videochat compare` and `evaluate`."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: every field that has a value."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return _old_item(self, name)


def _old_item(record: Step | Usage, name: str) -> Any:
    """Return a field of what was a dict in the previous release."""
    if name not in vars(record):
        raise KeyError(name)
    warnings.warn(
        f"{type(record).__name__}[{name!r}] is now .{name}; the old form goes with the next release.",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(record, name)


Judgement = Literal["confirmed", "rejected", "unverified"]
"""What a second look says of a sentence; one that failed, or was not understood, leaves it unverified."""


@dataclass(frozen=True)
class Verdict:
    """A cited sentence held once more against the captions that it cites."""

    sentence: str
    judgement: Judgement
    reason: str = ""
    """In the words of the model that judged, or why it could not."""


@dataclass(frozen=True)
class Answer:
    """What the agent says, and what it rests on.

    Raises:
        UnknownName: the status is not one of `STATUSES`.
        InvalidArgument: `grounded` or `partly` without a citation.
    """

    text: str
    """The answer; every `[MM:SS-MM:SS]` in it is the time of one of `citations`, after the name of its video where
    several were asked."""
    citations: list[Citation] = field(default_factory=list)
    """The captions it rests on, best first."""
    status: Status = "not_found"
    """`grounded`: every sentence that claims something cites captions that bear it, as far as was checked; `partly`:
    not all of them do; `claim`: a video model says so, and no caption bears it out; `not_found`: nothing that was
    retrieved supports an answer."""
    steps: list[Step] = field(default_factory=list, repr=False)
    """The calls of tools, in the order in which the model asked for them."""
    usage: Usage = field(default_factory=Usage)
    """What it took."""
    notes: list[str] = field(default_factory=list)
    """What the reader must know, e.g. that a citation was removed or a stretch was not seen."""
    option: str | None = None
    """The letter that was chosen where the question has options."""
    verdicts: list[Verdict] = field(default_factory=list)
    """What a second call said of each cited sentence, where there was one."""
    seen_seconds: float | None = None
    """How far the videos had been watched, where that was not yet to their end."""
    claims: list[Caption] = field(default_factory=list, repr=False)
    """What a video model said, where one answered, each with the range that it looked at."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise UnknownName("status", self.status, STATUSES)
        if self.status in ("grounded", "partly") and not self.citations:
            raise InvalidArgument(f"an answer that is {self.status!r} needs at least one citation")

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "text": self.text,
            "status": self.status,
            "citations": [citation.as_dict() for citation in self.citations],
            "notes": self.notes,
            "steps": [step.as_dict() for step in self.steps],
            "usage": self.usage.as_dict(),
            "option": self.option,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "seen_seconds": self.seen_seconds,
            "claims": [claim.as_dict() for claim in self.claims],
        }

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON schema of `as_dict()`."""

        def record(required: Sequence[str], **properties: Any) -> dict[str, Any]:
            return {"type": "object", "properties": properties, "required": list(required)}

        text, number, whole = {"type": "string"}, {"type": "number"}, {"type": "integer"}
        caption = record(
            ("id", "video_id", "start_seconds", "end_seconds", "kind", "text", "source"),
            id=text,
            video_id=text,
            start_seconds=number,
            end_seconds=number,
            kind={"enum": list(KINDS)},
            text=text,
            source=text,
            score=number,
            box={"type": "array", "items": number, "minItems": 4, "maxItems": 4},
            track_id=whole,
            language=text,
            attributes={"type": "object"},
        )
        step = record(("tool", "args"), tool=text, args={"type": "object"}, seconds=number, captions=whole, error=text)
        counts = dict.fromkeys(("model_calls", "tool_calls", "input_tokens", "output_tokens", "frames"), whole)
        judgement = {"enum": list(get_args(Judgement))}
        verdict = record(("sentence", "judgement", "reason"), sentence=text, judgement=judgement, reason=text)
        fields_ = {
            "text": text,
            "status": {"enum": list(STATUSES)},
            "citations": {"type": "array", "items": caption},
            "notes": {"type": "array", "items": text},
            "steps": {"type": "array", "items": step},
            "usage": record(("seconds", "model_calls", "tool_calls"), seconds=number, **counts),
            "option": {"type": ["string", "null"]},
            "verdicts": {"type": "array", "items": verdict},
            "seen_seconds": {"type": ["number", "null"]},
            "claims": {"type": "array", "items": caption},
        }
        return record(list(fields_), **fields_)

    def __str__(self) -> str:
        lines = [self.text, *(f"  {citation}" for citation in self.citations)]
        return "\n".join([*lines, *(f"  ({note})" for note in self.notes)])

    def _repr_html_(self) -> str:
        pictures = [citation.thumbnail() if citation.thumbnail else None for citation in self.citations]
        clips = [c.clip() if c.clip and number < _MOST_CLIPS else None for number, c in enumerate(self.citations)]
        body = answer_html(self.as_dict(), pictures=pictures, clips=clips, names=self._names())
        return f"<style>{answer_style()}</style>{body}"

    def _names(self) -> dict[str, str]:
        """Return the names by which the text tells several videos apart; of one, none."""
        return {c.caption.video_id: c.video_name for c in self.citations if c.video_name}
