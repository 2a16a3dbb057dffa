"""Extraction: a form of the user's filled in from a video, each field with the captions that it rests on."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin

from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, Field, ValidationError, create_model

from videochat.agent.citations import Evidence
from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.grounding import check_sentences
from videochat.agent.limits import within
from videochat.agent.prompts import FILL_IN, user_message
from videochat.agent.run import Run
from videochat.agent.video_answerer import VideoAnswerer
from videochat.errors import InvalidArgument, LLMError, VideoChatError, first_line
from videochat.records import Citation

Form = TypeVar("Form", bound=BaseModel)

_NOTHING = object()


@dataclass(frozen=True)
class Extraction(Generic[Form]):
    """What a video says of the fields of a form."""

    value: Form | None
    """The form; None where a field that it must have is not borne by the video."""
    citations: dict[str, list[Citation]]
    """What each field rests on, by its path: `title`, `steps.0.name`."""
    notes: list[str] = field(default_factory=list)
    """What was left out, and what is doubtful."""

    def __str__(self) -> str:
        lines = [repr(self.value), *(f"  {path}: {c}" for path, cited in self.citations.items() for c in cited)]
        return "\n".join([*lines, *(f"  ({note})" for note in self.notes)])


class _Cited(BaseModel):
    """A value with the numbers of the contexts that show it."""

    value: Any = None
    captions: list[int] = Field(default_factory=list, description="numbers of the contexts that show the value")


def _check_form(form: object) -> None:
    if not (isinstance(form, type) and issubclass(form, BaseModel)):
        raise InvalidArgument(f"extract() needs a pydantic model (a class), got {form!r:.80}.")
    if not form.model_fields:
        raise InvalidArgument(f"The model {form.__name__} has no fields to fill in.")
    _with_captions(form, ())


def wish_of(form: type[BaseModel]) -> str:
    """Return what a form asks for, in words: its name, its docstring, its fields and what they are said to be.

    Raises:
        InvalidArgument: it is no pydantic model, has no fields, or contains itself.
    """
    _check_form(form)
    doc = (form.__doc__ or "").strip() if form.__doc__ != BaseModel.__doc__ else ""
    names = "; ".join(
        f"{name.replace('_', ' ')}{f' ({info.description})' if info.description else ''}"
        for name, info in form.model_fields.items()
    )
    return f"{form.__name__}: {doc.splitlines()[0] + ' ' if doc else ''}{names}"


def extract(run: Run, form: type[Form]) -> Extraction[Form]:
    """Have the language model fill in a form, and keep what cites captions that it was shown.

    Args:
        run: a question that has been retrieved for.
        form: a pydantic model.

    Raises:
        LLMError: there is no language model, it gives no structured output, or nothing that fits the form.
    """
    _check_form(form)
    llm = run.settings.llm
    if isinstance(llm, ExtractiveAnswerer | VideoAnswerer) or not hasattr(llm, "with_structured_output"):
        raise LLMError(
            "extract() needs a chat model that gives structured output; name one with llm=, such as "
            '"openai:gpt-4.1-mini".'
        )
    messages = [SystemMessage(FILL_IN), HumanMessage(user_message(run.context.text, run.question.text))]
    shown = {run.evidence.numbers[caption.id] for caption in run.context.captions}
    try:
        filler = llm.with_structured_output(_with_captions(form, ()))
        filled = within(run.settings.limits.seconds, lambda: filler.invoke(messages))
    except VideoChatError:
        raise
    except Exception as error:
        raise LLMError(f"The language model could not fill in {form.__name__}: {first_line(error)[:300]}") from error
    if not isinstance(filled, BaseModel):
        raise LLMError(f"The language model gave nothing that fits {form.__name__}; ask again, or with another model.")
    reader = _Reader(run.evidence, shown, run.video_set.duration_seconds, run.question.text)
    value, sources = reader.read(filled, form, "")
    return Extraction(
        None if value is _NOTHING else cast("Form", value),
        {path: [run.citation(run.evidence.captions[n]) for n in numbers] for path, numbers in sources.items()},
        reader.notes,
    )


def _with_captions(annotation: Any, within_: tuple[type, ...]) -> Any:
    """Return a type in which every value that is not itself a form has the numbers of its captions beside it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in within_:
            raise InvalidArgument(f"The model {annotation.__name__} contains itself; that cannot be filled in.")
        fields: dict[str, Any] = {
            name: (
                _with_captions(info.annotation, (*within_, annotation)) | None,
                Field(default=None, description=info.description),
            )
            for name, info in annotation.model_fields.items()
        }
        return create_model(annotation.__name__, __doc__=annotation.__doc__, **fields)
    item = _item_of(annotation)
    if item is not None:
        return list[_with_captions(item, within_)]  # type: ignore[misc]  # a type that is made while the program runs
    plain = _without_none(annotation)
    if plain is not annotation:
        return _with_captions(plain, within_)
    return create_model("Cited", __base__=_Cited, value=(annotation | None, None))


