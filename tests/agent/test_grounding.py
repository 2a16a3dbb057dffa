"""Whether what a sentence cites bears it: by evidence, times, order, numbers, names, negation and words."""

from collections.abc import Sequence

import pytest
from langchain_core.embeddings import Embeddings

from videochat.agent.citations import Evidence
from videochat.agent.grounding import SentenceCheck, check_sentences, likeness_of, plain
from videochat.memory import Hit, WordEmbeddings
from videochat.memory.embeddings import Embedder
from videochat.records import Caption, Kind

CAPTIONS: list[tuple[float, float, Kind, str]] = [
    (14, 18, "speech", "Now the milk is poured, slowly and last."),
    (4, 8, "speech", "First the water boils for three minutes."),
    (0, 10, "objects", "person"),
    (60, 66, "speech", "Rosa says we use no sugar at all."),
    (100, 110, "speech", "You need 200 grams of flour and three eggs."),
    (420, 426, "speech", "Emil stirs the batter."),
    (9, 13, "speech", "The leaves steep."),
    (30, 34, "ocr", "The 10:30 bus leaves from platform two."),
    (200, 208, "clip_caption", "a man in a red jacket walks a dog along the beach"),
    (230, 236, "speech", "It costs twelve dollars."),
]
DURATION = 600.0


@pytest.fixture
def evidence() -> Evidence:
    evidence = Evidence()
    evidence.add(Caption("v1", *row, "test") for row in CAPTIONS)
    return evidence


def checks(text: str, evidence: Evidence, question: str = "") -> list[SentenceCheck]:
    return check_sentences(text, evidence, duration_seconds=DURATION, question=question)


def problems(text: str, evidence: Evidence, question: str = "") -> list[str]:
    return [check.problem for check in checks(text, evidence, question) if check.problem]


@pytest.mark.parametrize(
    ("text", "doubted", "problem", "certain"),
    [
        (
            "At 99:59 the milk is poured [1].",
            "At 99:59 the milk is poured [1].",
            "it says 1:39:59, which 00:14-00:18 is not",
            True,
        ),
        ("She does yoga [3].", "She does yoga [3].", "nothing cited says 'yoga'", False),
        (
            "The milk is poured last [1]. A cat jumps onto the table.",
            "A cat jumps onto the table.",
            "nothing is cited for it",
            True,
        ),
        ("The cat jumps [99].", "The cat jumps [99].", "nothing is cited for it", True),
    ],
)
def test_what_is_said_without_evidence_is_found(
    text: str, doubted: str, problem: str, certain: bool, evidence: Evidence
) -> None:
    (found,) = [check for check in checks(text, evidence) if check.problem]
    assert (found.sentence, found.problem, found.certain) == (doubted, problem, certain)


def test_of_each_sentence_it_says_what_it_cites(evidence: Evidence) -> None:
    milk, leaves = checks("The milk is poured [1]. The leaves steep after the water boils [7][2].", evidence)
    assert [caption.text for caption in milk.captions] == [CAPTIONS[0][3]]
    assert [caption.text for caption in leaves.captions] == [CAPTIONS[6][3], CAPTIONS[1][3]]
    assert (milk.problem, leaves.problem) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        "At 99:59 the milk is poured [1].",
        "At ９９:５９ the milk is poured [1].",
        "At 99:\u200b59 the milk is poured [1].",
        "The milk is poured 90 seconds into the video [1].",
        "The milk is poured at second ninety [1].",
        "At minute seven the milk is poured [1].",
        "Seven minutes in, the milk is poured [1].",
        "Between 2:00 and 2:10 the milk is poured [1].",
        "In the last ten seconds the milk is poured [1].",
        "The milk is poured at 5 minutes and 30 seconds [1].",
        "In Minute sieben wird die Milch gegossen [1].",
        "Nach 90 Sekunden wird die Milch gegossen [1].",
        "A los 90 segundos se vierte la leche [1].",
        "Au bout de 90 secondes, le lait est versé [1].",
        "第90秒倒牛奶 [1]。",
        "七分钟时倒牛奶 [1]。",
    ],
)
def test_a_time_that_the_citation_does_not_cover_is_found_in_any_wording(text: str, evidence: Evidence) -> None:
    (check,) = checks(text, evidence)
    assert check.problem.startswith("it says ")
    assert check.certain


