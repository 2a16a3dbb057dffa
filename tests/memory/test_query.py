"""What a question says: the times it names, in the many ways people name them, kinds, order and relations."""

from __future__ import annotations

import pytest

from videochat.memory.query import Asks, Ordinal, Query, Relation, about, gist, meant_kinds
from videochat.records import Kind


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("What is shown at 0:45?", (44.5, 46)),
        ("What is shown at 00:45?", (44.5, 46)),
        ("What happens at 5 seconds?", (4.5, 6)),
        ("What happens at second 5?", (4.5, 6)),
        ("What happens at 1 minute?", (59.5, 61)),
        ("What happens 30 seconds in?", (29.5, 31)),
        ("What is said between 10 and 20 seconds?", (10, 20)),
        ("What is said between 10s and 20s?", (10, 20)),
        ("What is said from 0:10 to 0:20?", (10, 20)),
        ("What is said in 0:10-0:20?", (10, 20)),
        ("Describe the first minute.", (0, 60)),
        ("Describe the first 30 seconds.", (0, 30)),
        ("Describe the last 10 seconds.", (110, 120)),
        ("Describe the final minute.", (60, 120)),
        ("What happens at the end?", (108, 120)),
        ("How does it look at the very end?", (108, 120)),
        ("What is said at the beginning?", (0, 12)),
        ("What happens in the second half?", (60, 120)),
        ("What happens in the first half?", (0, 60)),
        ("What happens after 1:30?", (90, 120)),
        ("What happens before 20 seconds?", (0, 20)),
        ("What can be seen at the 5 second mark?", (4.5, 6)),
        ("What can be seen at the five-second mark?", (4.5, 6)),
        ("At t=5s, what is there?", (4.5, 6)),
        ("two seconds into the clip, what is said?", (1.5, 3)),
        ("At 1 minute and 5 seconds?", (64.5, 66)),
        ("At 1m 5s?", (64.5, 66)),
        ("At 1m05s?", (64.5, 66)),
        ("At ⟨@..⟩ or ⟨1⟩?", None),
        ("What is on the slide during seconds 3-6?", (3, 6)),
        ("What is on the slide at 3-6 s?", (3, 6)),
        ("between seconds 3 and 6, what moves?", (3, 6)),
        ("What is said from second 3 to second 6?", (3, 6)),
        ("What is visible from 0:10 until 0:20?", (10, 20)),
        ("in the first minute and a half?", (0, 90)),
        ("What is said in the last half minute?", (90, 120)),
        ("What happens in the second minute?", (60, 120)),
        ("What is shown in the last quarter?", (90, 120)),
        ("In the middle third, who is there?", (40, 80)),
        ("halfway through, what happens?", (48, 72)),
        ("What is on the slide in the middle of the video?", (48, 72)),
        ("In the closing seconds, who is there?", (108, 120)),
        ("How does the clip begin?", (0, 12)),
        ("When the video ends, what is shown?", (108, 120)),
        ("What is the last thing we see?", (108, 120)),
        ("What do we see first?", (0, 12)),
        ("What is visible 10 seconds before the end?", (109.5, 111)),
        ("What is displayed 3 s after the start?", (2.5, 4)),
        ("What happens after the 20 second mark?", (20, 120)),
        ("By the 10-second mark, what has been said?", (0, 10)),
        ("What is happening from 12s onwards?", (12, 120)),
        ("how does it begin?", (0, 12)),
        ("How does the speech end, the closing words?", (108, 120)),
        ("What is the dancer's final move?", (108, 120)),
        ("opening pose", (0, 12)),
        ("When does the video start?", None),
        ("When is the dog seen first?", None),
        ("When do we see her last?", None),
        ("What is in the middle of the room?", None),
        ("What stands at the end of the street?", None),
        ("What is shown three seconds after the title appears?", None),
        ("How many seconds does she hold it?", None),
        ("Is it 3 and 4?", None),
        ("What happens between the title and the credits?", None),
        ("What is on the second slide?", None),
        ("When is the milk poured?", None),
        ("What are the 3 steps?", None),
        ("Who won in 1961?", None),
        ("At what temperature, 40 degrees?", None),
        ("Is the second sign red?", None),
        ("", None),
    ],
)
def test_the_time_that_a_question_names(question: str, span: tuple[float, float] | None) -> None:
    found = Query.parse(question, 120.0).span
    assert found == (span if span is None else pytest.approx(span))


