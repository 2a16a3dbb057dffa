"""What was recognised becomes one caption a sentence, cut at pauses, on the time of the video."""

from dataclasses import replace

import pytest

from videochat.tools.utterances import utterances
from videochat.tools.whisper import Segment, Word


def segment(*words, **facts):
    words = tuple(Word(start, end, text, 0.5) for start, end, text in words)
    text = "".join(word.text for word in words)
    start, end = (words[0].start_seconds, words[-1].end_seconds) if words else (0.0, 1.0)
    return replace(Segment(start, end, text, -0.2, 0.0, 1.2, "en", words), **facts)


def test_one_utterance_a_sentence_on_the_time_of_the_video():
    told = list(
        utterances(
            [segment((0.0, 0.5, " Hello"), (0.5, 1.0, " there."), (1.0, 1.4, " Come"), (3.0, 3.3, " in"))], 100.0
        )
    )
    assert [(u.start_seconds, u.end_seconds, u.text) for u in told] == [
        (100.0, 101.0, "Hello there."),
        (101.0, 101.4, "Come"),
        (103.0, 103.3, "in"),
    ]
    assert told[0].words[1] == Word(100.5, 101.0, " there.", 0.5)
    assert (told[0].score, told[0].language) == (0.5, "en")


@pytest.mark.parametrize(
    "facts",
    [
        {"compression": 3.0},
        {"no_speech": 0.9, "logprob": -2.0},
        {"logprob": float("nan")},
        {"text": " ...", "words": ()},
    ],
)
def test_text_that_whisper_made_up_is_dropped(facts):
    assert not list(utterances([segment((0.0, 0.5, " Thanks"), (0.5, 1.0, " for watching"), **facts)], 0.0))


def test_without_word_times_the_segment_is_told():
    (told,) = utterances([segment(text=" Good morning", words=(), end_seconds=2.0)], 5.0)
    assert (told.start_seconds, told.end_seconds, told.text) == (5.0, 7.0, "Good morning")


def test_a_long_sentence_is_cut_at_its_comma_within_seven_seconds():
    texts = " We walked along the river, past the mill, and came home when it was dark at last."
    words, at = [], 0.0
    for text in texts.split(" ")[1:]:
        words.append(Word(at, at + 0.6, f" {text}", 0.9))
        at += 0.6
    (long,) = [Segment(0.0, at, texts, -0.2, 0.0, 1.0, "en", tuple(words))]
    parts = list(utterances([long], 0.0))
    assert [part.text for part in parts] == [
        "We walked along the river, past the mill,",
        "and came home when it was dark at last.",
    ]
    assert max(part.end_seconds - part.start_seconds for part in parts) <= 7.0
