"""Answers that are counted, measured or compared, each with the captions that it rests on."""

from collections.abc import Callable

import pytest

from tests.fakes.harbour import CENTRE, asked, harbour, noted, told
from videochat.agent.findings import Asked, Finding
from videochat.agent.measured_answers import about_sound, compare, count, extreme, length, measured, shares, size
from videochat.media import Video
from videochat.memory import Hit
from videochat.records import AttributeValue, Caption, Kind

Told = list[tuple[str, list[str]]]
Way = Callable[[Asked], list[Finding]]

SHOTS = ["shot 0-8", "shot 8-14", "shot 14-20"]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return harbour(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Video:
    """Without sound."""
    return harbour(tmp_path_factory.mktemp("upright"), size=(180, 320), sound=False)


def note(video: Video, start: float, end: float, kind: Kind, text: str, **attributes: AttributeValue) -> Caption:
    return Caption(video.id, start, end, kind, text, "by hand", attributes=attributes)


def shot(video: Video, start: float, end: float, **attributes: AttributeValue) -> Caption:
    return note(video, start, end, "shot", f"one shot of {end - start} s", **attributes)


def car(video: Video, start: float, end: float, track: int) -> Caption:
    return Caption(video.id, start, end, "objects", "car", "by hand", box=CENTRE, track_id=track)


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("How long is the video?", [("The video is 00:20 (20.0 seconds) long.", ["person 10-20"])]),
        ("How many seconds does it last?", [("The video is 00:20 (20.0 seconds) long.", ["person 10-20"])]),
        ("How long is the second shot?", [("A shot of 6.0 seconds, 00:08–00:14.", ["shot 8-14"])]),
        ("How long is the longest shot?", [("The longest shot lasts 8.0 seconds, 00:00–00:08.", ["shot 0-8"])]),
        (
            "How long are the shots?",
            [
                ("A shot of 8.0 seconds, 00:00–00:08.", ["shot 0-8"]),
                ("A shot of 6.0 seconds, 00:08–00:14.", ["shot 8-14"]),
                ("A shot of 6.0 seconds, 00:14–00:20.", ["shot 14-20"]),
            ],
        ),
        ("How long is the dog in sight?", [("A dog is in sight for 3.0 seconds.", ["dog 16-19"])]),
        ("How many seconds is the truck there?", [("A truck is in sight for 3.0 seconds.", ["truck 5-8"])]),
        (
            "How long does somebody speak?",
            [("Somebody speaks for 10.0 seconds in all.", ["speech 2-5", "speech 5-7", "speech 9-12"])],
        ),
    ],
)
def test_the_length_of_what_the_question_is_about(video: Video, question: str, sentences: Told) -> None:
    assert told(length(asked(question, video, noted(video)))) == sentences


def test_a_thing_that_left_and_came_back_is_in_sight_for_both_times_together(video: Video) -> None:
    cars = [car(video, 0, 5, 1), car(video, 10, 15, 2)]
    assert told(length(asked("How long is the car in sight?", video, cars))) == [
        ("A car is in sight for 10.0 seconds.", ["car 0-5", "car 10-15"])
    ]


def test_the_length_of_what_is_described_is_that_of_the_caption_that_fits(video: Video) -> None:
    pouring = note(video, 3, 8, "clip_caption", "a man pours milk into a cup")
    question = asked("How long does the man pour milk?", video, [pouring], hits=[Hit(pouring)])
    assert told(length(question)) == [("A man pours milk into a cup. This lasts 5.0 seconds.", ["clip_caption 3-8"])]


def test_how_long_something_takes_is_not_the_length_of_a_take(video: Video) -> None:
    question = "How long does it take to sell the fish?"
    assert not any("A shot of" in text for text, _ in told(length(asked(question, video, noted(video)))))


def test_of_length_and_size_asked_together_both_are_told(video: Video) -> None:
    question = asked("How long is the video and in what resolution?", video, noted(video))
    pixels, seconds = told(length(question))
    assert (pixels[0].split(" (")[0], pixels[1]) == ("The picture is 320 x 180 pixels", ["person 10-20"])
    assert seconds == ("The video is 00:20 (20.0 seconds) long.", ["person 10-20"])