@pytest.mark.parametrize(
    ("question", "span"),
    [
        ("Was sagt die Frau bei 0:45?", (44.5, 46)),
        ("Was passiert in den ersten zehn Sekunden?", (0, 10)),
        ("Was ist nach anderthalb Minuten zu sehen?", (89.5, 91)),
        ("Was macht der Hund zwischen 1:10 und 1:25?", (70, 85)),
        ("Was zeigt die zweite Hälfte des Videos?", (60, 120)),
        ("Ab 1:05: worüber wird gesprochen?", (65, 120)),
        ("¿Qué pasa en el minuto y medio?", (89.5, 91)),
        ("¿Qué hace la niña entre el segundo 8 y el 14?", (8, 14)),
        ("¿Quién aparece al principio del video?", (0, 12)),
        ("¿Qué se ve en los últimos diez segundos?", (110, 120)),
        ("Que fait le chien au bout de 30 secondes ?", (29.5, 31)),
        ("Qui apparaît dans les 12 premières secondes ?", (0, 12)),
        ("Qui parle à la toute fin de la vidéo ?", (108, 120)),
        ("Qu'est-ce qu'on voit à 1:12 ?", (71.5, 73)),
        ("第30秒画面里有什么？", (29.5, 31)),
        ("前10秒出现了几个人？", (0, 10)),
        ("从第5秒到第12秒小狗在做什么？", (5, 12)),
        ("两分半的时候播放的是什么音乐？", None),
        ("视频开头是什么场景？", (0, 12)),
        ("0:20到0:40之间主持人在讲什么", (20, 40)),
        ("[0:15] who is that", (14.5, 16)),
        ("0:15", (14.5, 16)),
        ("um at like 1:03 what word does she say", (62.5, 64)),
        ("Between the 30 second mark and the 45 second mark, who has the ball?", (30, 45)),
    ],
)
def test_times_are_read_in_several_languages(question: str, span: tuple[float, float] | None) -> None:
    found = Query.parse(question, 120.0).span
    assert found == (span if span is None else pytest.approx(span))


@pytest.mark.parametrize(
    "question",
    [
        "What is said about John 3:16?",
        "From which platform does the 10:30 train leave?",
        "What is in the pan?",
        "Who won 2:1?",
        "When does the 7:15 show start?",
        "Does he bake it for 45 minutes?",
        "What costs 3.50?",
        "Which medicine is taken at 8:00 and 20:00?",
        "Why does she give the coffee a 30 second bloom?",
        "How is it possible that the battery lasts 20 hours?",
        "What stands at the end of the street?",
        "Who was the last emperor of China?",
        "Is the film shot in 16:9 or 4:3?",
        "Why did they book a last-minute flight?",
        "How does the priest interpret the words 'In the beginning was the Word'?",
        "Warum hat der Zug um 10:30 Uhr Verspätung?",
        "Wer kommt um halb acht zum Abendessen?",
        "¿Por qué guardan un minuto de silencio?",
        "Qui a réservé son billet à la dernière minute ?",
        "10点半的火车为什么晚点了？",
        "牧师怎么解释约翰福音3:16？",
        "谁第一个到达终点？",
    ],
)
def test_a_time_that_is_content_is_no_place_in_the_video(question: str) -> None:
    query = Query.parse(question, 3000.0)
    assert (query.span, query.past_end) == (None, None)


@pytest.mark.parametrize(
    ("question", "second"), [("What is on the screen at 99:59?", 5999), ("1:06", 66), ("at 2 hours", 7200)]
)
def test_a_time_past_the_end_is_known_as_such(question: str, second: float) -> None:
    query = Query.parse(question, 60.0)
    assert (query.span, query.past_end) == (None, second)


