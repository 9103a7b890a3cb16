"""Secrets on their way out: resolved when a request leaves, only for their hosts, and kept nowhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from engine.demo.receivers import Answer, HttpReceiver, Received
from tests.support.product import Product
from tests.workers.conftest import Workshop

VALUE = "s3cret value/of default"
HEADER = {"Authorization": "Bearer {{ secrets.TOKEN }}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets" / "default"
    folder.mkdir(parents=True)
    (folder / "TOKEN").write_text(VALUE)
    return folder


@pytest.fixture
def product(database_url: str, tmp_path: Path, folder: Path) -> Iterator[Product]:
    settings: dict[str, Any] = {"outbound_allow": ("127.0.0.0/8",), "send_mode": "live"}
    built = Product(database_url, tmp_path, secrets_dir=folder.parent, **settings)
    yield built
    built.close()


def call(receiver: HttpReceiver, path: str = "/hook", **config: Any) -> dict[str, Any]:
    url = f"{receiver.url}{path}"
    return {"id": "call", "name": "Call", "type": "webhook", "config": {"url": url, "max_attempts": 1, **config}}


def done(workshop: Workshop, step: dict[str, Any], people: int = 2) -> UUID:
    """A job over some people that has come to its end."""
    workshop.product.add_people(people)
    job_id = workshop.product.run(workshop.product.workflow(steps=[step]))
    workshop.advance(job_id)
    return job_id


def kept(product: Product) -> str:
    """All that the database holds, as text."""
    tables = product.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    )
    rows = [product.execute(f'SELECT to_jsonb(t)::text FROM "{name}" t') for (name,) in tables]
    log = product.execute("SELECT convert_from(state, 'UTF8') FROM log")
    return f"{rows}{log}"


def reasons(product: Product, job_id: UUID) -> set[Any]:
    return {(run["status"], run["reason"]) for run in product.runs(job_id)}


def test_a_secret_arrives_in_header_address_and_body_and_is_kept_nowhere(
    product: Product, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with HttpReceiver() as receiver:
        body = {"key": "{{ secrets.TOKEN }}", "n": "{{ person.properties.n }}"}
        job_id = done(workshop, call(receiver, "/{{ secrets.TOKEN }}", headers=HEADER, body=body))
    for received in receiver.book.latest:
        assert received.headers["authorization"] == f"Bearer {VALUE}"
        assert received.target == f"/{quote(VALUE, safe='')}"
        assert json.loads(received.body)["key"] == VALUE
    assert (receiver.book.total, reasons(product, job_id)) == (2, {("delivered", None)})
    assert VALUE not in kept(product) and quote(VALUE, safe="") not in kept(product)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore2")]
    assert not [line for line in ours if "s3cret" in line]


def test_a_secret_that_the_receiver_echoes_is_masked(product: Product, workshop: Workshop) -> None:
    def echo(received: Received) -> Answer:
        return Answer(200, {"X-Request-Id": f"you sent {received.headers['authorization']} {quote(VALUE, safe='')}"})

    with HttpReceiver(respond=echo) as receiver:
        done(workshop, call(receiver, headers=HEADER))
    assert product.execute("SELECT DISTINCT provider_id FROM effects") == [("you sent Bearer *** ***",)]
    assert "s3cret" not in kept(product)


def test_a_secret_that_was_taken_away_fails_the_send_and_nothing_leaves(
    product: Product, workshop: Workshop, folder: Path
) -> None:
    product.add_people(2)
    with HttpReceiver() as receiver:
        job_id = product.run(product.workflow(steps=[call(receiver, headers=HEADER)]))
        (folder / "TOKEN").unlink()
        workshop.advance(job_id)
    assert (receiver.book.total, reasons(product, job_id)) == (0, {("failed", "secret.unknown")})


@pytest.mark.parametrize("hosts", ["api.example.com", "127.0.0.1:1", ""])
def test_a_secret_whose_hosts_have_changed_does_not_leave(
    product: Product, workshop: Workshop, folder: Path, hosts: str
) -> None:
    product.add_people(2)
    with HttpReceiver() as receiver:
        job_id = product.run(product.workflow(steps=[call(receiver, headers=HEADER)]))
        (folder / "TOKEN.hosts").write_text(hosts)
        workshop.advance(job_id)
    assert (receiver.book.total, reasons(product, job_id)) == (0, {("failed", "secret.host_refused")})


def test_a_redirect_takes_no_secret_along(product: Product, workshop: Workshop, folder: Path) -> None:
    with HttpReceiver() as elsewhere:
        away = Answer(307, {"Location": f"{elsewhere.url.replace('127.0.0.1', 'localhost')}/"})
        with HttpReceiver(respond=lambda _: away) as receiver:
            (folder / "TOKEN.hosts").write_text(receiver.url.removeprefix("http://"))
            job_id = done(workshop, call(receiver, headers=HEADER))
    assert (elsewhere.book.total, reasons(product, job_id)) == (0, {("failed", "http.307")})


def test_a_value_that_reads_like_a_name_of_a_secret_is_sent_as_it_is(product: Product, workshop: Workshop) -> None:
    named = "{{ secrets.TOKEN }}"
    product.add_people(1, properties={"note": named})
    with HttpReceiver() as receiver:
        step = call(receiver, body={"note": "{{ person.properties.note }}"})
        workshop.advance(product.run(product.workflow(steps=[step])))
    assert [json.loads(received.body) for received in receiver.book.latest] == [{"note": named}]


def test_a_secret_is_read_again_when_it_has_changed(product: Product, workshop: Workshop, folder: Path) -> None:
    product.add_people(1)
    with HttpReceiver() as receiver:
        workflow = product.workflow(steps=[call(receiver, headers=HEADER)])
        for value in ("first value", "second value"):
            (folder / "TOKEN").write_text(value)
            workshop.advance(product.run(workflow))
    assert {received.headers["authorization"] for received in receiver.book.latest} == {
        "Bearer first value",
        "Bearer second value",
    }


def test_half_of_an_echoed_secret_is_masked_too(product: Product, workshop: Workshop) -> None:
    answer = Answer(200, {"X-Request-Id": f"{'x' * 190}{VALUE}"})
    with HttpReceiver(respond=lambda _: answer) as receiver:
        done(workshop, call(receiver, headers=HEADER))
    assert "s3cret" not in kept(product)