def _without_none(annotation: Any) -> Any:
    """Return `X` of `X | None`; any other type as it is."""
    if get_origin(annotation) in (Union, types.UnionType):
        others = [part for part in get_args(annotation) if part is not type(None)]
        if len(others) == 1:
            return others[0]
    return annotation


def _item_of(annotation: Any) -> Any:
    """Return `X` of `list[X]` and its like; None of any other type."""
    if get_origin(annotation) in (list, set, frozenset, Sequence) and len(get_args(annotation)) == 1:
        return get_args(annotation)[0]
    return None


class _Reader:
    """Takes what a model filled in apart: values, the numbers that they cite, and what does not hold."""

    def __init__(self, evidence: Evidence, shown: set[int], duration_seconds: float, question: str) -> None:
        self.evidence, self.shown = evidence, shown
        self.duration_seconds, self.question = duration_seconds, question
        self.notes: list[str] = []

    def read(self, filled: Any, annotation: Any, path: str) -> tuple[Any, dict[str, list[int]]]:
        """Return the value of a place, and the numbers that each value within it cites, by path."""
        annotation = _without_none(annotation)
        if filled is None:
            return _NOTHING, {}
        if isinstance(filled, _Cited):
            return self._value(filled, path)
        if isinstance(filled, list):
            return self._list(filled, _item_of(annotation), path)
        values: dict[str, Any] = {}
        sources: dict[str, list[int]] = {}
        for name, info in annotation.model_fields.items():
            value, cited = self.read(getattr(filled, name), info.annotation, f"{path}.{name}" if path else name)
            if value is not _NOTHING:
                values[name] = value
                sources |= cited
        if not values and path:
            return _NOTHING, {}
        try:
            return annotation.model_validate(values, by_name=True, by_alias=True), sources
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors()[:3])
            self.notes.append(
                f"{path or annotation.__name__} is left out, since what the video bears does not fit: {wrong}."
            )
            return _NOTHING, {}

    def _list(self, filled: list[Any], item: Any, path: str) -> tuple[Any, dict[str, list[int]]]:
        values: list[Any] = []
        sources: dict[str, list[int]] = {}
        for place, each in enumerate(filled):
            value, cited = self.read(each, item, f"{path}.{place}")
            if value is not _NOTHING:
                # What was left out before it moves it forward.
                here, there = f"{path}.{place}", f"{path}.{len(values)}"
                sources |= {there + name.removeprefix(here): numbers for name, numbers in cited.items()}
                values.append(value)
        return (values, sources) if values or not filled else (_NOTHING, {})

    def _value(self, filled: _Cited, path: str) -> tuple[Any, dict[str, list[int]]]:
        value = filled.value
        if value is None:
            return _NOTHING, {}
        known = [n for n in dict.fromkeys(filled.captions) if n in self.shown]
        if not known:
            cites = f"cites {filled.captions}, which was not shown" if filled.captions else "cites nothing"
            self.notes.append(f"{path} is left out: {value!r:.80} {cites}.")
            return _NOTHING, {}
        if len(known) < len(set(filled.captions)):
            self.notes.append(f"{path}: a citation is left out, since nothing that was shown has its number.")
        if problem := self._problem(value, known):
            self.notes.append(f"Doubtful: {path} = {value!r:.80} ({problem}).")
        return value, {path: known}

    def _problem(self, value: Any, numbers: Sequence[int]) -> str:
        """Return why captions do not bear a value, by words and numbers; empty if they do, or it has none."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return ""
        spans = [self.evidence.span_of(self.evidence.captions[n]) for n in numbers]
        if isinstance(value, int | float) and any(start - 1 <= value <= end + 1 for start, end in spans):
            return ""  # a second of the video
        cited = "".join(f"[{n}]" for n in numbers)
        checks = check_sentences(
            f"{value} {cited}", self.evidence, duration_seconds=self.duration_seconds, question=self.question
        )
        return next((check.problem for check in checks if check.problem), "")