@pytest.mark.parametrize("question", ["at 0:45", "in the last minute", "at the end", "between 10 and 20 seconds"])
@pytest.mark.parametrize("duration", [50.0, 7200.0])
def test_a_named_time_lies_in_the_video_and_is_not_empty(question: str, duration: float) -> None:
    span = Query.parse(f"What is shown {question}?", duration).span
    assert span is not None
    assert 0 <= span[0] < span[1] <= duration


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("Summarize the video", "summary"),
        ("Worum geht es?", "summary"),
        ("总结一下", "summary"),
        ("How many cars are there?", "count"),
        ("¿Cuántas personas hay?", "count"),
        ("When is the milk poured?", "when"),
        ("牛奶什么时候倒？", "when"),
        ("List all animals", "list"),
        ("Is there a dog?", "presence"),
        ("Gibt es einen Hund?", "presence"),
        ("Which is the longest shot?", "extreme"),
        ("What is the difference between the two rooms?", "compare"),
        ("How long is the video?", "length"),
        ("Wie lange dauert das Video?", "length"),
        ("What resolution does the video have?", "size"),
        ("Where is the dog?", "where"),
        ("¿Dónde está el perro?", "where"),
        ("There is a dog. How many cats are there?", "count"),
        ("What does he hold?", "other"),
        ("After how many seconds does the dog appear?", "when"),
        ("Nach wie vielen Sekunden kommt der Hund?", "when"),
        ("Au bout de combien de secondes voit-on le chien ?", "when"),
        ("¿Después de cuántos segundos sale el perro?", "when"),
        ("最后一辆车是几秒离开画面的?", "when"),
        ("How many seconds is it long?", "length"),
        ("theres a clock on the wall in this scene right", "presence"),
        ("that's a dog, isn't it?", "presence"),
        ("Was sieht man in diesem Video?", "summary"),
    ],
)
def test_what_a_question_asks_for(question: str, asks: Asks) -> None:
    assert Query.parse(question, 60.0).asks == asks


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("What does she say about milk?", ("speech",)),
        ("What is written on the slide?", ("ocr",)),
        ("Which colours are there, and how does the camera move?", ("measure",)),
        ("Was steht auf der Folie?", ("ocr",)),
        ("¿Qué dice ella?", ("speech",)),
        ("他说了什么", ("speech",)),
        ("How many cuts are there?", ("shot",)),
        ("What does the speaker say while the title is on the screen?", ("speech", "ocr")),
        ("Where is the dog?", ()),
    ],
)
def test_the_senses_that_a_question_means(question: str, kinds: tuple[Kind, ...]) -> None:
    assert set(kinds) <= set(meant_kinds(question))
    assert bool(kinds) is bool(meant_kinds(question))


@pytest.mark.parametrize(
    ("question", "relation"),
    [
        ("After the butter is melted, what is said?", Relation("after", "the butter is melted", "", ("speech",))),
        ("What is said right before the milk?", Relation("before", "the milk", "", ("speech",))),
        ("While the title is shown, who speaks?", Relation("during", "the title is shown", "", ("speech",))),
        ("What is said between the cake and the milk?", Relation("between", "the cake", "the milk", ("speech",))),
        ("Was wird gesagt, nachdem die Butter schmilzt?", Relation("after", "die butter schmilzt", "", ("speech",))),
        ("倒牛奶之后说了什么", Relation("after", "倒牛奶", "", ("speech",))),
        ("Where is the dog?", None),
        ("When is it poured, and by whom?", None),
    ],
)
def test_the_relation_that_a_question_names(question: str, relation: Relation | None) -> None:
    assert Query.parse(question, 60.0).relation == relation


