"""Followers of the log: exactly once, in order, and loud when they stop."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection

from commands.batch_job import CancelBatchJob, PauseBatchJob, ResumeBatchJob
from commands.workflow import CreateWorkflow, DisableWorkflow, EnableWorkflow
from projections.batch_jobs import BatchJobsView
from projections.rebuilding import rebuild
from projections.runner import Runner, advance
from projections.view import Recorded
from projections.workflows import WorkflowsView
from tests.support.followers import Notes, rewritten, rows, some_workflows
from tests.support.product import CAPTURE, EVERYONE, Product
from tests.support.wait import until


class Kept:
    """A follower whose notes are rows, so that they go when the transaction does; each names that transaction."""

    def __init__(self, name: str, topics: tuple[str, ...] = ("",), poison: int | None = None) -> None:
        self.name = name
        self.topics = topics
        self.poison = poison

    def handle(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            connection.exec_driver_sql(
                "INSERT INTO kept VALUES (%s, %s, pg_current_xact_id()::text)", (self.name, recorded.position)
            )
        if self.poison in [recorded.position for recorded in batch]:
            raise ValueError("cannot take this")


def keepers(product: Product, *followers: Kept) -> Runner:
    product.execute("CREATE TABLE kept (name text, position bigint, transaction text)")
    runner = Runner(product.system.engine, followers)
    runner.register()
    return runner


def kept(product: Product, name: str) -> list[int]:
    return [row.position for row in product.execute(f"SELECT * FROM kept WHERE name = '{name}' ORDER BY position")]


def test_the_same_events_twice_give_the_same_rows(product: Product) -> None:
    some_workflows(product, 5)
    before = rows(product)
    product.execute("UPDATE view_positions SET position = 0")
    product.catch_up()
    assert rows(product) == before
    assert len(before) == 5


def test_each_event_is_taken_once_however_many_runners_follow(product: Product) -> None:
    notes = Notes()
    runners = [Runner(product.system.engine, [notes]) for _ in range(4)]
    stopped = threading.Event()
    threads = [threading.Thread(target=runner.follow, args=(stopped.is_set,)) for runner in runners]
    for thread in threads:
        thread.start()
    some_workflows(product, 20)
    until(lambda: len(notes.taken) >= 20, seconds=20, what="twenty events")
    stopped.set()
    for thread in threads:
        thread.join()
    assert notes.taken == sorted(set(notes.taken))
    assert len(notes.taken) == 20


def test_a_follower_stops_loudly_at_an_event_that_it_cannot_take(product: Product) -> None:
    some_workflows(product, 4)
    last = product.log_position()
    notes = Notes(poison=last - 1)
    runner = Runner(product.system.engine, [notes])
    runner.register()
    runner.catch_up()
    state = "SELECT position, stopped FROM view_positions WHERE name = 'notes'"
    assert product.execute(state) == [(last - 2, "ValueError: cannot take this")]
    assert product.execute("SELECT position FROM view_positions WHERE name = 'workflows'") == [(last,)]
    notes.poison = None
    runner.catch_up()
    assert product.execute(state) == [(last, None)]
    assert len(notes.taken) == 4


def test_a_follower_that_stands_still_says_so_once(product: Product, caplog: pytest.LogCaptureFixture) -> None:
    some_workflows(product, 1)
    runner = Runner(product.system.engine, [Notes(poison=product.log_position())])
    runner.register()
    for _ in range(3):
        runner.catch_up()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_followers_that_stand_together_take_what_is_new_in_one_transaction(product: Product) -> None:
    some_workflows(product, 3)
    runner = keepers(product, Kept("all"), Kept("workflows of it", ("workflow.",)), Kept("jobs of it", ("batch_job.",)))
    assert runner.catch_up() == 9
    assert kept(product, "all") == kept(product, "workflows of it")
    assert len(kept(product, "all")) == 3
    assert kept(product, "jobs of it") == []
    assert len(product.execute("SELECT DISTINCT transaction FROM kept")) == 1
    places = product.execute("SELECT DISTINCT position FROM view_positions WHERE name IN ('all', 'jobs of it')")
    assert places == [(product.log_position(),)]


def test_one_that_cannot_take_an_event_holds_nobody_up_who_stood_with_it(product: Product) -> None:
    some_workflows(product, 4)
    last = product.log_position()
    bad = Kept("bad", poison=last - 1)
    runner = keepers(product, Kept("first"), bad, Kept("second"))
    runner.catch_up()
    some_workflows(product, 1)
    runner.catch_up()
    assert kept(product, "first") == kept(product, "second") == list(range(last - 3, last + 2))
    assert kept(product, "bad") == [last - 3, last - 2]
    state = "SELECT position, stopped FROM view_positions WHERE name = 'bad'"
    assert product.execute(state) == [(last - 2, "ValueError: cannot take this")]
    bad.poison = None
    runner.catch_up()
    assert kept(product, "bad") == kept(product, "first")
    assert product.execute(state) == [(last + 1, None)]


def test_who_is_a_little_behind_goes_along_and_takes_nothing_twice(product: Product) -> None:
    some_workflows(product, 6)
    followers = [Kept("front"), Kept("behind")]
    keepers(product, *followers)
    end = product.log_position()
    product.execute(f"UPDATE view_positions SET position = {end - 2} WHERE name = 'front'")
    product.execute(f"UPDATE view_positions SET position = {end - 5} WHERE name = 'behind'")
    far = advance(product.system.engine, followers, limit=2)
    assert (far.read, sorted(far.names)) == (2, ["front"])
    near = advance(product.system.engine, followers, limit=5)
    assert (near.read, sorted(near.names)) == (5, ["behind", "front"])
    assert kept(product, "front") == [end - 1, end]
    assert kept(product, "behind") == list(range(end - 4, end + 1))


def test_what_no_column_can_hold_stops_a_view_and_is_not_made_up(product: Product) -> None:
    """JSON of the log may be wider than PostgreSQL's: a value that is no number must not become an empty one."""
    some_workflows(product, 1)
    said, none = '"type":"capture"', '"type":NaN'
    rewritten(product, f"SET state = convert_to(replace(convert_from(state, 'UTF8'), '{said}', '{none}'), 'UTF8')")
    before = rows(product)
    product.catch_up()
    stopped = dict(product.execute("SELECT name, stopped FROM view_positions WHERE stopped IS NOT NULL"))
    assert list(stopped) == ["workflows"]
    assert "NaN" in stopped["workflows"]
    assert rows(product) == before


