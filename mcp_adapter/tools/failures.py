"""Failures of a batch job: how many, by step, reason and host."""

from __future__ import annotations

from typing import Any

from mcp_adapter.schemas import Answer, Arguments, Row, Text
from mcp_adapter.tool import READS_ONLY, Call, Tool
from mcp_adapter.tools.fields import BatchJobId


class GetFailures(Arguments):
    batch_job_id: BatchJobId


class FailureRow(Row):
    step_id: str | None = None
    reason: str
    meaning: str | None = None
    host: str | None = None
    failed: int
    went_on: int
    retried: int


class Failures(Answer):
    batch_job_id: Text
    failed: int
    unaccounted: int
    failures: list[FailureRow]
    left_out: int


def get_failures(call: Call, given: GetFailures) -> Failures:
    found = call.system.reads.failures.of_job(call.principal, given.batch_job_id)
    retried = sum(row["retried"] for row in found["failures"])
    summary = f"{found['failed']:,} runs of this job failed; {retried:,} attempts failed and are followed by another."
    return Failures(summary=summary, **found)


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        "batch-jobs-failures",
        "See what failed",
        "Count what failed in a batch job by step, reason and host, each with its meaning: failed runs, runs that went "
        "on, attempts that are repeated.",
        "failures.of_job",
        GetFailures,
        Failures,
        READS_ONLY,
        get_failures,
    ),
)