@pytest.mark.parametrize(
    ("question", "ordinal"),
    [
        ("What is the first thing said?", Ordinal("speech", 0)),
        ("What does the last slide say?", Ordinal("ocr", -1)),
        ("What is in the second scene?", Ordinal("shot", 1)),
        ("When does the first car appear?", Ordinal(None, 0)),
        ("Was ist das erste Wort?", Ordinal("speech", 0)),
        ("第二个镜头是什么", Ordinal("shot", 1)),
        ("Who is there?", None),
        ("What's the 1st word spoken?", Ordinal("speech", 0)),
        ("And on the second one?", Ordinal(None, 1)),
    ],
)
def test_the_order_that_a_question_asks_for(question: str, ordinal: Ordinal | None) -> None:
    assert Query.parse(question, 60.0).ordinal == ordinal


def test_a_question_is_read_once() -> None:
    query = Query.parse("What does she say about the milk at 0:45?", 120.0)
    assert query.terms == ("say", "milk")
    assert query.subject == ("milk",)
    assert query.kinds == ("speech",)
    assert query.span == (44.5, 46)
    assert query.towards == "start"
    assert Query.parse("In the middle?", 60.0).towards == "middle"
    assert Query.parse("How does it end?", 60.0).towards == "end"
    assert query.as_dict()["subject"] == ("milk",)


def test_of_a_pasted_page_only_the_beginning_and_the_end_are_read() -> None:
    page = "begin " + "word " * 10_000 + "finish"
    assert len(gist(page)) <= 4001
    assert gist(page).startswith("begin")
    assert gist(page).endswith("finish")
    assert gist("short") == "short"


@pytest.mark.parametrize(
    ("question", "asks", "subject"),
    [
        ("What does the speaker say about 3 eggs on the slide?", "other", ["3", "eggs"]),
        ("What is said about three eggs?", "other", ["eggs"]),
        ("What is said?", "other", []),
        ("How many cars are there?", "count", ["cars"]),
        ("How dark is the kitchen?", "other", ["kitchen"]),
        ("What is the registration number of the car?", "other", ["registration", "car"]),
        ("number of cars", "count", ["cars"]),
    ],
)
def test_what_a_question_is_about_leaves_senses_aside(question: str, asks: Asks, subject: list[str]) -> None:
    assert about(question, asks) == subject
    query = Query.parse(question, 60.0)
    assert (query.asks, query.subject) == (asks, tuple(subject))


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("dis moi la duree stp", "length"),
        ("cuanto dura el video", "length"),
        ("a quel moment apparait le titre", "when"),
        ("donde esta el perro", "where"),
    ],
)
def test_accents_may_be_left_out(question: str, asks: Asks) -> None:
    assert Query.parse(question, 20.0).asks == asks


@pytest.mark.parametrize(
    ("question", "read", "asks"),
    [
        ("I am blind. What is to be seen from start to end?", "What is to be seen from start to end?", "summary"),
        ("Is the camera steady? My player filmed it.", "Is the camera steady?", "presence"),
        ("I am looking for the dog.", "I am looking for the dog.", "other"),
        ("I'm here.", "I'm here.", "other"),
        ("Hi there, is there a dog in it, mate?", "is there a dog in it?", "presence"),
        ("Could you please tell me when the dog barks?", "when is the dog barks?", "when"),
        ("I wonder whether anybody talks.", "is it that anybody talks.", "presence"),
        ("Do you know if there is a dog?", "is there a dog?", "presence"),
        ("Können Sie mir bitte sagen, wann der Hund kommt?", "wann der Hund kommt?", "when"),
        ("¿La película es en color?", "¿La película es en color?", "other"),
        ("Tell me what is said", "what is said", "other"),
    ],
)
def test_what_stands_around_a_question_is_left_aside(question: str, read: str, asks: Asks) -> None:
    query = Query.parse(question, 20.0)
    assert (query.text, query.asks) == (read, asks)


def test_der_reihe_nach_is_no_time_and_the_how_manieth_second_no_count() -> None:
    assert Query.parse("Liste alle Überschriften der Reihe nach auf.", 20.0).relation is None
    assert Query.parse("画面最暗是在第几秒左右？", 20.0).asks != "count"
    assert Query.parse("鸟最后一次出现是什么时候？", 20.0).names == ("bird",)
