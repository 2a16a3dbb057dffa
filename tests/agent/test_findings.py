"""One question to the notes of one video: what it means among them, and how they are told."""

import pytest

from tests.fakes.harbour import CENTRE, UPPER_RIGHT, asked, cited, harbour, noted, told
from videochat.agent.findings import Asked, Finding
from videochat.agent.notes import Notes
from videochat.media import Video
from videochat.memory import Hit
from videochat.memory.query import Query
from videochat.records import AttributeValue, Caption, Kind

WELCOME = "Today we visit the old harbour, where the fishing boats arrive."


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return harbour(tmp_path_factory.mktemp("harbour"))


def note(video: Video, start: float, end: float, kind: Kind, text: str, **attributes: AttributeValue) -> Caption:
    return Caption(video.id, start, end, kind, text, "by hand", attributes=attributes)


def thing(video: Video, start: float, end: float, label: str, track: int) -> Caption:
    return Caption(video.id, start, end, "objects", label, "by hand", box=CENTRE, track_id=track)


def about(video: Video, question: str, *found: Caption, likeness: float = 0.0) -> Asked:
    """Put a question to the harbour, for which some captions were found."""
    return asked(question, video, noted(video), hits=[Hit(caption, similarity=likeness) for caption in found])


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("How many cars are there?", ["car"]),
        ("How many vehicles are there?", ["car", "truck"]),
        ("Are there people or animals?", ["person", "dog"]),
        ("Wann ist der Hund zu sehen?", ["dog"]),
        ("What is said about boats?", []),
    ],
)
def test_words_mean_the_things_that_were_followed(video: Video, question: str, labels: list[str]) -> None:
    question_asked = about(video, question)
    assert question_asked.labels == labels
    assert [thing.name for thing in question_asked.meant()] == labels


def test_a_number_of_something_else_of_a_thing_means_no_thing(video: Video) -> None:
    assert about(video, "How many cars are there?").labels == ["car"]
    assert about(video, "How many passengers pay for a ticket before the car leaves?").labels == []


def test_what_stands_for_the_video_is_its_summary_else_what_reaches_furthest(video: Video) -> None:
    whole = note(video, 0, 20, "summary", "A walk through the harbour.")
    query = Query.parse("How long is the video?", 20.0)
    with_summary = Asked(query, Notes(video, noted(video), whole), [])
    assert [hit.caption for hit in with_summary.itself()] == [whole]
    assert cited(Finding("", about(video, "How long is the video?").itself())) == ["person 10-20"]
    assert Asked(query, Notes(video, []), []).itself() == ()


@pytest.mark.parametrize(
    ("tracks", "sentence", "rests_on"),
    [
        ([(0, 6), (3, 9)], "2 cars can be seen.", ["car 0-6", "car 3-9"]),
        ([(0, 5)], "1 car can be seen.", ["car 0-5"]),
        ([(0, 5), (10, 15)], "1 car at once at most, 2 cars in all.", ["car 0-5"]),
        (
            [(0, 6), (3, 9), (12, 15)],
            "2 cars at once at most, 3 cars in all.",
            ["car 0-6", "car 3-9"],
        ),
    ],
)
def test_how_many_there_are_at_once_and_in_all(
    video: Video, tracks: list[tuple[float, float]], sentence: str, rests_on: list[str]
) -> None:
    cars = [thing(video, start, end, "car", track) for track, (start, end) in enumerate(tracks)]
    question = asked("How many cars are there?", video, cars)
    finding = question.counted(question.meant()[0])
    assert (finding.text, cited(finding), finding.computed) == (sentence, rests_on, True)


def test_when_the_most_are_in_sight(video: Video) -> None:
    question = about(video, "When are the most people there?")
    assert told(question.crowded(question.meant()[0])) == [
        ("3 people at once, from 00:13–00:15, is the most.", ["person 10-20", "person 12-16", "person 13-15"])
    ]


def test_when_a_thing_is_in_sight_and_for_how_long(video: Video) -> None:
    cars = [thing(video, 0, 5, "car", 1), thing(video, 3, 8, "car", 2), thing(video, 10, 15, "car", 3)]
    question = asked("When is the car there?", video, cars)
    (meant,) = question.meant()
    both = ["car 0-8", "car 10-15"]
    assert told([question.seen(meant)]) == [("There is a car from 00:00–00:08 and 00:10–00:15.", both)]
    ((text, rests_on),) = told([question.seen(meant, yes=True)])
    assert text == "Yes, there are up to 2 cars at once, 00:00–00:08 and 00:10–00:15."
    assert rests_on == [*both, "car 3-8"]
    assert told([question.in_sight(meant)]) == [("A car is in sight for 13.0 seconds.", both)]


def test_a_thing_is_clipped_to_the_range_that_is_asked_about(video: Video) -> None:
    question = about(video, "How many cars are there in the first two seconds?")
    (car,) = question.meant()
    clipped = question.clipped(car)
    assert clipped is not None
    assert [caption.start_seconds for caption in clipped.captions] == [0]
    assert question.clipped(car, (15.0, 20.0)) is None
    assert about(video, "How many cars are there?").clipped(car) is car


def test_hits_and_notes_of_a_range(video: Video) -> None:
    question = about(video, "What is written between 9 and 14 seconds?")
    assert cited(Finding("", tuple(question.in_span(question.notes.of("ocr"))))) == ["ocr 10-13"]
    assert cited(Finding("", tuple(question.touching(("speech", "shot"), (11.0, 12.0))))) == [
        "speech 9-12",
        "shot 8-14",
    ]
    everything = about(video, "What is written?")
    assert everything.in_span(everything.notes.of("ocr")) == everything.notes.of("ocr")