@pytest.mark.parametrize(
    "question", ["What is the resolution?", "Is it in landscape format?", "How big is the picture?"]
)
def test_the_size_and_shape_of_the_picture(video: Video, upright: Video, question: str) -> None:
    wide = told(size(asked(question, video, noted(video))))
    tall = told(size(asked(question, upright, [shot(upright, 0, 20)])))
    assert [(text.casefold(), cited) for text, cited in [*wide, *tall]] == [
        ("the picture is 320 x 180 pixels (landscape), 2 frames a second.", ["person 10-20"]),
        ("the picture is 180 x 320 pixels (portrait), 2 frames a second.", ["shot 0-20"]),
    ]


@pytest.mark.parametrize(
    ("question", "shape"),
    [("What is the resolution?", "landscape"), ("¿Qué resolución tiene?", "horizontal")],
)
def test_a_shape_within_a_sentence_has_no_capital(video: Video, question: str, shape: str) -> None:
    (finding,) = size(asked(question, video, []))
    assert f"({shape})" in finding.text


def test_a_file_without_pictures_has_no_size(sound_only: Video) -> None:
    assert size(asked("What is the resolution?", sound_only, [])) == []


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("How many people are there?", [("3 people can be seen.", ["person 10-20", "person 12-16", "person 13-15"])]),
        ("How many cars are there?", [("2 cars can be seen.", ["car 0-6", "car 3-9"])]),
        ("How many cars are there in the first two seconds?", [("1 car can be seen.", ["car 0-6"])]),
        (
            "How many vehicles are there?",
            [("2 cars can be seen.", ["car 0-6", "car 3-9"]), ("1 truck can be seen.", ["truck 5-8"])],
        ),
        ("How many animals are there?", [("1 dog can be seen.", ["dog 16-19"])]),
        ("How many shots are there?", [("There are 3 shots.", SHOTS)]),
        ("How many cuts are there?", [("There are 2 cuts.", SHOTS)]),
        (
            "How many texts are on screen?",
            [("There are 3 different texts on screen.", ["ocr 1-4", "ocr 10-13", "ocr 18-20"])],
        ),
        (
            "How many sentences are said?",
            [("There are 3 sentences.", ["speech 2-5", "speech 9-12", "speech 15-17"])],
        ),
        ("How many elephants are there?", []),
        ("How much does the fish cost?", []),
    ],
)
def test_what_is_counted(video: Video, question: str, sentences: Told) -> None:
    assert told(count(asked(question, video, noted(video)))) == sentences


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("How many cuts are there?", "There are no cuts: it is one shot."),
        ("How many shots are there?", "There is 1 shot, without a cut."),
        ("Wie viele Schnitte gibt es?", "Es gibt keinen Schnitt: Es ist eine Einstellung."),
    ],
)
def test_a_video_of_one_shot_has_no_cuts(video: Video, question: str, sentence: str) -> None:
    assert told(count(asked(question, video, [shot(video, 0, 20)]))) == [(sentence, ["shot 0-20"])]


def test_two_shots_have_one_cut(video: Video) -> None:
    shots = [shot(video, 0, 8), shot(video, 8, 20)]
    assert told(count(asked("How many cuts are there?", video, shots))) == [
        ("There is 1 cut.", ["shot 0-8", "shot 8-20"])
    ]


def test_parts_of_a_long_shot_and_key_moments_are_no_cuts(video: Video) -> None:
    shots = [
        shot(video, 0, 12, event="shot", continues=True),
        shot(video, 3, 3.5, event="sudden_change"),
        shot(video, 12, 20, event="shot"),
    ]
    assert told(count(asked("How many shots are there?", video, shots))) == [
        ("There is 1 shot, without a cut.", ["shot 0-20"])
    ]


