"""The end of the demo: every number from every book beside each other, and the people who were left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine.cli.client import Api
from engine.cli.output import Column, Output
from engine.demo.books import Check, Expected, Ledger, balance
from engine.demo.receivers import HttpReceiver, SmtpReceiver

COLUMNS = (Column("", "state"), Column("what", "what"), Column("numbers", "numbers"))


@dataclass(frozen=True)
class Receivers:
    """What stands in for the world outside."""

    http: HttpReceiver
    smtp: SmtpReceiver


@dataclass(frozen=True)
class Story:
    """What was expected from the file, what the sizing said, what the job says, and what arrived."""

    forecast: Expected
    sizing: dict[str, Any]
    job: dict[str, Any]
    receivers: Receivers


def show_books(out: Output, api: Api, story: Story) -> bool:
    """Print every comparison; whether all of them hold."""
    job, ledger = story.job, Ledger.of(_runs(api, story.job["id"]))
    checks = [*_sizing(story.sizing, story.forecast), *_promise(story, ledger), *balance(job, ledger)]
    checks += _outside(ledger, story.forecast, story.receivers)
    out.rows([_row(check) for check in checks], COLUMNS)
    wrong = [check for check in checks if not check.holds]
    out.say(f"  {len(checks) - len(wrong)} of {len(checks)} comparisons agree.")
    return not wrong and job["status"] == "completed"


def explain(out: Output, api: Api, workflow_id: str) -> None:
    """Three people who match and were not reached, each with the reason."""
    for person in api.get(f"/workflows/{workflow_id}/blast-radius/excluded", limit=3)["excluded"]:
        out.say(f"  {person['distinct_id']}: {person['reason'].replace('_', ' ')}")


def _row(check: Check) -> dict[str, str]:
    numbers = "  ".join(f"{book} {number:,}" for book, number in check.numbers.items())
    return {"state": "ok" if check.holds else "DIFFERS", "what": check.what, "numbers": numbers}


def _sizing(sizing: dict[str, Any], forecast: Expected) -> Iterator[Check]:
    yield Check("people", {"file": forecast.total, "sizing": sizing["total"]})
    yield Check("matched", {"file": forecast.matched, "sizing": sizing["matched"]})
    for reason, number in forecast.excluded.items():
        yield Check(reason.replace("_", " "), {"file": number, "sizing": sizing["excluded"].get(reason, 0)})


def _promise(story: Story, ledger: Ledger) -> Iterator[Check]:
    yield Check(
        "confirmed = reached",
        {
            "sized": story.sizing["affected"],
            "confirmed": story.job["acknowledged"],
            "enrolled": story.job["enrolled"],
            "ledger": ledger.rows,
        },
    )


def _outside(ledger: Ledger, forecast: Expected, receivers: Receivers) -> Iterator[Check]:
    """What left the house against what arrived: distinct ids, and nothing twice."""
    for what, number, step, book in (
        ("webhooks", forecast.webhooks, "tell_crm", receivers.http.book),
        ("emails", forecast.emails, "write", receivers.smtp.book),
    ):
        sent = ledger.by_step[step, "succeeded"]
        arrived = {"distinct ids": book.distinct, "arrived": book.total}
        yield Check(what, {"file": number, "ledger": sent, **arrived})
        yield Check(f"{what} that arrived twice", {"expected": 0, "found": book.duplicates})


def _runs(api: Api, job_id: UUID | str) -> Iterator[dict[str, Any]]:
    for page in api.pages(f"/batch-jobs/{job_id}/runs", limit=0, every=True):
        yield from page["data"]