@pytest.mark.parametrize(
    "text",
    [
        "At 00:15 the milk is poured [1].",
        "At ００:１５ the milk is poured [1].",
        "At 00:\u200b15 the milk is poured [1].",
        "Fifteen seconds in, the milk is poured [1].",
        "From 00:14 to 00:18 the milk is poured [1].",
        "In the first 20 seconds the milk is poured [1].",
        "At 00:14 the milk is poured and at 00:05 the water boils [1][2].",
        "At minute seven Emil stirs the batter [6].",
        "Nach 15 Sekunden wird die Milch gegossen [1].",
        "第15秒倒牛奶 [1]。",
        "The bus at 10:30 leaves from platform two [8].",
    ],
)
def test_a_time_that_the_citation_covers_or_says_itself_is_none(text: str, evidence: Evidence) -> None:
    assert problems(text, evidence) == []


def test_a_caption_covers_the_whole_interval_that_it_stands_for(evidence: Evidence) -> None:
    person = evidence.captions[3]
    assert problems("At 00:40 a person is there [3].", evidence) == ["it says 00:40, which 00:00-00:10 is not"]
    evidence.add([Hit(person, span=(0, 50))])
    assert problems("At 00:40 a person is there [3].", evidence) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The leaves steep before the water boils [7][2].", True),
        ("The water boils before the leaves steep [7][2].", False),
        ("The water boils after the leaves steep [7][2].", True),
        ("The leaves steep after the water boils [7][2].", False),
        ("After the leaves steep, the water boils [7][2].", True),
        ("After the water boils, the leaves steep [7][2].", False),
        ("First the leaves steep, then the water boils [7][2].", True),
        ("First the water boils, then the leaves steep [7][2].", False),
        ("The milk is followed by the leaves [1][7].", True),
        ("The milk follows the leaves [1][7].", False),
        ("The leaves steep [7]. Then the water boils [2].", True),
        ("The water boils [2]. Then the leaves steep [7].", False),
        ("The water boils [2]. Before that, the leaves steep [7].", True),
        ("The leaves steep [7]. Before that, the water boils [2].", False),
        ("Before the water boils, the milk is poured [2][1].", True),
        ("The water boils [2]. Before the milk is poured, the leaves steep [7][1].", False),
    ],
)
def test_an_order_is_held_against_the_times_of_what_is_cited(text: str, found: bool, evidence: Evidence) -> None:
    doubted = [check for check in checks(text, evidence) if check.problem]
    assert bool(doubted) is found
    assert all(check.certain for check in doubted)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("You need 250 grams of flour [5].", "nothing cited says 250"),
        ("You need four eggs [5].", "nothing cited says 4"),
        ("It costs 20 dollars [10].", "nothing cited says 20"),
        ("There are 3 people [3].", "nothing cited says 3"),
        ("Then Martha stirs the batter [6].", "nothing cited names Martha"),
        ("The batter is stirred by Anna Keller [6].", "nothing cited names Anna"),
        ("Rosa uses a lot of sugar [4].", "it denies what is cited, or says what that denies"),
        ("The milk is not poured [1].", "it denies what is cited, or says what that denies"),
        ("A woman does yoga with a cello [9].", "nothing cited says 'yoga'"),
        ("In the kitchen a man flips pancakes with a spatula [9].", "nothing cited says 'kitchen'"),
        ("Der Hund schläft [1].", "nothing cited says 'dog'"),
        ("狗在睡觉 [1]。", "nothing cited says 'dog'"),
    ],
)
def test_a_wrong_number_name_negation_or_thing_is_found(text: str, problem: str, evidence: Evidence) -> None:
    (check,) = checks(text, evidence)
    assert (check.problem, check.certain) == (problem, False)


@pytest.mark.parametrize(
    "text",
    [
        "The last step is pouring the milk [1].",
        "Somebody says that the milk is poured slowly [1].",
        "The water is boiled for 3 minutes [2].",
        "You need 200 g of flour and 3 eggs [5].",
        "It costs $12 [10].",
        "No sugar is used [4].",
        "She doesn't use sugar [4].",
        "The batter is stirred by Emil [6].",
        "A man walks his dog on the beach [9].",
        "A person takes a dog for a walk along the beach [9].",
        "A woman is in the picture [3].",
        "A sign says that a bus leaves platform 2 [8].",
        "Die Milch wird zuletzt gegossen [1].",
        "La leche se vierte al final [1].",
        "倒牛奶 [1]。",
        "(B) The milk [1]",
        "- **Milk:** poured last [1]",
    ],
)
def test_a_true_sentence_in_other_words_passes(text: str, evidence: Evidence) -> None:
    assert problems(text, evidence) == []