def test_things_that_were_never_there_together_are_told_apart(video: Video) -> None:
    cars = [car(video, 0, 5, 1), car(video, 10, 15, 2)]
    assert told(count(asked("How many cars are there?", video, cars))) == [
        ("1 car at once at most, 2 cars in all.", ["car 0-5"])
    ]


def test_a_word_that_is_said_is_counted_in_each_line(video: Video) -> None:
    spoken = [
        note(video, 1, 3, "speech", "Boil the water, fresh water."),
        note(video, 3, 6, "speech", "Now the water boils."),
    ]
    assert told(count(asked("How often is water mentioned?", video, spoken))) == [
        ("“water” is said 3 times.", ["speech 1-3", "speech 3-6"])
    ]


def test_a_longer_word_is_another_word(video: Video) -> None:
    spoken = [note(video, 1, 3, "speech", "The car is on the carpet.")]
    ((text, cited),) = told(count(asked("How often is the car mentioned?", video, spoken)))
    assert (text[: len("“car” is said once")], cited) == ("“car” is said once", ["speech 1-3"])


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("When is it darkest?", "It is darkest at 00:10–00:15 (mean lightness 20%).", ["measure 10-15"]),
        ("When is it brightest?", "It is brightest at 00:00–00:05 (mean lightness 80%).", ["measure 0-5"]),
        ("When is there the most movement?", "Most moves at 00:05–00:10 (10% of the picture).", ["measure 5-10"]),
        ("When is the video calmest?", "Least moves at 00:15–00:20 (1% of the picture).", ["measure 15-20"]),
        (
            "When does the camera move most?",
            "The camera moves most at 00:05–00:10 (30% of the picture width a second).",
            ["measure 5-10"],
        ),
        (
            "When does the camera move least?",
            "The camera moves least at 00:00–00:05 (0% of the picture width a second).",
            ["measure 0-5"],
        ),
        (
            "What is the darkest moment of the first ten seconds?",
            "It is darkest at 00:05–00:10 (mean",
            ["measure 5-10"],
        ),
        ("Which shot is the longest?", "The longest shot lasts 8.0 seconds, 00:00–00:08.", ["shot 0-8"]),
        ("What is the shortest shot?", "The shortest shot lasts 6.0 seconds, 00:08–00:14.", ["shot 8-14"]),
        (
            "When are the most people in the picture?",
            "3 people at once, from 00:13–00:15, is the most.",
            ["person 10-20", "person 12-16", "person 13-15"],
        ),
        ("Which object is in sight the longest?", "A person is in sight for 10.0 seconds.", ["person 10-20"]),
        ("Which object is in sight the shortest?", "A dog is in sight for 3.0 seconds.", ["dog 16-19"]),
    ],
)
def test_where_most_and_least_is(video: Video, question: str, sentence: str, cited: list[str]) -> None:
    ((text, rests_on),) = told(extreme(asked(question, video, noted(video))))
    assert (text[: len(sentence)], rests_on) == (sentence, cited)


def test_without_measurements_nothing_is_darkest(video: Video) -> None:
    kept = [caption for caption in noted(video) if caption.kind != "measure"]
    assert extreme(asked("When is it darkest?", video, kept)) == []


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        (
            "Is it darker at 2 seconds or at 12 seconds?",
            "It is brighter at 00:02 (mean lightness 80%) than at 00:12 (20%), where it is darker.",
            ["measure 10-15", "measure 0-5"],
        ),
        (
            "Is it brighter at 12 seconds or at 17 seconds?",
            "It is darker at 00:12 (mean lightness 20%) than at 00:17 (50%), where it is brighter.",
            ["measure 15-20", "measure 10-15"],
        ),
        (
            "Is it darker at 1 second than at 4 seconds?",
            "It is as bright at 00:01 (mean lightness 80%) as at 00:04 (80%).",
            ["measure 0-5", "measure 0-5"],
        ),
        (
            "Does the camera move more at 2 seconds or at 7 seconds?",
            "The camera moves less at 00:02 (0% of the picture width a second) than at 00:07 (30%).",
            ["measure 5-10", "measure 0-5"],
        ),
        (
            "Are there more cars at 5 seconds or at 12 seconds?",
            "At 00:05: 2 cars. At 00:12: 0 cars.",
            ["car 0-6", "car 3-9"],
        ),
    ],
)
def test_two_moments_are_compared_and_what_was_asked_for_is_cited_first(
    video: Video, question: str, sentence: str, cited: list[str]
) -> None:
    assert told(compare(asked(question, video, noted(video)))) == [(sentence, cited)]


