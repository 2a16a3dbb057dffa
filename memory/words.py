"""Words of a question that say what it is about."""

from __future__ import annotations

import re

# They match everything and so nothing.
_FUNCTION_WORDS = """
a about above after again all also am an and any anyone anything are as at be because been before being below
between both but by can could did do does doing done down during each every few first for from further get
give given go goes had has have having he her here hers him his how i if in into is it its itself just last
let like ll me more most my no nor not now of off on once one only or other our out over own please re s same
second seconds she should so some such t than that the their them then there these they this those through
time times to too under until up us very was we were what when where which while who whom whose why will with
would you your
"""

# What one says when asking about a video, whatever the question.
_ASKING_WORDS = """
answer appear appearing appears begin beginning begins clip come comes date day describe end ending ends
exactly explain film find footage happen happened happening happens kind list look looks many mean minute
minutes moment moments much name names number picture place point scene scenes see seen sentence show showing
shown shows somebody someone something sort start started starts thing things timestamp type video videos
watch way word words year
"""
_EMPTY_WORDS = frozenset((_FUNCTION_WORDS + _ASKING_WORDS).split())


def all_words(text: str) -> list[str]:
    """Return the words of a text in lower case, in order."""
    return re.findall(r"\w+", text.casefold().replace("’", "'").replace("'s ", " "))


def content_words(text: str) -> list[str]:
    """Return the words that carry the meaning, each once, in order."""
    return list(dict.fromkeys(word for word in all_words(text) if word not in _EMPTY_WORDS))