@pytest.mark.parametrize(
    ("question", "strange"),
    [
        ("What is this video about?", False),
        ("What can be seen?", False),
        ("How many people are there?", False),
        ("Who is the president?", True),
        ("What is said about Napoleon?", True),
    ],
)
def test_a_question_is_strange_if_it_is_about_more_than_seeing_and_hearing(
    video: Video, question: str, strange: bool
) -> None:
    assert about(video, question).strange() is strange


def test_captions_that_say_most_of_what_is_asked_about_fit_best_first(video: Video) -> None:
    sold = note(video, 9, 12, "speech", "Fresh fish is sold here every morning.")
    morning = note(video, 1, 3, "clip_caption", "a morning at the sea")
    shot = note(video, 0, 8, "shot", "one shot of fish sold in the morning")
    question = about(video, "What is sold in the morning?", morning, shot, sold)
    assert [hit.caption for hit in question.fitting()] == [sold]


def test_where_the_question_names_the_sense_less_of_it_must_be_shared(video: Video) -> None:
    spoken = note(video, 9, 12, "speech", "The fish is fresh.")
    words = "about fish and sailors"
    assert [hit.caption for hit in about(video, f"What is said {words}?", spoken).fitting()] == [spoken]
    assert about(video, f"What is there {words}?", spoken).fitting() == []


def test_a_question_in_another_language_can_share_little_more_than_names(video: Video) -> None:
    spoken = note(video, 9, 12, "clip_caption", "Captain Haddock walks along the pier")
    assert [h.caption for h in about(video, "Warum geht Haddock spazieren?", spoken).fitting()] == [spoken]
    assert about(video, "Why does Haddock wander?", spoken).fitting() == []


def test_that_a_thing_is_there_answers_only_whether_when_and_where(video: Video) -> None:
    dog = next(caption for caption in noted(video) if caption.text == "dog")
    assert about(video, "Why the dog?", dog).fitting() == []
    assert [hit.caption for hit in about(video, "When is the dog there?", dog).fitting()] == [dog]


def test_without_a_subject_the_captions_of_the_sense_fit(video: Video) -> None:
    spoken, shown = note(video, 9, 12, "speech", "Hello."), note(video, 9, 12, "ocr", "HELLO")
    assert [hit.caption for hit in about(video, "What is said?", shown, spoken).fitting()] == [spoken]
    assert about(video, "What?", shown, spoken).fitting() == []


def test_a_caption_that_means_the_same_fits_without_its_words(video: Video) -> None:
    spoken = note(video, 9, 12, "clip_caption", "a vessel enters the port")
    assert about(video, "What does the ship reach?", spoken).fitting() == []
    assert [h.caption for h in about(video, "What does the ship reach?", spoken, likeness=0.8).fitting()] == [spoken]


def test_a_line_of_speech_is_told_with_the_sentence_of_which_it_is_a_part(video: Video) -> None:
    question = about(video, "What is said about boats?")
    first, second = question.notes.of("speech")[:2]
    assert told([question.told(second)]) == [(f"Somebody says: “{WELCOME}”", ["speech 5-7", "speech 2-5"])]
    assert told([question.told(first)]) == [(f"Somebody says: “{WELCOME}”", ["speech 2-5", "speech 5-7"])]


def test_what_is_told_of_each_kind(video: Video) -> None:
    question = about(video, "What?")
    sentences = {
        note(video, 1, 3, "speech", "Hello\nthere."): "Somebody says: “Hello there.”",
        note(video, 1, 3, "speech", "somebody speaks", words_known=False): "Somebody speaks.",
        note(video, 1, 3, "ocr", "THE\nEND"): "The screen shows: “THE END”",
        thing(video, 1, 3, "apple", 1): "There is an apple from 00:01–00:03.",
        note(video, 1, 3, "shot", "one shot of 2.0 s"): "A shot of 2.0 seconds, 00:01–00:03.",
        note(video, 1, 1.5, "shot", "the picture changes", event="sudden_change"): "The picture changes suddenly.",
        note(video, 1, 3, "measure", "light: dark"): "Light: dark.",
        note(video, 1, 3, "action", "pouring milk"): "Pouring milk.",
        note(video, 1, 3, "clip_caption", "A man waits."): "A man waits.",
    }
    assert {caption: question.sentence(Hit(caption)) for caption in sentences} == sentences
    dog = Caption(video.id, 1, 3, "objects", "dog", "by hand", box=UPPER_RIGHT, track_id=1)
    assert question.sentence(Hit(dog), yes=True) == "Yes, there is a dog from 00:01–00:03."
    assert question.sentence(Hit(dog, span=(1, 9))) == "There is a dog from 00:01–00:09."


def test_a_shot_is_told_with_its_length_and_place_in_time(video: Video) -> None:
    question = about(video, "Which shot is the longest?")
    finding = question.shot("shot_longest", question.notes.of("shot")[0])
    assert (told([finding]), finding.computed) == (
        [("The longest shot lasts 8.0 seconds, 00:00–00:08.", ["shot 0-8"])],
        True,
    )


def test_of_what_somebody_does_the_longest_comes_first(video: Video) -> None:
    seen = [(0, 1, "A man stands in a kitchen."), (1, 6, "The man dances."), (6, 8, "The man lifts a knee.")]
    captions = [note(video, start, end, "clip_caption", text) for start, end, text in seen]
    doing = about(video, "What is the man doing?", *captions).fitting()
    assert [hit.start_seconds for hit in doing] == [1, 6, 0]