@pytest.mark.parametrize(
    ("question", "parts", "cited"),
    [
        (
            "Is it brighter at the beginning or at the end?",
            ["It is brighter at ", "00:00–00:04", "80%", "00:16–00:20", "50%"],
            ["measure 0-5", "measure 15-20"],
        ),
        (
            "Are there more people at the beginning or at the end?",
            ["00:00–00:04", ": 0 people. ", "00:16–00:20", ": 1 person."],
            ["person 10-20"],
        ),
        (
            "Does more move in the first half or in the second half?",
            ["More moves at ", "00:00–00:10", "6% of the picture", "00:10–00:20", "3%"],
            ["measure 0-5", "measure 15-20"],
        ),
    ],
)
def test_the_beginning_is_compared_with_the_end_and_half_with_half(
    video: Video, question: str, parts: list[str], cited: list[str]
) -> None:
    ((text, rests_on),) = told(compare(asked(question, video, noted(video))))
    at = [text.find(part) for part in parts]
    assert at == sorted(at), text
    assert at[0] >= 0, text
    assert rests_on == cited


def test_two_sorts_of_things_are_compared_by_their_numbers(video: Video) -> None:
    sentences = told(compare(asked("Are there more cars than people?", video, noted(video))))
    assert {text for text, _ in sentences} == {"3 people can be seen.", "2 cars can be seen."}


def test_without_measurements_nothing_is_compared(video: Video) -> None:
    assert compare(asked("Is it darker at 2 seconds or at 12 seconds?", video, [shot(video, 0, 20)])) == []


@pytest.mark.parametrize(
    ("question", "sentences"),
    [
        ("What colours are there?", [("Colours: gray 90%.", ["measure 0-5"])]),
        (
            "How bright is it?",
            [
                ("Light: bright (mean lightness 80%).", ["measure 0-5"]),
                ("Light: dark (mean lightness 20%).", ["measure 10-15"]),
            ],
        ),
        ("What is the light like at the end?", [("Light: dark (mean lightness 50%).", ["measure 15-20"])]),
        ("What is said?", []),
    ],
)
def test_what_was_measured_is_told_once_for_each_that_differs(video: Video, question: str, sentences: Told) -> None:
    assert told(measured(asked(question, video, noted(video)))) == sentences


def test_whether_there_is_sound_is_known_from_the_file(video: Video, upright: Video) -> None:
    assert told(about_sound(asked("Is there sound?", video, noted(video)))) == [
        ("The video has sound.", ["speech 2-5"])
    ]
    assert told(about_sound(asked("Is the video silent?", upright, [shot(upright, 0, 20)]))) == [
        ("The video has no sound.", ["shot 0-20"])
    ]
    assert about_sound(asked("What is the sound of the dog like?", video, noted(video))) == []


def test_most_of_the_words_must_be_in_a_caption_that_shares_them(video: Video) -> None:
    spoken = note(video, 1, 3, "speech", "Boil fresh water.")
    assert shares(["fresh", "water"], spoken)
    assert shares(["boil", "fresh", "milk"], spoken)
    assert not shares(["cold", "milk", "water"], spoken)


