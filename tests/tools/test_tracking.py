import pytest

from videochat.tools.tracking import Sighting, Tracker


def box(x, y=100.0, size=50.0):
    return (x, y, x + size, y + size)


def follow(*pictures, every_seconds=0.5, tracker=None):
    """Return the numbers seen in each picture; a picture is a list of (label, score, x)."""
    tracker = tracker or Tracker(every_seconds, min_score=0.4, lost_seconds=2.0)
    numbers = []
    for index, picture in enumerate(pictures):
        seconds = index * every_seconds
        tracker.drop_lost(seconds)
        pairs = tracker.update(seconds, [Sighting(label, score, box(x)) for label, score, x in picture])
        numbers.append([track.track_id for track, _ in pairs])
    return numbers


def test_a_thing_keeps_its_number_while_it_moves():
    assert follow(*([("dog", 0.9, 20.0 * i)] for i in range(20))) == [[0]] * 20


def test_a_thing_that_speeds_on_is_expected_further_on():
    # From the third picture on it leaves its own box at every step; its speed says where it went.
    places = [0, 30, 65, 110, 165, 230, 300, 370]
    assert follow(*([("dog", 0.9, float(x))] for x in places)) == [[0]] * len(places)


def test_two_things_have_two_numbers_and_numbers_tell_the_first_picture():
    assert follow([("dog", 0.9, 0.0), ("dog", 0.8, 300.0)], [("dog", 0.9, 300.0), ("cat", 0.9, 150.0)]) == [
        [0, 1],
        [1, 1000],
    ]


def test_what_is_called_otherwise_for_a_while_is_still_the_same():
    car, phone = ("car", 0.6, 0.0), ("cell phone", 0.9, 0.0)
    assert follow([car], [phone], [phone], [phone], [phone], [phone], [car]) == [[0]] * 7


def test_what_takes_the_place_of_something_else_is_another():
    chair, person = ("chair", 0.6, 0.0), ("person", 0.9, 0.0)
    assert follow([person], [], [], [chair]) == [[0], [], [], [3000]]
    # Where both are there, neither becomes the other.
    assert follow([person, ("chair", 0.8, 10.0)], [("chair", 0.8, 10.0)], [person, chair]) == [[0, 1], [1], [0, 1]]


def test_an_unsure_second_name_is_a_name_of_the_same_thing():
    both = [("suitcase", 0.6, 0.0), ("car", 0.3, 2.0)]
    assert follow(both, both, [("car", 0.9, 0.0)]) == [[0, 0], [0, 0], [0]]


def test_an_unsure_sighting_continues_but_starts_nothing():
    assert follow([("dog", 0.3, 0.0)], [("dog", 0.9, 0.0)], [("dog", 0.3, 0.0)]) == [[], [1000], [1000]]


def test_one_thing_seen_twice_in_one_picture_is_one():
    assert follow([("dog", 0.9, 0.0), ("dog", 0.8, 3.0)]) == [[0]]


@pytest.mark.parametrize(("hidden", "number"), [(3, 0), (5, 6000)])
def test_after_two_seconds_out_of_sight_it_is_another(hidden, number):
    seen = [("dog", 0.9, 0.0)]
    assert follow(seen, *([[]] * hidden), seen)[-1] == [number]


def test_its_state_lets_another_tracker_go_on():
    first = Tracker(0.5, 0.4, 2.0)
    for index in range(4):
        first.update(index / 2, [Sighting("dog", 0.9, box(33.3 * index))])
    second = Tracker(0.5, 0.4, 2.0, first.state())
    sighting = Sighting("dog", 0.2, box(133.2))
    assert second.update(2.0, [sighting]) == first.update(2.0, [sighting])
    assert second.state() == first.state()


@pytest.mark.parametrize(("score", "numbers"), [(0.5, [0]), (0.7, [0, 1])])
def test_what_may_be_a_part_of_another_must_be_sure(score, numbers):
    tracker = Tracker(0.5, 0.4, 2.0)
    hand, whole = (100.0, 100.0, 140.0, 140.0), (0.0, 0.0, 150.0, 300.0)
    pairs = tracker.update(0.0, [Sighting("person", 0.9, hand), Sighting("person", score, whole)])
    assert [track.track_id for track, _ in pairs] == numbers
