"""Multiple choice: options read from a question, and the chosen one read from the answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from videochat.errors import InvalidArgument

_MARK = r"\(?([A-H])[.):]\s+"
_LISTED = re.compile(rf"(?:^|(?<=\s)){_MARK}(.+?)(?=\s+\(?[A-H][.):]\s|\s*$)", re.S)


@dataclass(frozen=True)
class Choice:
    """A question with options."""

    question: str
    """Without the options."""
    options: dict[str, str]
    """Text by letter, from A on."""

    @classmethod
    def read(cls, question: str, options: Sequence[str] | None = None) -> Choice | None:
        """Return the choice that a question offers, or None if it offers none.

        Args:
            question: may list the options itself, as `A. red B. blue` or in lines.
            options: texts of two options or more, as many as there are letters, where the question does not list them.

        Raises:
            InvalidArgument: `options` are fewer than two, more than there are letters, or empty texts.
        """
        if options is not None:
            texts = [option.strip() for option in options]
            if not 2 <= len(texts) <= len(ascii_uppercase) or not all(texts):
                raise InvalidArgument(f"options must be 2 to 26 texts that are not empty, got {list(options)!r}")
            return cls(question.strip(), dict(zip(ascii_uppercase, texts, strict=False)))
        found = list(_LISTED.finditer(question))
        letters = [match[1] for match in found]
        if len(found) < 2 or letters != list(ascii_uppercase[: len(found)]):
            return None
        return cls(
            question[: found[0].start()].strip(" \n(") or question,
            {match[1]: match[2].strip().rstrip(",;") for match in found},
        )

    def __str__(self) -> str:
        return "\n".join([self.question, *(f"({letter}) {text}" for letter, text in self.options.items())])

    def chosen_in(self, answer: str) -> str | None:
        """Return the letter that an answer chooses: a letter it marks or begins with, or the option it repeats."""
        letters = "".join(self.options)
        for pattern in (
            # Not the article of "A dog runs".
            rf"^\W*([{letters}])(?=[.,:;)]|\s*\[|\s*$)",
            rf"\(([{letters}])\)",
            rf"(?i:answer|option|choice)\b\W*(?:is\s+)?\W*([{letters}])\b",
        ):
            if match := re.search(pattern, answer.strip()):
                return match[1]
        repeated = [letter for letter, text in self.options.items() if text.casefold() in answer.casefold()]
        return repeated[0] if len(repeated) == 1 else None
