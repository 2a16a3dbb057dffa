"""Answers without a model, by what a question asks for: the sentences, and the captions that each rests on."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.harbour import FISH, WELCOME, Asker, Told, assert_found, harbour, noted, told
from videochat import VideoAgent
from videochat.agent.answers import find
from videochat.agent.notes import Notes
from videochat.media import Video
from videochat.memory import CaptionStore, Hit
from videochat.memory.query import Query
from videochat.records import Caption, Kind


@pytest.mark.parametrize("question", ["What is this video about?", "Summarize the video.", "What is it?"])
def test_a_summary_tells_what_was_noted_in_the_order_of_time(ask: Asker, question: str) -> None:
    assert_found(
        ask(question),
        [
            ("The video is 00:20 long and has 3 shots.", ["person 10-20"]),
            ("The screen shows: “HARBOUR STREET”", ["ocr 1-4"]),
            (f"Somebody says: “{WELCOME}”", ["speech 2-5", "speech 5-7"]),
            (f"Somebody says: “{FISH}”", ["speech 9-12"]),
            ("In sight: 3 people, 2 cars, 1 truck and 1 dog.", ["person 10-20", "car 0-6", "truck 5-8"]),
            ("The screen shows: “FRESH FISH”", ["ocr 10-13"]),
            ("Somebody says: “Goodbye, my friends.”", ["speech 15-17"]),
            ("The screen shows: “THE END”", ["ocr 18-20"]),
        ],
    )


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("Is there a dog?", [("Yes, there is a dog from 00:16–00:19.", ["dog 16-19"])]),
        (
            "Are there any vehicles?",
            [
                ("Yes, there are up to 2 cars at once, 00:00–00:09.", ["car 0-9", "car 3-9"]),
                ("Yes, there is a truck from 00:05–00:08.", ["truck 5-8"]),
            ],
        ),
        (
            "Is there a car in the first five seconds?",
            [("Yes, there are up to 2 cars at once, 00:00–00:09.", ["car 0-9", "car 3-9"])],
        ),
        ("Is there any text?", [("The screen shows: “HARBOUR STREET”", ["ocr 1-4"])]),
        ("I need the timecodes of the cuts.", [("Cuts are at 00:08 and 00:14.", ["shot 8-14", "shot 14-20"])]),
        ("Is the dog on a leash?", [("There is a dog from 00:16–00:19. There is no note of “leash”.", ["dog 16-19"])]),
        ("Are there any cuts?", [("Cuts are at 00:08 and 00:14.", ["shot 8-14", "shot 14-20"])]),
    ],
)
def test_what_is_there(ask: Asker, question: str, sentences: Told) -> None:
    assert_found(ask(question), sentences)


@pytest.mark.parametrize("question", ["Does anyone speak?", "Does anybody speak?", "Is anything said?"])
def test_whether_somebody_speaks_is_answered_by_what_is_said(ask: Asker, question: str) -> None:
    (finding,) = ask(question).findings
    assert finding.text.startswith("Somebody says: “Today we visit the old harbour,")
    assert finding.hits[0].caption.kind == "speech"


@pytest.mark.parametrize(
    "question",
    ["Does the man wear a hat?", "Is there an elephant?", "Is there a bird?", "Are there any cats or giraffes?"],
)
def test_what_is_not_there_is_not_found(ask: Asker, question: str) -> None:
    found = ask(question)
    assert not found.found
    assert not any(finding.text.startswith("Yes") for finding in found.findings)


def test_of_what_is_not_there_it_is_said_that_there_is_no_note(ask: Asker) -> None:
    assert told(ask("Is there an elephant?").findings) == [
        ("Nothing noted in the video answers this: there is no note of “elephant”.", [])
    ]
    assert told(ask("Gibt es einen Elefanten?").findings) == [
        ("Nichts, was im Video bemerkt wurde, beantwortet das: Von „Elefant“ ist nichts vermerkt.", [])
    ]


@pytest.mark.parametrize("question", ["Is there a person at 2 seconds?", "Is there a dog in the first five seconds?"])
def test_what_is_there_at_another_time_only_is_not_there(ask: Asker, question: str) -> None:
    found = ask(question)
    assert not any(text.startswith("Yes") for text, _ in told(found.findings))
    assert not found.found, told(found.findings)


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("When is the dog there?", [("There is a dog from 00:16–00:19.", ["dog 16-19"])]),
        ("When are there cars?", [("There is a car from 00:00–00:09.", ["car 0-9"])]),
        ("When are there two cars?", [("2 cars at once, from 00:03–00:06, is the most.", ["car 0-6", "car 3-9"])]),
        ("When is there a cut?", [("Cuts are at 00:08 and 00:14.", ["shot 8-14", "shot 14-20"])]),
        ("When are boats mentioned?", [(f"Somebody says: “{WELCOME}”", ["speech 5-7", "speech 2-5"])]),
        (
            "When is it darkest?",
            [("It is darkest at 00:10–00:15 (mean lightness 20%).", ["measure 10-15"])],
        ),
    ],
)
def test_when(ask: Asker, question: str, sentences: Told) -> None:
    assert_found(ask(question), sentences)


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("Where is the dog?", "A dog: upper right of the picture.", "dog 16-19"),
        ("Where is the car?", "A car: lower left of the picture.", "car 0-6"),
        ("Where is the car at 8 seconds?", "A car: centre of the picture.", "car 3-9"),
        ("On which side is the second car?", "A car: centre of the picture.", "car 3-9"),
        ("Where is the man?", "A person: centre of the picture.", "person 10-20"),
        ("Where is the person?", "A person: centre of the picture.", "person 10-20"),
    ],
)
def test_where_is_a_place_of_the_picture_in_words(ask: Asker, question: str, sentence: str, cited: str) -> None:
    assert_found(ask(question), [(sentence, [cited])])


def test_where_a_thing_is_when_it_is_not_there_has_no_answer(ask: Asker) -> None:
    assert ("A dog: upper right of the picture.", ["dog 16-19"]) not in told(
        ask("Where is the dog at 1 second?").findings
    )


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        (
            "List the things in the video.",
            [
                (
                    "In sight: 3 people, 2 cars, 1 truck and 1 dog.",
                    ["person 10-20", "car 0-6", "truck 5-8", "dog 16-19"],
                )
            ],
        ),
        ("Which vehicles are in the video?", [("In sight: 2 cars and 1 truck.", ["car 0-6", "truck 5-8"])]),
        ("What animals are there?", [("In sight: 1 dog.", ["dog 16-19"])]),
        ("What objects are there at 14 seconds?", [("In sight: 3 people.", ["person 10-20"])]),
        (
            "List all texts.",
            [
                ("The screen shows: “HARBOUR STREET”", ["ocr 1-4"]),
                ("The screen shows: “FRESH FISH”", ["ocr 10-13"]),
                ("The screen shows: “THE END”", ["ocr 18-20"]),
            ],
        ),
        (
            "List everything that is said.",
            [
                (f"Somebody says: “{WELCOME}”", ["speech 2-5", "speech 5-7"]),
                (f"Somebody says: “{FISH}”", ["speech 9-12"]),
                ("Somebody says: “Goodbye, my friends.”", ["speech 15-17"]),
            ],
        ),
        (
            "List the shots.",
            [
                ("A shot of 8.0 seconds, 00:00–00:08.", ["shot 0-8"]),
                ("A shot of 6.0 seconds, 00:08–00:14.", ["shot 8-14"]),
                ("A shot of 6.0 seconds, 00:14–00:20.", ["shot 14-20"]),
            ],
        ),
    ],
)
def test_a_list(ask: Asker, question: str, sentences: Told) -> None:
    assert_found(ask(question), sentences)


def test_a_list_keeps_to_the_time_that_the_question_names_by_a_relation(ask: Asker) -> None:
    texts = [text for text, _ in told(ask("What text is shown after the fish is sold?").findings)]
    assert "The screen shows: “HARBOUR STREET”" not in texts


@pytest.mark.parametrize(
    ("question", "when"), [("What happens at 01:00?", "01:00"), ("Is there a dog at 25 seconds?", "00:25")]
)
def test_past_the_end_there_is_nothing(ask: Asker, question: str, when: str) -> None:
    found = ask(question)
    assert told(found.findings) == [(f"The video is 00:20 long, so there is nothing at {when}.", [])]
    assert not found.found


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        # The line that was looked for is cited first; the quote is the whole sentence.
        ("What is said about boats?", f"Somebody says: “{WELCOME}”", ["speech 5-7", "speech 2-5"]),
        ("What is said about the harbour?", f"Somebody says: “{WELCOME}”", ["speech 2-5", "speech 5-7"]),
        ("What is sold in the morning?", f"Somebody says: “{FISH}”", ["speech 9-12"]),
    ],
)
def test_a_sentence_over_two_cues_is_quoted_whole(ask: Asker, question: str, sentence: str, cited: list[str]) -> None:
    assert_found(ask(question), [(sentence, cited)])


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("Wie lang ist das Video?", "Das Video ist 00:20 (20.0 Sekunden) lang.", ["person 10-20"]),
        ("Wie viele Schnitte gibt es?", "Es sind 2 Schnitte.", ["shot 0-8", "shot 8-14", "shot 14-20"]),
        ("Wann ist der Hund zu sehen?", "Zu sehen ist Hund, 00:16–00:19.", ["dog 16-19"]),
        ("Wo ist der Hund?", "Hund: im Bild oben rechts.", ["dog 16-19"]),
        ("Was wird zuerst gesagt?", f"Jemand sagt: „{WELCOME}“", ["speech 2-5", "speech 5-7"]),
        ("Was steht als Letztes auf dem Bildschirm?", "Auf dem Bildschirm steht: „THE END“", ["ocr 18-20"]),
        (
            "Wann ist es am dunkelsten?",
            "Am dunkelsten ist es bei 00:10–00:15 (mittlere Helligkeit 20%).",
            ["measure 10-15"],
        ),
        ("¿Cuánto dura el vídeo?", "El vídeo dura 00:20 (20.0 segundos).", ["person 10-20"]),
        ("¿Cuántos planos hay?", "Hay 3 planos.", ["shot 0-8", "shot 8-14", "shot 14-20"]),
        ("¿Dónde está el perro?", "Perro: en la imagen, arriba a la derecha.", ["dog 16-19"]),
        ("¿Cuándo se ve el perro?", "Se ve perro, 00:16–00:19.", ["dog 16-19"]),
        ("¿Qué se dice primero?", f"Alguien dice: «{WELCOME}»", ["speech 2-5", "speech 5-7"]),
        ("Combien de temps dure la vidéo ?", "La vidéo dure 00:20 (20.0 secondes).", ["person 10-20"]),
        (
            "Combien de personnes y a-t-il ?",
            "On voit : 3 personnes.",
            ["person 10-20", "person 12-16", "person 13-15"],
        ),
        ("Où est le chien ?", "Chien : dans l'image, en haut à droite.", ["dog 16-19"]),
        ("Quel est le premier texte à l'écran ?", "À l'écran on lit : « HARBOUR STREET »", ["ocr 1-4"]),
        ("Quel est le plan le plus long ?", "Le plan le plus long dure 8.0 secondes, 00:00–00:08.", ["shot 0-8"]),
        ("视频有多长？", "视频长 00:20（20.0 秒）。", ["person 10-20"]),
        ("有几个镜头？", "有 3 个镜头。", ["shot 0-8", "shot 8-14", "shot 14-20"]),
        ("什么时候出现狗？", "00:16–00:19 可以看到 狗。", ["dog 16-19"]),
        ("屏幕上最后的文字是什么？", "屏幕上写着：“THE END”", ["ocr 18-20"]),
        ("什么时候最暗？", "最暗的时候是 00:10–00:15（平均亮度 20%）。", ["measure 10-15"]),
        ("動画の長さは？", "動画の長さは 00:20（20.0 秒）です。", ["person 10-20"]),
        ("人は何人いますか？", "3 人 が見えます。", ["person 10-20", "person 12-16", "person 13-15"]),
        ("最初のテキストは何ですか？", "画面の文字：「HARBOUR STREET」", ["ocr 1-4"]),
        ("犬はいつ見えますか？", "00:16–00:19 に 犬 が見えます。", ["dog 16-19"]),
        (
            "一番暗いのはいつですか？",
            "最も暗いのは 00:10–00:15 です（平均の明るさ 20%）。",
            ["measure 10-15"],
        ),
    ],
)
def test_a_question_is_answered_in_its_language(ask: Asker, question: str, sentence: str, cited: list[str]) -> None:
    assert_found(ask(question), [(sentence, cited)])


@pytest.mark.parametrize(
    ("question", "refusal"),
    [
        ("Is there an elephant?", "Nothing noted in the video answers this"),
        ("Gibt es einen Elefanten?", "Nichts, was im Video bemerkt wurde, beantwortet das"),
        ("¿Hay un elefante?", "Nada de lo anotado en el vídeo responde a esto"),
        ("Y a-t-il un éléphant ?", "Rien de ce qui a été noté dans la vidéo ne répond à cela"),
        ("有大象吗？", "视频中记录的内容没有回答这个问题"),
        ("象はいますか？", "動画で記録された内容には、この質問の答えがありません"),
    ],
)
def test_a_refusal_is_in_the_language_of_the_question(
    video: Video, store: CaptionStore, ask: Asker, question: str, refusal: str
) -> None:
    answer = VideoAgent(video, memory=store, preset=["subtitles"], llm="extractive").ask(question)
    assert answer.text.startswith(refusal)
    assert answer.status == "not_found"


@pytest.mark.parametrize(
    "question",
    [
        "What is the licence plate of the car?",
        "What is the name of the dog?",
        "How much does the fish cost?",
        "What is the price of the fish?",
        "Where is the elephant?",
        "What is said about Napoleon?",
        "When is Napoleon mentioned?",
        "How many elephants are there?",
        "Who is the president?",
        "What colour is the car?",
    ],
)
def test_what_nobody_noted_is_not_answered(ask: Asker, question: str) -> None:
    found = ask(question)
    assert not found.found, told(found.findings)


def test_what_costs_something_is_answered_by_a_note_with_a_number(video: Video, empty_store: CaptionStore) -> None:
    price = Caption(video.id, 10, 12, "speech", "The fresh fish costs 8 euros.", "by hand")
    ask = Asker(empty_store, (video, [price]))
    assert_found(
        ask("How much does the fish cost?"), [("Somebody says: “The fresh fish costs 8 euros.”", ["speech 10-12"])]
    )


@pytest.mark.parametrize("question", ["What is said?", "Is there a dog?", "When is the dog there?"])
def test_without_notes_nothing_is_found(video: Video, question: str) -> None:
    found = find(Query.parse(question, 20.0), Notes(video, []), [])
    assert not found.found
    assert not any(finding.hits for finding in found.findings)


def test_a_video_without_notes_still_has_its_length(video: Video) -> None:
    found = find(Query.parse("How long is the video?", 20.0), Notes(video, []), [])
    assert_found(found, [("The video is 00:20 (20.0 seconds) long.", [])])


def test_of_speech_without_words_only_that_it_is_there(video: Video, empty_store: CaptionStore) -> None:
    heard = Caption(video.id, 3, 9, "speech", "somebody speaks", "ears", attributes={"words_known": False})
    ask = Asker(empty_store, (video, [heard]))
    assert_found(ask("Does anyone speak?"), [("Somebody speaks.", ["speech 3-9"])])
    assert_found(
        ask("What is this video about?"),
        [("The video is 00:20 long.", ["speech 3-9"]), ("Somebody speaks.", ["speech 3-9"])],
    )


def test_a_follow_up_is_answered_from_its_side_of_the_moment(ask: Asker) -> None:
    after = ask("What is the first text on screen?", start_seconds=5.0)
    before = ask("What is the last text on screen?", end_seconds=15.0)
    assert_found(after, [("The screen shows: “FRESH FISH”", ["ocr 10-13"])])
    assert_found(before, [("The screen shows: “FRESH FISH”", ["ocr 10-13"])])


def test_of_several_videos_each_in_which_something_is_found_answers(
    video: Video, tmp_path: Path, empty_store: CaptionStore
) -> None:
    other = harbour(tmp_path, name="park.mp4")
    dog = Caption(other.id, 1, 4, "objects", "dog", "by hand", box=(0, 0, 9, 9), track_id=1)
    ask = Asker(empty_store, (video, noted(video)), (other, [dog]))
    found = ask("When is the dog there?")
    assert found.found
    assert {finding.hits[0].caption.video_id: finding.text for finding in found.findings} == {
        video.id: "There is a dog from 00:16–00:19.",
        other.id: "There is a dog from 00:01–00:04.",
    }
    assert {finding.hits[0].caption.video_id for finding in ask("When are there cars?").findings} == {video.id}


def test_of_many_videos_no_more_answer_than_can_be_read(tmp_path: Path, empty_store: CaptionStore) -> None:
    drawn = harbour(tmp_path).path.read_bytes()
    films = []
    for number in range(20):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(drawn + bytes([number]))
        films.append(Video(path))
    dogs = [(film, [Caption(film.id, 1, 4, "objects", "dog", "by hand", track_id=1)]) for film in films]
    found = Asker(empty_store, *dogs)("When is the dog there?")
    assert (found.found, len(found.findings)) == (True, 12)


def test_of_several_videos_none_need_answer(video: Video, tmp_path: Path, empty_store: CaptionStore) -> None:
    other = harbour(tmp_path, name="park.mp4")
    ask = Asker(empty_store, (video, noted(video)), (other, noted(other)))
    assert not ask("What is said about Napoleon?").found


LINES = (
    (1, 3, "Tell me, is the king at home?"),
    (3, 5, "Yes, he is, in a bad mood."),
    (13, 14, "Who took it?"),
    (15, 16, "A fox took the crown."),
    (17, 18, "Which fox?"),
    (18, 20, "The red one, I think."),
)


def test_a_question_that_is_quoted_is_followed_by_its_reply(video: Video, empty_store: CaptionStore) -> None:
    ask = Asker(empty_store, (video, [Caption(video.id, s, e, "speech", text, "by hand") for s, e, text in LINES]))
    assert_found(
        ask("Is the king at home?"),
        [
            ("Somebody says: “Tell me, is the king at home?”", ["speech 1-3"]),
            ("Somebody says: “Yes, he is, in a bad mood.”", ["speech 3-5"]),
        ],
    )


def test_of_the_end_the_last_lines_are_told(video: Video, empty_store: CaptionStore) -> None:
    late = [(s / 4 + 15, e / 4 + 15, text) for s, e, text in LINES]
    ask = Asker(empty_store, (video, [Caption(video.id, s, e, "speech", text, "by hand") for s, e, text in late]))
    texts = [text for text, _ in told(ask("What is said at the end?").findings)]
    assert texts == [f"Somebody says: “{text}”" for _, _, text in LINES[-3:]]


def test_a_sound_does_not_answer_what_is_seen(video: Video, empty_store: CaptionStore) -> None:
    ask = Asker(empty_store, (video, [Caption(video.id, 3, 5, "sound", "animal", "ears")]))
    assert not ask("What animal is sitting on the branch?").found
    assert ask("When is the animal heard?").found


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("At what times is nothing moving?", "Least moves at 00:15–00:20 (1% of the picture)."),
        ("Is it dark at the beginning?", "Light: bright (mean lightness 80%)."),
    ],
)
def test_of_measures_only_what_is_asked_for_is_told(ask: Asker, question: str, sentence: str) -> None:
    assert told(ask(question).findings)[0][0] == sentence


@pytest.mark.parametrize(
    "question", ["Is there a red car?", "What colour is the first car?", "Gibt es ein rotes Auto?"]
)
def test_a_colour_that_nobody_noted_is_not_affirmed(ask: Asker, question: str) -> None:
    found = ask(question)
    assert not found.found
    assert found.findings[0].hits == ()
    assert any({"car", "Auto"} & set(re.findall(r"\w+", finding.text)) for finding in found.findings[1:]), (
        "that there is a car comes nearest"
    )


def test_a_colour_that_a_caption_tells_is_found(video: Video, empty_store: CaptionStore) -> None:
    seen = Caption(video.id, 2, 4, "dense_caption", "a red car turns left", "by hand")
    ask = Asker(empty_store, (video, [*noted(video), seen]))
    assert told(ask("Is there a red car?").findings) == [("A red car turns left.", ["dense_caption 2-4"])]


COLOURS = {0: "white", 1: "red", 2: "cyan"}
"""Of the two cars and the truck."""


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("Is there a red car?", "Yes, there is a red car from 00:03–00:09.", ["car 3-9"]),
        ("When can the blue truck be seen?", "There is a blue truck from 00:05–00:08.", ["truck 5-8"]),
        ("around what time does the red one come by?", "There is a red car from 00:03–00:09.", ["car 3-9"]),
        ("What colour is the first car?", "A car looks white, 00:00–00:06.", ["car 0-6"]),
        ("what color is the last car", "A car looks red, 00:03–00:09.", ["car 3-9"]),
        ("Gibt es ein rotes Auto?", "Ja, zu sehen ist Auto (rotes), 00:03–00:09.", ["car 3-9"]),
        ("De quelle couleur est la première voiture ?", "Voiture paraît blanc, 00:00–00:06.", ["car 0-6"]),
        ("How many white cars are there?", "1 white car can be seen.", ["car 0-6"]),
    ],
)
def test_the_colour_of_a_thing(
    question: str, sentence: str, cited: list[str], video: Video, empty_store: CaptionStore
) -> None:
    captions = [replace(c, attributes={"colour": COLOURS.get(c.track_id or 0, "")}) for c in noted(video) if c.box]
    ((text, rests_on), *_) = told(Asker(empty_store, (video, captions))(question).findings)
    assert (text, rests_on) == (sentence, cited)


def test_a_colour_that_no_thing_has_is_not_affirmed(video: Video, empty_store: CaptionStore) -> None:
    captions = [replace(c, attributes={"colour": COLOURS.get(c.track_id or 0, "")}) for c in noted(video) if c.box]
    assert not Asker(empty_store, (video, captions))("Is there a green car?").found


def test_of_most_motion_that_of_the_camera_counts_and_it_begins_where_it_first_moves(ask: Asker) -> None:
    # 10% of the picture and 30% of its width a second, against 5% and 10%.
    assert told(ask("When is there most motion?").findings) == [
        ("Most moves at 00:05–00:10 (10% of the picture).", ["measure 5-10"])
    ]
    ((_, rests_on),) = told(ask("When does the camera start moving?").findings)
    assert rests_on == ["measure 5-10"]


@pytest.mark.parametrize("question", ["What's the title of this film?", "Wie ist der Titel des Films?"])
def test_the_title_is_the_text_in_the_largest_letters(question: str, video: Video, empty_store: CaptionStore) -> None:
    def text(start: float, words: str, height: float) -> Caption:
        return Caption(video.id, start, start + 2, "ocr", words, "by hand", box=(10, 10, 200, 10 + height))

    captions = [
        text(1, "A FILM BY NOBODY / PRESENTED BY ALL", 40),
        text(6, "THE OLD PIER", 60),
        text(15, "THE END", 30),
    ]
    ask = Asker(empty_store, (video, captions))
    (finding,) = ask(question).findings
    assert "THE OLD PIER" in finding.text
    assert "2.0 seconds" in ask("For how long is the title visible?").findings[0].text


def test_a_number_beside_what_is_counted_is_no_count(video: Video, empty_store: CaptionStore) -> None:
    words = Caption(video.id, 3, 5, "ocr", "Lecture 7: speeches, purpose and audience", "by hand")
    ask = Asker(empty_store, (video, [words]))
    assert not ask("How many people were in the audience?").found


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Сколько длится это видео?", "Видео длится 00:20 (20.0 с)."),
        ("Há um cão no vídeo?", "Sim, vê-se cachorro, 00:16–00:19."),
        ("Quante auto si vedono?", "Si vede: 2 auto."),
        ("कोई कुत्ता दिखता है?", "हाँ, 00:16–00:19 पर कुत्ता दिखता है।"),
        ("이 영상은 얼마나 깁니까?", "영상의 길이는 00:20(20.0초)입니다."),
    ],
)
def test_questions_in_other_languages_are_answered_in_them(ask: Asker, question: str, sentence: str) -> None:
    assert told(ask(question).findings)[0][0] == sentence


@pytest.mark.parametrize(
    ("question", "watched", "sentence"),
    [
        ("Does anybody speak?", {"speech"}, "No: nobody is heard speaking."),
        ("Spricht jemand?", {"speech"}, "Nein, man hört niemanden sprechen."),
        ("Is there any text on the screen?", {"ocr"}, "No: there is no text on the screen."),
        ("Does anybody speak?", {"ocr"}, None),
        ("Does anybody speak of fish?", {"speech"}, None),
    ],
)
def test_nothing_of_a_sense_that_saw_all_is_an_answer(
    video: Video, question: str, watched: set[Kind], sentence: str | None
) -> None:
    captions = [c for c in noted(video) if c.kind == "shot"]
    found = find(Query.parse(question, 20.0), Notes(video, captions, None, frozenset(watched)), [])
    assert found.found == (sentence is not None)
    assert sentence is None or told(found.findings) == [(sentence, ["shot 0-8"])]


@pytest.mark.parametrize(
    ("question", "watched", "sentence"),
    [
        ("Is there an elephant?", {"objects"}, "No: there is no note of an elephant."),
        ("any traffic light or stop sign?", {"objects"}, "No: there is no note of a traffic light, a stop sign."),
        ("C'è un cavallo nella scena?", {"objects"}, "No: nessuna nota su cavallo."),
        ("Sieht man da einen Elefanten?", {"objects"}, "Nein: Von Elefant ist nichts vermerkt."),
        (
            "Is there an elephant?",
            {"ocr"},
            "Nothing noted in the video answers this: there is no note of “elephant”.",
        ),
        ("is there an elephant lying around in the background?", {"objects"}, "No: there is no note of an elephant."),
        ("Is there a sheep or a bear?", {"objects"}, "No: there is no note of a sheep, a bear."),
        (
            "Is there a gizmo?",
            {"objects"},
            "Nothing noted in the video answers this: there is no note of “gizmo”.",
        ),
        (
            "Do you hear an elephant?",
            {"objects"},
            "Nothing noted in the video answers this: there is no note of “elephant”.",
        ),
    ],
)
def test_a_thing_that_a_detector_did_not_see_is_denied(
    video: Video, question: str, watched: set[Kind], sentence: str
) -> None:
    captions = [c for c in noted(video) if c.kind in ("shot", "objects")]
    found = find(Query.parse(question, 20.0), Notes(video, captions, None, frozenset(watched)), [])
    assert (told(found.findings), found.found) == ([(sentence, [])], False)


@pytest.mark.parametrize(
    "question",
    [
        "Does anyone talk in it?",
        "Sagt die Frau etwas?",
        "Can I hear the dog bark in this recording?",
        "Is there a car to be heard?",
    ],
)
def test_without_sound_nothing_is_heard(tmp_path: Path, question: str) -> None:
    mute = harbour(tmp_path, sound=False)
    found = find(Query.parse(question, 20.0), Notes(mute, noted(mute)), [])
    assert told(found.findings)[0][0] in ("The video has no sound.", "Das Video hat keinen Ton.")


@pytest.mark.parametrize(
    ("question", "answered"),
    [
        ("Which year is on the slide?", ["INAUGURAL ADDRESS / January 20, 1961"]),
        ("what year was this movie shot?", []),
        ("画面に書かれている就任演説の日付はいつですか", ["INAUGURAL ADDRESS / January 20, 1961"]),
        ("What is the date of the address on the slide?", ["INAUGURAL ADDRESS / January 20, 1961"]),
    ],
)
def test_a_date_and_a_year_are_answered_by_what_holds_one(
    video: Video, empty_store: CaptionStore, question: str, answered: list[str]
) -> None:
    slides = ("INAUGURAL ADDRESS / January 20, 1961", "Lecture 7: Famous Speeches", "Homework due Friday")
    captions = [Caption(video.id, 5 * i, 5 * i + 5, "ocr", text, "by hand") for i, text in enumerate(slides)]
    captions.append(Caption(video.id, 0, 20, "shot", "one shot of 20.0 s", "by hand", attributes={"event": "shot"}))
    found = Asker(empty_store, (video, captions))(question)
    assert [hit.caption.text for finding in found.findings for hit in finding.hits if found.found] == answered


@pytest.mark.parametrize(
    ("question", "similarities", "quoted"),
    [
        ("Does anyone mention a robbery?", (0.37, 0.11), True),
        ("Does anyone mention a robbery?", (0.37, 0.3), False),
        ("Does anyone mention a robbery?", (0.31, 0.0), False),
        ("By which day is it to be paid?", (0.31, 0.3), True),
        ("In which town is it to be paid?", (0.31, 0.3), False),
    ],
)
def test_a_caption_that_stands_out_answers_in_other_words(
    video: Video, question: str, similarities: tuple[float, float], quoted: bool
) -> None:
    texts = "Somebody took the jewels on Friday.", "We saw a film."
    captions = [Caption(video.id, i, i + 1, "speech", text, "by hand") for i, text in enumerate(texts)]
    hits = [Hit(caption, similarity=value) for caption, value in zip(captions, similarities, strict=True)]
    found = find(Query.parse(question, 20.0), Notes(video, captions), hits)
    assert found.found == quoted
    assert ("jewels" in found.findings[0].text) or not quoted


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Are there ever two cars at once?", "2 cars at once, from 00:03–00:06, is the most."),
        ("Sind irgendwann zwei Autos gleichzeitig im Bild?", "Am meisten, 2 Autos gleichzeitig, bei 00:03–00:06."),
        ("Can you see four cars?", "No, there is no more than 2 cars at once."),
        ("Is it cut fast?", "Cuts are at 00:08 and 00:14."),
    ],
)
def test_so_many_at_once_and_cuts(ask: Asker, question: str, sentence: str) -> None:
    assert told(ask(question).findings)[0][0] == sentence


@pytest.mark.parametrize("question", ['How often is the word "fish" used?', "Wie oft sagt er „fish“?"])
def test_a_word_that_is_named_is_counted(ask: Asker, question: str) -> None:
    (finding,) = ask(question).findings
    assert [hit.caption.text for hit in finding.hits] == ["Fresh fish is sold here every morning."]
    assert "fish" in finding.text
    assert "once" in finding.text or "1-mal" in finding.text
