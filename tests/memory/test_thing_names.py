"""Every thing of COCO has a name in every language in which answers are written."""

from __future__ import annotations

import re

import pytest

from videochat.agent.phrases import LANGUAGES
from videochat.memory.gloss import glossed
from videochat.memory.thing_names import detected_things, label_in, named_things, thing_patterns


@pytest.mark.parametrize(
    ("language", "label", "count", "name"),
    [
        ("de", "refrigerator", 1, "Kühlschrank"),
        ("de", "dog", 2, "Hunde"),
        ("fr", "sports ball", 3, "ballons"),
        ("es", "surfboard", 1, "tabla de surf"),
        ("zh", "person", 4, "人"),
        ("ja", "baseball bat", 1, "バット"),
        ("pt", "dog", 2, "cachorros"),
        ("nl", "car", 2, "auto's"),
        ("de", "gizmo", 2, "gizmo"),
        ("xx", "dog", 1, "dog"),
    ],
)
def test_what_a_label_is_called_in_a_language(language: str, label: str, count: int, name: str) -> None:
    assert label_in(language, label, count) == name


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_thing_has_a_name(language: str) -> None:
    assert len(detected_things()) == 80
    if language != "en":
        names = named_things(language)
        assert list(names) == list(detected_things())
        assert all(one and several for one, several in names.values())


@pytest.mark.parametrize(
    ("question", "label"),
    [
        ("C'è un cavallo nella scena?", "horse"),
        ("Tem algum guarda-chuva na imagem?", "umbrella"),
        ("Есть ли в кадре лошади?", "horse"),
        ("Видно ли там хоть одну собаку?", "dog"),
        ("Czy na filmie jest rowerzysta albo lodówka?", "refrigerator"),
        ("Videoda bir şemsiye var mı?", "umbrella"),
        ("영상에 냉장고가 나오나요?", "refrigerator"),
        ("क्या वीडियो में कोई हाथी है?", "elephant"),
        ("هل توجد ثلاجة في الفيديو؟", "refrigerator"),
        ("Is er ergens een verkeerslicht te zien?", "traffic light"),
    ],
)
def test_a_thing_is_read_in_a_question(question: str, label: str) -> None:
    assert label in glossed(question)


def test_a_syllable_of_korean_is_no_thing_by_itself() -> None:
    assert not any(re.fullmatch(pattern, "말") for pattern in thing_patterns("ko"))