def test_a_lost_wake_up_only_delays_a_follower(product: Product) -> None:
    """The poll finds what no NOTIFY announced."""
    notes = Notes()
    stopped = threading.Event()
    follower = threading.Thread(target=Runner(product.system.engine, [notes]).follow, args=(stopped.is_set,))
    follower.start()
    some_workflows(product, 1)
    until(lambda: len(notes.taken) == 1, seconds=20, what="the first event")
    product.execute("UPDATE view_positions SET position = 0 WHERE name = 'notes'")
    until(lambda: len(notes.taken) == 2, seconds=20, what="the event again")
    stopped.set()
    follower.join()


def test_many_events_of_a_row_in_one_batch_leave_it_as_one_after_the_other_did(product: Product) -> None:
    """Each command is followed before the next; the rebuild then takes all events at once."""
    product.add_people(3)
    workflow_id = product.workflow()
    jobs = [product.run(workflow_id) for _ in range(3)]
    for job_id in jobs:
        product.ask(PauseBatchJob(job_id, reason="a look at it"))
    product.ask(ResumeBatchJob(jobs[0]))
    product.ask(CancelBatchJob(jobs[1], reason="enough"))
    product.ask(DisableWorkflow(workflow_id))
    product.ask(EnableWorkflow(workflow_id))
    before = rows(product), rows(product, "batch_jobs")
    for view in (WorkflowsView(), BatchJobsView()):
        rebuild(product.system.engine, view)
    assert (rows(product), rows(product, "batch_jobs")) == before
    assert sorted(row.status for row in before[1]) == ["cancelled", "paused", "queued"]


def test_an_event_of_another_kind_moves_a_view_on_without_being_read(product: Product) -> None:
    some_workflows(product, 2)
    rewritten(product, "SET state = '{' WHERE notification_id = (SELECT max(notification_id) FROM log)")
    product.catch_up()
    reached = dict(product.execute("SELECT name, position FROM view_positions"))
    assert reached["batch_jobs"] == product.log_position()
    assert reached["workflows"] < product.log_position()


def test_positions_appear_in_the_order_of_commits(product: Product) -> None:
    """A follower that reads while eight writers append never misses a position."""
    notes = Notes()
    runner = Runner(product.system.engine, [notes])
    runner.register()
    finished = threading.Event()

    def write(n: int) -> None:
        principal = product.principal(id=f"writer{n}")
        for m in range(15):
            command = CreateWorkflow(name=f"Launch {n} {m}", trigger=EVERYONE, steps=[CAPTURE])
            product.system.bus.dispatch(command, product.system.meta(principal, via="test"))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    reader = threading.Thread(target=lambda: [runner.catch_up() for _ in iter(finished.is_set, True)])
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    finished.set()
    reader.join()
    runner.catch_up()
    assert len(notes.taken) == 120
    assert notes.taken == sorted(notes.taken)
