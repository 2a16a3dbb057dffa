"""Extraction: which option a free answer chooses, and the official rules of the benchmarks beside our own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_CITED = re.compile(r"\[[^\[\]]*\d[^\[\]]*\]")
_OTHER = r"\s*(?:,|/|&|\bor\b|\band\b)\s*(?:option\s+)?\W{0,3}[{letters}]\b(?![’'])"
"""What follows a letter where several are named: `B or C`."""


def chosen_option(text: str, options: Sequence[str]) -> int | None:
    """Return the index of the option that an answer chooses, or None where it chooses none, or several.

    Rules by priority, the last match of a rule wins: a marked answer (`<answer>`, `boxed`, `"result": "B"`); `the
    answer is B`; a line that is or begins with a marked letter; a letter in parentheses; a lone letter; the text of one
    option. Thoughts between tags and citations are left out first. A rule whose match goes on with `or C` chooses none.

    Args:
        text: what a model answered.
        options: without letters, two or more.
    """
    letters = ascii_uppercase[: len(options)]
    said = _CITED.sub(" ", _THOUGHT.sub(" ", text)).replace("*", "").replace("`", "").strip()
    one = rf"\(?([{letters}])\)?"
    marked = (
        rf"<answer>\s*{one}\b.*?</answer>",
        rf"\\boxed\{{\s*(?:\\text\{{)?\s*{one}\s*\}}?\s*\}}",
        rf"\"(?:result|answer|option)\"\s*:\s*\"{one}\b",
        rf"\b(?i:answer|option|choice)(?i:\s+(?:would\s+be|must\s+be|is))?\s*[:=]?\s*(?i:either\s+|option\s+)?\W{{0,3}}([{letters}])\b(?!['’])",
        rf"\b(?i:i\s+(?:choose|select|pick))\s+(?i:option\s+)?\W{{0,2}}([{letters}])\b",
        rf"(?m)^\W*([{letters}])\W*$",
        rf"(?m)^\s*(?:\(([{letters}])\)|([{letters}])[.):](?=\s|$))",
    )
    for pattern in marked:
        if found := list(re.finditer(pattern, said, re.DOTALL if "<answer>" in pattern else 0)):
            last = found[-1]
            behind = said[last.end() - 1 :] if last[0].endswith(")") else said[last.end() :]
            if re.match(_OTHER.replace("{letters}", letters), behind.removeprefix(")")):
                return None
            if pattern == marked[-1] and len({m[1] or m[2] for m in found}) > 1:
                continue  # it lists the options
            return letters.index(next(group for group in last.groups() if group))
    for pattern in (rf"\(([{letters}])\)", rf"(?<![\w'’])([{letters}])(?=[.,;:!?)\s]|$)(?!\s+(?!or\b|and\b)[a-z])"):
        # Every letter that is named counts: "B, not C" cannot be told from "B or C".
        if len(named := set(re.findall(pattern, said))) == 1:
            return letters.index(named.pop())
        if len(named) > 1:
            return None
    return _repeated(said, options)


def _repeated(said: str, options: Sequence[str]) -> int | None:
    """Return the only option whose text stands in an answer; of two of which one holds the other, the longer."""
    plain = " ".join(re.findall(r"\w+", said.casefold()))
    texts = [" ".join(re.findall(r"\w+", option.casefold())) for option in options]
    found = [n for n, text in enumerate(texts) if text and re.search(rf"\b{re.escape(text)}\b", plain)]
    longest = [n for n in found if not any(texts[n] != texts[m] and texts[n] in texts[m] for m in found)]
    return longest[0] if len(longest) == 1 else None


_PREFIXES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    # Upstream's list lacks two commas, so that these four are two.
    "The best option is" + "The correct option is",
    "Best answer:" + "Best option:",
)


def first_letter(text: str, letters: str = "ABCD") -> str:
    """Return the letter that Video-MME's own script reads from an answer: the first, also inside of a word.

    Args:
        text: what a model answered.
        letters: of the options.

    Returns:
        Empty where there is none; such a question does not count there.
    """
    said = text.strip()
    for prefix in _PREFIXES:
        said = said.replace(prefix, "")
    found = re.search(rf"[{letters}]", said)
    return found[0] if found else ""


def upstream_mvbench_holds(text: str, letter: str) -> bool:
    """Whether MVBench's own checker takes an answer for right: it looks for one text in the other.

    It also takes `""`, `"("` and `"."` for right, which is why its figure is shown only beside ours.

    Args:
        text: what a model answered.
        letter: of the right option.
    """
    said, right = text.lower().split(" ")[0], f"({letter.lower()})"
    return said.replace(".", "") in right or right in said
