"""When the fence goes up and down: locations, names, and how far the log was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.cli.checks import fence as doctored
from engine.fence import SETTLED_SECONDS, Tidemark
from engine.health import is_fenced, joined
from engine.releasing import release
from tests.support.product import Product


class Broker:
    """Remembers as long as the test wants, and answers as long as it is not away."""

    def __init__(self) -> None:
        self.kept: dict[str, Tidemark] = {}
        self.away = False

    def recall(self, location: str) -> Tidemark | None:
        self._answer()
        return self.kept.get(location)

    def remember(self, location: str, tidemark: Tidemark) -> None:
        self._answer()
        self.kept[location] = Tidemark.of(tidemark.as_json())

    def _answer(self) -> None:
        if self.away:
            raise ConnectionError


class Processes:
    """Processes of one installation, which remember with one broker."""

    def __init__(self, database_url: str, data_dir: Path) -> None:
        self.broker = Broker()
        self._begun: list[Product] = []
        self._where = database_url, data_dir

    def begin(self, **settings: Any) -> Product:
        product = Product(*self._where, **settings)
        product.system.fence.remember_in(self.broker)
        self._begun.append(product)
        return product

    def close(self) -> None:
        for product in self._begun:
            product.close()


@pytest.fixture
def processes(database_url: str, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(database_url, tmp_path)
    yield made
    made.close()


def watched(product: Product) -> bool:
    """Whether the fence is up, as a process sees it that looks at everything now."""
    product.clock.advance(seconds=SETTLED_SECONDS)
    with product.system.engine.connect() as connection:
        return product.system.fence.watch(connection)


def because(product: Product) -> str | None:
    with product.system.engine.connect() as connection:
        return product.system.fence.standing(connection).because


def settled(product: Product) -> None:
    assert not watched(product)
    assert not watched(product)


def lose(product: Product, events: int) -> None:
    """Restore the database as it was so many events ago, without a word to anybody."""
    product.execute("DELETE FROM log WHERE notification_id > (SELECT max(notification_id) FROM log) - :n", n=events)


def test_a_log_that_lost_what_a_process_saw_a_minute_ago_was_restored(processes: Processes) -> None:
    running = processes.begin()
    settled(running)
    lose(running, 1)
    assert is_fenced(running.system)
    assert watched(running) and because(running) == "log"
    # And so it stays for everybody, whatever the log grows to.
    other = processes.begin()
    processes.broker.kept.clear()
    other.workflow()
    assert watched(other) and because(other) == "log"


def test_a_process_that_starts_later_knows_it_from_the_broker(processes: Processes) -> None:
    settled(processes.begin())
    other = processes.begin()
    lose(other, 1)
    other.workflow()
    assert watched(other) and because(other) == "log"


def test_an_emptied_broker_does_not_raise_it_and_learns_again(processes: Processes) -> None:
    running = processes.begin()
    settled(running)
    processes.broker.kept.clear()
    settled(running)
    settled(processes.begin())
    assert len(processes.broker.kept) == 1


def test_what_a_failover_lost_of_the_last_minute_does_not_raise_it(processes: Processes) -> None:
    running = processes.begin()
    settled(running)
    running.workflow()
    running.clock.advance(seconds=SETTLED_SECONDS / 2)
    with running.system.engine.connect() as connection:
        running.system.fence.follow(connection)
    lose(running, 1)
    assert not watched(running)


def test_a_broker_that_is_away_holds_up_the_first_look_and_no_other(processes: Processes) -> None:
    running = processes.begin()
    processes.broker.away = True
    with pytest.raises(ConnectionError):
        watched(running)
    processes.broker.away = False
    settled(running)
    processes.broker.away = True
    assert not watched(running)


def test_after_the_release_what_was_remembered_before_counts_no_more(processes: Processes) -> None:
    running = processes.begin()
    settled(running)
    lose(running, 1)
    assert watched(running)
    assert release(running.system, reason="Restored this morning")
    for process in (running, processes.begin()):
        settled(process)
    lose(running, 1)
    assert watched(running)


def test_a_restore_of_what_was_before_a_release_raises_it(processes: Processes) -> None:
    running = processes.begin()
    settled(running)
    before = running.execute("SELECT location, settled_at FROM installation")[0]
    running.execute("UPDATE installation SET location = 'elsewhere'")
    release(running.system, reason="Moved")
    settled(running)
    lose(running, 1)
    running.execute("UPDATE installation SET location = :location, settled_at = :at", location=before[0], at=before[1])
    assert watched(running) and because(running) == "log"


def test_another_name_stops_who_has_it_and_nobody_else(processes: Processes) -> None:
    production, staging = processes.begin(installation="production"), processes.begin(installation="staging")
    assert watched(staging) and because(staging) == "name"
    assert not watched(production)
    release(staging.system, reason="It is staging from now on")
    assert not watched(staging) and watched(production)


def test_a_release_is_an_event_of_every_project_with_who_and_why(processes: Processes) -> None:
    running = processes.begin()
    other = running.other_project()
    running.execute("UPDATE installation SET location = 'elsewhere'")
    assert release(running.system, reason="Bob restored it")
    assert not release(running.system, reason="Once more")
    events = running.execute(
        "SELECT project_id, actor, source, convert_from(state, 'UTF8') FROM log WHERE topic LIKE 'project.fence%'"
    )
    assert {row[0] for row in events} == {running.project_id, other}
    assert {row[1:3] for row in events} == {("cli", "cli")}
    assert all("elsewhere" in row[3] and "Bob" not in row[3] for row in events)
    running.catch_up()
    found = running.system.reads.log.read(running.principal(), topic="project.fence").data
    assert [row["data"]["reason"] for row in found] == ["Bob restored it"]


def test_a_server_that_keeps_its_identifier_to_itself_is_told_by_the_database_alone(processes: Processes) -> None:
    with processes.begin().system.engine.begin() as connection:
        connection.execute(text("SET LOCAL tidegate.directory = ''"))
        known = connection.execute(text("SELECT tidegate_location()")).scalar_one()
        connection.execute(text("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"))
        connection.execute(text("SET LOCAL ROLE pg_monitor"))
        told = connection.execute(text("SELECT tidegate_location()")).scalar_one()
    assert told == f"unknown/{known.partition('/')[2]}" and known.partition("/")[0].isdigit()


def test_a_process_that_starts_says_so_and_the_doctor_too(
    processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    running = processes.begin()
    running.execute("UPDATE installation SET location = '1/2'")
    assert joined(running.system)
    (said, *_) = [record.getMessage() for record in caplog.records if "fence" in record.getMessage()]
    assert "the installation was at 1/2" in said and "tidegate fence" in said
    with running.system.engine.connect() as connection:
        finding = doctored(connection, running.system.settings)
    assert (finding.state, finding.next) == ("fail", "See `tidegate fence`.")