def test_a_number_in_words_is_the_same_as_in_digits(evidence: Evidence) -> None:
    assert problems("You need two hundred grams of flour [5].", evidence) == []
    assert problems("You need two hundred and fifty grams of flour [5].", evidence) == ["nothing cited says 250"]


def test_once_is_no_number_in_english(evidence: Evidence) -> None:
    assert problems("Once the water boils, the leaves steep [2][7].", evidence) == []


@pytest.mark.parametrize(
    "text",
    [
        "Nothing noted in the video answers this.",
        "The video does not show who pours it.",
        "Here is what happens:",
        "Yes.",
        "(B)",
        "## Steps",
        "",
    ],
)
def test_what_claims_nothing_needs_no_evidence(text: str, evidence: Evidence) -> None:
    assert checks(f"{text}\nThe milk is poured [1].", evidence) == checks("The milk is poured [1].", evidence)


@pytest.mark.parametrize(
    ("kind", "caption", "text", "found"),
    [
        ("shot", "one shot of 8.0 s", "A person or a thing is in the picture [1].", True),
        ("measure", "light: dark", "A man is in the picture [1].", True),
        ("ocr", "FRESH FISH", "There are people [1].", True),
        ("summary", "00:00 measured: light: dark", "A person is in the picture [1].", True),
        ("ocr", "Men at work", "There are men [1].", False),
        ("objects", "person", "A man is in the picture [1].", False),
        ("speech", "Hello, friends.", "Somebody greets friends [1].", False),
        ("shot", "one shot of 8.0 s", "The shot is 8 seconds long [1].", False),
    ],
)
def test_light_cuts_and_texts_say_of_nobody_that_he_is_there(kind: Kind, caption: str, text: str, found: bool) -> None:
    evidence = Evidence()
    evidence.add([Caption("v1", 0.0, 8.0, kind, caption, "test")])
    assert bool(problems(text, evidence)) is found


def test_the_numbers_of_a_list_claim_nothing(evidence: Evidence) -> None:
    assert problems("1. The water boils [2].\n2. The milk is poured [1].", evidence) == []
    assert problems("1) The water boils [2]\n2) The milk is poured [1]", evidence) == []


def test_names_and_numbers_of_the_question_need_no_evidence(evidence: Evidence) -> None:
    text = "Martha pours the milk into 4 cups [1]."
    assert problems(text, evidence) == ["nothing cited says 4"]
    assert problems(text, evidence, question="When does Martha pour the milk into 4 cups?") == []


def test_what_was_counted_needs_no_caption_that_says_it(evidence: Evidence) -> None:
    counts = {"person": frozenset({3})}
    for text, problem in (("There are 3 people [3].", ""), ("There are 4 people [3].", "nothing cited says 4")):
        (check,) = check_sentences(text, evidence, duration_seconds=DURATION, counts=counts)
        assert check.problem == problem


@pytest.mark.parametrize(("like", "problem"), [(0.9, ""), (0.1, "nothing cited says 'puppy'")])
def test_a_model_of_meaning_says_which_words_are_alike(like: float, problem: str, evidence: Evidence) -> None:
    compared: list[tuple[list[str], list[str]]] = []

    def likeness(words: Sequence[str], others: Sequence[str]) -> list[float]:
        compared.append((list(words), list(others)))
        return [like] * len(words)

    (check,) = check_sentences(
        "A puppy strolls along the seaside [9].", evidence, duration_seconds=DURATION, likeness=likeness
    )
    assert check.problem == problem
    ((words, others),) = compared
    assert "puppy" in words
    assert {"dog", "beach"} <= set(others)


class Pets(Embeddings):
    """Embeddings that know pets from vehicles."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[3.0, 0.0] if text in ("dog", "puppy") else [0.0, 2.0] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_likeness_is_that_of_the_likest_word_by_a_model_of_meaning() -> None:
    likeness = likeness_of(Embedder("pets", Pets()))
    assert likeness is not None
    assert likeness(["puppy", "car"], ["dog"]) == pytest.approx([1.0, 0.0])
    assert likeness(["puppy", "car"], ["dog", "bus"]) == pytest.approx([1.0, 1.0])
    assert likeness_of(Embedder("builtin", WordEmbeddings(), semantic=False)) is None


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("- Milk is poured [1][2].", "Milk is poured."),
        ("2. At ００:１４\u200b milk [1]", "At 00:14 milk"),
        ("Milk [00:14-00:18].", "Milk."),
    ],
)
def test_a_sentence_is_read_without_marks(sentence: str, text: str) -> None:
    assert plain(sentence) == text