def test_measures_are_answered_in_the_language_of_the_question(video: Video) -> None:
    questions: dict[str, tuple[Way, str]] = {
        "Wann ist es am hellsten?": (extreme, "Am hellsten ist es bei 00:00–00:05 (mittlere Helligkeit 80%)."),
        "¿Cuál es el momento más oscuro?": (extreme, "El momento más oscuro es 00:10–00:15 (luminosidad media 20%)."),
        "Quel est le plan le plus court ?": (extreme, "Le plan le plus court dure 6.0 secondes, 00:08–00:14."),
        "视频有多长？": (length, "视频长 00:20（20.0 秒）。"),
        "人は何人いますか？": (count, "3 人 が見えます。"),
    }
    for question, (way, sentence) in questions.items():
        assert [text for text, _ in told(way(asked(question, video, noted(video))))] == [sentence], question


@pytest.mark.parametrize(
    ("question", "sentence", "cited"),
    [
        ("When is it loudest?", "It is loudest at 00:04–00:08 (-12 dB).", "measure 4-8"),
        ("at what point is the sound the quietest?", "It is quietest at 00:08–00:12 (-48 dB).", "measure 8-12"),
        ("Wann ist es am lautesten?", "Am lautesten ist es bei 00:04–00:08 (-12 dB).", "measure 4-8"),
    ],
)
def test_where_it_is_loudest(video: Video, question: str, sentence: str, cited: str) -> None:
    levels = [(0, 4, -30.0), (4, 8, -12.0), (8, 12, -48.0)]
    captions = [note(video, a, b, "measure", f"sound: {v:.0f} dB", loudness=v, sound="") for a, b, v in levels]
    assert told(extreme(asked(question, video, [*noted(video), *captions]))) == [(sentence, [cited])]


@pytest.mark.parametrize(("level", "sentence"), [(-80.0, "The sound track is silent"), (-30.0, "The video has sound.")])
def test_a_silent_sound_track_is_no_sound(video: Video, level: float, sentence: str) -> None:
    captions = [note(video, 0, 20, "measure", "sound", loudness=level, sound="")]
    ((text, _),) = told(about_sound(asked("Is there any sound in this video?", video, captions)))
    assert text.startswith(sentence)


def test_the_quietest_half_second_within_what_is_loud(video: Video) -> None:
    moment = {"quietest": -49.0, "quietest_seconds": 10.5, "loudest": -4.0, "loudest_seconds": 2.0}
    captions = [note(video, 0, 16, "measure", "sound: loud", loudness=-9.0, sound="loud", **moment)]
    ((text, rests_on),) = told(extreme(asked("Where is the sound quietest?", video, captions)))
    assert text == "It is quietest at 00:10–00:11 (-49 dB)."
    assert rests_on == ["measure 10.5-11"]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (
            "Which is louder, the beginning or the end?",
            "It is quieter at the beginning (00:00–00:04) (-30 dB) than at the end (00:16–00:20) (-12 dB), "
            "where it is louder.",
        ),
        ("Is it louder in the first half or in the second half?", "It is quieter at the beginning (00:00–00:10)"),
    ],
)
def test_what_is_louder(video: Video, question: str, sentence: str) -> None:
    levels = [(0, 10, -30.0), (10, 20, -12.0)]
    captions = [note(video, a, b, "measure", "sound", loudness=v, sound="") for a, b, v in levels]
    ((text, rests_on),) = told(compare(asked(question, video, captions)))
    assert text.startswith(sentence)
    assert rests_on[0] == "measure 10-20"


@pytest.mark.parametrize(
    ("question", "in_grey", "in_colour"),
    [
        ("Is this clip in black and white?", "Yes, it is in black and white", "No, it is in colour"),
        ("is it monochrome", "Yes, it is in black and white", "No, it is in colour"),
        ("Is this clip in colour?", "No, it is in black and white", "Yes, it is in colour"),
        ("is it a color film", "No, it is in black and white", "Yes, it is in colour"),
    ],
)
def test_black_and_white_or_colour(video: Video, question: str, in_grey: str, in_colour: str) -> None:
    for colours, sentence in (("grey 66%, black 34%", in_grey), ("grey 66%, blue 34%", in_colour)):
        captions = [note(video, 0, 20, "measure", f"colours: {colours}", colours=colours)]
        ((text, _),) = told(measured(asked(question, video, captions)))
        assert text == f"{sentence}: {colours}."
