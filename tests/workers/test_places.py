"""How much may be under way with a destination, and what its answers change about that."""

from __future__ import annotations

from uuid import UUID

import pytest

from workers.delivery.places import DOWN_SECONDS, REST_LIMIT_SECONDS, SILENT_BEFORE_REST, Heard, Place, Places
from workers.delivery.relay import RELAY

ANN, BEN = UUID(int=1), UUID(int=2)
HOST = Place("webhook", "hooks.example")


class Time:
    """A line of seconds that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def places(time: Time) -> Places:
    return Places(time, per_host=50, total=200, conversations=8)


def all_of(places: Places, place: Place, project: UUID) -> int:
    """How many places a project gets that takes as many as there are."""
    many = 0
    while places.take(place, project):
        many += 1
    return many


def answers(places: Places, place: Place, heard: Heard, times: int = 1, *, project: UUID = ANN, **more: float) -> None:
    """Calls, one after another, which end like that."""
    for _ in range(times):
        assert places.take(place, project)
        places.give_back(place, project, heard, **more)


def test_one_project_leaves_something_of_every_destination_for_the_next(places: Places) -> None:
    assert all_of(places, HOST, ANN) == 40
    assert all_of(places, HOST, BEN) == 8
    assert all_of(places, RELAY, ANN) == 7
    assert all_of(places, RELAY, BEN) == 1


def test_many_hosts_of_one_project_leave_something_of_the_whole(places: Places) -> None:
    hosts = [Place("webhook", f"{n}.example") for n in range(10)]
    assert sum(all_of(places, host, ANN) for host in hosts) == 160
    assert all_of(places, HOST, BEN) == 32


def test_what_is_given_back_can_be_taken_again(places: Places) -> None:
    many = all_of(places, HOST, ANN)
    places.give_back(HOST, ANN)
    assert all_of(places, HOST, ANN) == 1
    for _ in range(many):
        places.give_back(HOST, ANN)
    assert all_of(places, HOST, ANN) == many


def test_a_host_that_asks_for_patience_rests_as_long_as_it_says_and_no_longer_than_a_minute(
    places: Places, time: Time
) -> None:
    answers(places, HOST, "later", retry_after=30.0)
    assert not places.take(HOST, ANN) and places.rests(HOST, ANN) and places.wait(HOST, ANN) == 30.0
    time.now += 30.0
    answers(places, HOST, "later", retry_after=86_400.0)
    assert places.wait(HOST, ANN) == REST_LIMIT_SECONDS


def test_without_a_word_how_long_the_rests_grow_until_something_is_taken(places: Places, time: Time) -> None:
    waits = []
    for _ in range(8):
        answers(places, HOST, "later")
        waits.append(places.wait(HOST, ANN))
        time.now += waits[-1] + 10.0
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, REST_LIMIT_SECONDS, REST_LIMIT_SECONDS]
    answers(places, HOST, "fine")
    time.now += 10.0
    answers(places, HOST, "later")
    assert places.wait(HOST, ANN) < 4.0


def test_after_a_rest_it_gets_what_it_took_before_and_slowly_more(places: Places, time: Time) -> None:
    """Ten a second were taken, so eight a second are tried next, and a little more each second."""
    answers(places, HOST, "fine", 10)
    answers(places, HOST, "later")
    time.now += 1.0

    def in_ten_seconds() -> int:
        taken = 0
        for _ in range(100):
            time.now += 0.1
            while places.take(HOST, ANN):
                places.give_back(HOST, ANN, "fine")
                taken += 1
        return taken

    first, second = in_ten_seconds(), in_ten_seconds()
    assert 80 <= first < 160
    assert first < second < 3 * first


def test_one_projects_endpoint_says_nothing_of_anothers_on_the_same_host(places: Places) -> None:
    answers(places, HOST, "later", retry_after=60.0)
    assert not places.take(HOST, ANN) and places.take(HOST, BEN)


def test_the_relay_is_the_same_for_everybody(places: Places) -> None:
    answers(places, RELAY, "later", retry_after=60.0)
    assert not places.take(RELAY, BEN)


def test_a_host_that_says_nothing_is_asked_less_and_less_down_to_one(places: Places, time: Time) -> None:
    answers(places, HOST, "silent", SILENT_BEFORE_REST)
    assert places.rests(HOST, ANN) and not places.is_down(HOST, ANN)
    for _ in range(10):
        time.now += places.wait(HOST, ANN)
        many = all_of(places, HOST, ANN)
        for _ in range(many):
            places.give_back(HOST, ANN, "silent")
    assert many == 1
    assert places.is_down(HOST, ANN)


def test_an_answer_ends_what_silence_began(places: Places, time: Time) -> None:
    answers(places, HOST, "silent", SILENT_BEFORE_REST)
    time.now += DOWN_SECONDS + 1.0
    answers(places, HOST, "silent")
    assert places.is_down(HOST, ANN)
    time.now += places.wait(HOST, ANN)
    answers(places, HOST, "fine")
    assert not places.is_down(HOST, ANN) and places.take(HOST, ANN)


def test_one_lost_answer_among_many_stops_nobody(places: Places) -> None:
    answers(places, HOST, "fine")
    answers(places, HOST, "silent")
    answers(places, HOST, "fine")
    assert places.take(HOST, ANN)


def test_a_relay_has_no_more_conversations_than_it_wants(places: Places) -> None:
    places.crowded(RELAY, 2)
    assert places.window(RELAY) == 2
    assert all_of(places, RELAY, ANN) + all_of(places, RELAY, BEN) <= 2
    places.crowded(RELAY, 0)
    assert places.window(RELAY) == 1


def test_a_fast_relay_is_given_several_messages_for_each_conversation(places: Places) -> None:
    answers(places, RELAY, "fine", seconds=0.05)
    assert all_of(places, RELAY, ANN) == 32
    slow = Places(Time(), per_host=50, total=200, conversations=8)
    answers(slow, RELAY, "fine", seconds=2.0)
    assert all_of(slow, RELAY, ANN) == 7
