"""What an operator watches: for who has the token, of the whole installation, and right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from aggregates.batch_job.aggregate import BatchJob
from aggregates.batch_job.standing import COUNTS
from aggregates.workflow.definition import Definition
from engine.http.app import create_app
from engine.http.metrics import router
from engine.ids import new_id
from engine.store import Store
from projections.runner import Runner
from tests.http.conftest import bearer, problem
from tests.support.product import CAPTURE, EVERYONE, Json, Product
from tests.workers.conftest import Bells
from workers.attempts import Effect
from workers.delivery import Outcome
from workers.enrolment import enrol
from workers.noted import Noted
from workers.reactions import Reactions
from workers.scheduler import Scheduler
from workers.tally import Tally
from workers.telling import Telling

TOKEN = "a token that nobody guesses"
DELAY = {"id": "wait", "name": "Wait", "type": "delay", "config": {"duration": "P1D"}}


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    built = Product(database_url, tmp_path, metrics_token=TOKEN)
    yield built
    built.close()


@pytest.fixture
def client(product: Product) -> Iterator[TestClient]:
    with TestClient(create_app(product.system), base_url="http://127.0.0.1") as opened:
        yield opened


def measured(client: TestClient) -> dict[str, float]:
    """Each sample by its name and the values of its labels."""
    answer = client.get("/metrics", headers=bearer(TOKEN))
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    return {
        " ".join([sample.name.removeprefix("tidegate_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def route_of(product: Product, *steps: Json) -> Any:
    definition, problems = Definition.parse({"trigger": EVERYONE, "edges": [], "variables": [], "steps": list(steps)})
    assert definition is not None, problems
    return SimpleNamespace(definition=definition)


def outcome(step: str, state: str, tries: int) -> Any:
    effect = Effect(new_id(), 1, step)
    return effect, None, Outcome(effect.id, state, error="timeout", tries=tries)


def test_without_a_token_there_is_no_such_page(database_url: str, tmp_path: Path) -> None:
    product = Product(database_url, tmp_path)
    with TestClient(create_app(product.system), base_url="http://127.0.0.1") as client:
        assert problem(client.get("/metrics", headers=bearer("")), 404)["code"] == "request.unknown_route"
    product.close()


def test_only_the_token_opens_it_and_no_key_of_a_project(product: Product, client: TestClient) -> None:
    with product.system.engine.begin() as connection:
        _, key = product.system.keyring.create(
            connection, product.project_id, name="owner", scopes=["run:read"], now=product.clock.now()
        )
    assert problem(client.get("/metrics"), 401)["code"] == "auth.missing"
    for wrong in (key, TOKEN[:-1], TOKEN + "x"):
        assert problem(client.get("/metrics", headers=bearer(wrong)), 401)["code"] == "auth.invalid"
    assert measured(client)


def test_what_is_at_work_and_what_is_late_is_counted(product: Product, client: TestClient) -> None:
    product.add_people(60)
    product.run(product.workflow(steps=[DELAY]))
    assert measured(client)["batch_jobs queued"] == 1
    job_id = product.run(product.workflow())
    product.execute(
        "UPDATE stream_heads SET status = 'running' WHERE id = :id OR kind = 'batch_job' AND id <> :id", id=job_id
    )
    product.execute(
        "INSERT INTO chunks (job_id, number, person_ids, size, state, leased_until) VALUES "
        "(:id, 0, '{1}', 1, 'ready', NULL), (:id, 1, '{2}', 1, 'sending', now() + interval '1 minute'), "
        "(:id, 2, '{3}', 1, 'sending', now() - interval '1 second'), (:id, 3, '{4}', 1, 'done', NULL), "
        "(gen_random_uuid(), 0, '{1}', 1, 'ready', NULL)",
        id=job_id,
    )
    product.execute(
        "INSERT INTO runs (job_id, person_id, status, wake_at, steps, updated_at) VALUES "
        "(:id, 1, 'waiting', :now, '[]', now()), (:id, 2, 'waiting', :later, '[]', now()), "
        "(:id, 3, 'waiting', NULL, '[]', now())",
        id=job_id,
        now=product.clock.now(),
        later=product.clock.now().replace(year=product.clock.now().year + 1),
    )
    found = measured(client)
    assert found["batch_jobs running"] == 2
    assert {state: found[f"chunks {state}"] for state in ("ready", "sending", "expired")} == {
        "ready": 1,
        "sending": 1,
        "expired": 1,
    }
    assert found["runs_overdue"] == 1
    product.execute("INSERT INTO sending_pace (job_id, free_at) VALUES (:id, now() + interval '1 hour')", id=job_id)
    assert (measured(client)["chunks sending"], measured(client)["chunks expired"]) == (2, 0)
    product.execute("UPDATE stream_heads SET status = 'paused' WHERE id = :id", id=job_id)
    assert {measured(client)[f"chunks {state}"] for state in ("ready", "sending", "expired")} == {0}


def test_the_fence_is_told(product: Product, client: TestClient) -> None:
    assert measured(client)["fence_up"] == 0
    product.execute("UPDATE installation SET location = 'elsewhere'")
    assert measured(client)["fence_up"] == 1


def test_followers_say_how_far_behind_they_are(product: Product, client: TestClient) -> None:
    product.workflow()
    product.catch_up()
    assert measured(client)["follower_behind_positions workflows"] == 0
    product.workflow()
    product.execute("UPDATE view_positions SET stopped = 'cannot' WHERE name = 'schedules'")
    found = measured(client)
    assert (
        found["follower_behind_positions workflows"]
        == product.log_position()
        - product.execute("SELECT position FROM view_positions WHERE name = 'workflows'")[0][0]
    )
    assert (found["follower_stopped schedules"], found["follower_stopped workflows"]) == (1, 0)


def test_who_is_at_work_and_how_long_an_event_waits_is_told(product: Product, client: TestClient) -> None:
    product.workflow()
    assert measured(client)["follower_oldest_seconds workflows"] == 0
    product.execute("UPDATE view_positions SET position = 0 WHERE name = 'workflows'")
    product.execute("INSERT INTO processes VALUES (gen_random_uuid(), 'worker', 'host', 1, now(), now())")
    told = measured(client)
    assert told["follower_oldest_seconds workflows"] > 0
    assert {role: told[f"processes {role}"] for role in ("server", "projector", "worker")} == {
        "server": 0, "projector": 0, "worker": 1
    }  # fmt: skip


def test_what_all_schedulers_do_is_added_up(product: Product, client: TestClient) -> None:
    scheduler, tallies = Scheduler(product.system, Bells()), [Tally(product.system), Tally(product.system)]  # type: ignore[arg-type]
    product.add_people(3)
    product.run(product.workflow())
    for tally in tallies:
        scheduler._guarded(scheduler.sweep, tally)
        scheduler._guarded(scheduler.wake, tally)
        tally.write()
    product.execute("ALTER TABLE chunks RENAME TO hidden")
    scheduler._guarded(scheduler.sweep, tallies[0])
    product.execute("ALTER TABLE hidden RENAME TO chunks")
    tallies[0].write()
    before = measured(client)
    assert (before["scheduler_passes_total sweep"], before["scheduler_found_total sweep"]) == (2, 2)
    assert (before["scheduler_failures_total sweep"], before["scheduler_found_total wake"]) == (0, 0)
    assert before["scheduler_seconds_total sweep"] > 0
    assert before["scheduler_last_timestamp_seconds sweep"] == pytest.approx(product.clock.now().timestamp(), abs=60)
    tallies[0].write(at_once=True)
    after = measured(client)
    assert (after["scheduler_passes_total sweep"], after["scheduler_failures_total sweep"]) == (3, 1)


def test_what_could_not_be_told_is_told_later(product: Product, client: TestClient) -> None:
    tally = Tally(product.system)
    tally.add("sweep", 2, 0, 0.5)
    product.execute("ALTER TABLE scheduler_work RENAME TO hidden")
    tally.write(at_once=True)
    product.execute("ALTER TABLE hidden RENAME TO scheduler_work")
    tally.write(at_once=True)
    tally.write(at_once=True)
    assert measured(client)["scheduler_found_total sweep"] == 2


def test_it_is_in_no_list_of_operations(client: TestClient) -> None:
    assert [route.path for route in router.routes] == ["/metrics"]  # type: ignore[attr-defined]
    assert "/metrics" not in client.get("/openapi.json").json()["paths"]
    assert client.post("/metrics").headers["allow"] == "GET, HEAD"


def test_what_steps_attempts_and_runs_came_to_is_counted(product: Product, client: TestClient) -> None:
    call: Json = {"id": "call", "name": "Call", "type": "webhook", "config": {"url": "https://a.example"}}
    job = SimpleNamespace(id=new_id(), project_id=product.project_id, route=route_of(product, call, CAPTURE))
    telling = Telling(product.system)
    telling.notes(job, {Noted("call", "retry", "timeout"): 3, Noted("note", "captured"): 2}, {"call": "a.example"})  # type: ignore[arg-type]
    made = [outcome("call", state, tries) for state, tries in (("retry", 1), ("succeeded", 1), ("retry", 0))]
    telling.calls(job, made)  # type: ignore[arg-type]
    telling.write(at_once=True)
    telling.write(at_once=True)
    found = measured(client)
    assert found["steps_total retry webhook"] == 3
    assert found["steps_total captured capture"] == 2
    # A call that was not made, because nothing answers there, is no attempt.
    assert found["attempts_total retry webhook"] == 1
    assert found["attempts_total succeeded webhook"] == 1


def test_runs_are_counted_once_when_their_job_has_ended(product: Product, client: TestClient) -> None:
    product.add_people(3)
    job_id = product.run(product.workflow(steps=[CAPTURE]))
    reactions = Runner(product.system.engine, [Reactions(Bells(), 1)])  # type: ignore[arg-type]
    reactions.register()
    reactions.catch_up()
    assert "runs_total delivered" not in measured(client)
    enrol(product.system, job_id)
    with product.system.engine.begin() as connection:
        meta = product.system.meta(product.principal(), via="test")
        store = Store(connection, product.system.recorder)
        job = store.load(BatchJob, job_id, meta)
        counts = dict.fromkeys(COUNTS, 0) | {"delivered": 2, "failed": 1}
        job.complete(counts, reached=3, meta=meta)
        store.save(job)
    for _ in range(2):
        reactions.catch_up()
    found = measured(client)
    assert (found["runs_total delivered"], found["runs_total failed"]) == (2, 1)


def test_every_metric_is_documented_with_its_labels(product: Product, client: TestClient) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row.split("|")[2] for row in page.splitlines() if row.startswith("| `tidegate_")}
    answer = client.get("/metrics", headers=bearer(TOKEN)).text
    kinds = dict(line.split()[2:] for line in answer.splitlines() if line.startswith("# TYPE"))
    assert kinds.keys() == rows.keys()
    for family in text_string_to_metric_families(answer):
        labels = {label for sample in family.samples for label in sample.labels}
        assert all(label in rows.get(f"{family.name}_total", rows.get(family.name, "")) for label in labels)
