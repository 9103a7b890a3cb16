"""The line of bells in a real broker: a bell that may be lost is rung again, and never a second time behind itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from uuid import UUID

import pytest
import redis

from engine.ids import new_id
from projections.view import Unreachable
from tests.support.gates import beginning
from tests.support.wait import until
from workers.broker import QUEUE, Bells, connect


class Line:
    """What stands in the line, and a worker that takes from its head."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.broker = connect(url)
        self.bells = Bells(self.broker)
        self._taker = connect(url)

    def take(self, many: int) -> list[UUID]:
        """The next bells, as a worker takes them, who then dies."""
        taken = islice(self._taker.consume(QUEUE, prefetch=many, timeout=1000), many)
        return [UUID(message.args[0]) for message in taken if message is not None]

    def waiting(self) -> int:
        with redis.Redis.from_url(self.url) as client:
            return int(client.llen(f"tidegate:{QUEUE}"))

    def close(self) -> None:
        self.broker.close()
        self._taker.close()


@pytest.fixture
def line(redis_url: str) -> Iterator[Line]:
    made = Line(redis_url)
    yield made
    made.close()


def test_sweeps_while_nobody_takes_bells_leave_one_bell_a_job(line: Line) -> None:
    jobs = [new_id() for _ in range(3)]
    for _ in range(50):
        line.bells.ring_again(jobs)
    assert line.waiting() == 3
    assert Counter(line.take(3)) == Counter(jobs)


def test_an_idle_worker_waits_for_a_bell_and_hears_it(line: Line, redis_url: str) -> None:
    first, second = new_id(), new_id()
    with redis.Redis.from_url(redis_url) as client, beginning(lambda: heard(line, 2)) as hearing:
        for job in (first, second):
            until(lambda: client.info("clients")["blocked_clients"] == 1, what="a worker that waits")
            line.bells.ring(job)
        assert hearing.result() == [first, second]
    assert line.waiting() == 0


def heard(line: Line, many: int) -> list[UUID]:
    """So many bells, however long that takes."""
    found: list[UUID] = []
    while len(found) < many:
        found += line.take(1)
    return found


def test_a_bell_that_somebody_took_is_rung_again(line: Line) -> None:
    job, other = new_id(), new_id()
    line.bells.ring_again([job, other])
    assert line.take(1) == [job]
    line.bells.ring_again([job, other])
    assert line.waiting() == 2
    assert line.take(2) == [other, job]


def test_a_broker_that_was_emptied_gets_its_bells_again(line: Line) -> None:
    jobs = [new_id(), new_id()]
    line.bells.ring_again(jobs)
    with redis.Redis.from_url(line.url) as client:
        client.flushdb()
    line.bells.ring_again(jobs)
    assert line.take(2) == jobs


@pytest.mark.parametrize("key", ["tidegate:jobs", "tidegate:jobs.msgs", "tidegate:__heartbeats__"])
@pytest.mark.parametrize("first", ["ring", "ring_again", "take"])
def test_a_key_of_another_type_silences_nobody(line: Line, key: str, first: str) -> None:
    job = new_id()
    with redis.Redis.from_url(line.url) as client:
        client.set(key, "not ours")
    match first:
        case "ring":
            line.bells.ring(job)
        case "ring_again":
            line.bells.ring_again([job])
        case _:
            assert line.broker.do_fetch(QUEUE, 1) == []
            line.bells.ring(job)
    assert line.take(1) == [job]


def test_a_bell_that_something_asks_for_is_rung_whatever_stands_in_the_line(line: Line) -> None:
    job = new_id()
    line.bells.ring_again([job])
    line.bells.ring(job, 2)
    assert line.take(3) == [job] * 3


def test_who_waits_in_the_line_can_be_seen(line: Line) -> None:
    assert line.bells.waiting() == set()
    jobs = [new_id() for _ in range(3)]
    for job in jobs:
        line.bells.ring(job, 2)
    assert line.bells.waiting() == set(jobs)
    assert Bells(connect("redis://127.0.0.1:1/0")).waiting() == set()


def test_a_broker_that_is_away_is_said_to_be_unreachable() -> None:
    bells = Bells(connect("redis://127.0.0.1:1/0"))
    with pytest.raises(Unreachable):
        bells.ring_again([new_id()])
