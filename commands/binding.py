"""Confirm tokens: short handles of sizings, and what each of them is bound to.

The server keeps what a sizing said; the token only names it. Whatever a human saw when they said the number is bound,
so that the token buys that and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError
from aggregates.pace import UNHINDERED, Pace
from aggregates.recurrence import Recurrence
from aggregates.schedule.aggregate import Schedule
from aggregates.values import digest
from aggregates.workflow.aggregate import Workflow
from commands.context import Context

TOKEN_LIMIT = 100
"""Longest text that a door takes for a confirm token, in characters; a token has 26."""

_TOKEN = re.compile(r"tgc_[A-Za-z0-9_-]{22}", re.ASCII)


@dataclass(frozen=True)
class Purpose:
    """What is asked for: a new `batch`, a `schedule` with its recurrence, or that a `job` that is there goes on.

    The token of a job that is there is that of a batch; its pace was asked for before, so it is not compared. `stands`
    is the schedule that a sizing names, as it is now.
    """

    kind: Literal["batch", "schedule", "job"] = "batch"
    pace: Pace = UNHINDERED
    recurrence: Recurrence | None = None
    max_growth: float | None = None
    send_mode: str | None = None
    stands: Schedule | None = None

    def as_data(self) -> dict[str, Any]:
        """What of it a token is bound to."""
        return {
            "purpose": "schedule" if self.kind == "schedule" else "batch",
            "recurrence": digest(self.recurrence.as_data()) if self.recurrence else None,
            "max_growth": self.max_growth,
        } | ({} if self.kind == "job" else {"pace": digest(self.pace.as_data())})


def new_token(ctx: Context) -> str:
    """A handle that nobody can guess."""
    return f"tgc_{ctx.ids.nonce()}"


def keep_claims(ctx: Context, token: str, claims: Mapping[str, Any]) -> None:
    """Keep what a sizing said under its token, of which only a digest is stored."""
    ctx.sizings.keep(nonce_of(token), ctx.meta.principal.project_id, claims)


def claims_of(ctx: Context, token: str | None) -> Mapping[str, Any] | None:
    """What the sizing of a token said; None for a text that is no token of ours, or one that is kept no more."""
    return ctx.sizings.find(nonce_of(token)) if token is not None and _TOKEN.fullmatch(token) else None


def nonce_of(token: str) -> str:
    """What stands for a token wherever it is stored: it opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def bought_job(ctx: Context, token: str | None) -> UUID | None:
    """The only job that a token can buy: its id comes from the token. None for a text that is no token."""
    if token is None or not _TOKEN.fullmatch(token):
        return None
    return ctx.ids.derived("batch_job", ctx.meta.principal.project_id, nonce_of(token))


def asked_job(ctx: Context, token: str | None, command: str) -> UUID | None:
    """The id of what a request makes: from its token, else from its idempotency key; None without either.

    Both come from what the caller sends and from nothing that we keep: after a restore the same request makes the same
    job, and its messages have the same keys as before. The key of a human who confirms is for that.
    """
    key = None if ctx.confirming else ctx.meta.idempotency_key
    if (bought := bought_job(ctx, token)) is not None or key is None:
        return bought
    return ctx.ids.derived("keyed", ctx.meta.principal.project_id, ctx.meta.principal.id, command, key)


def asked_before(
    ctx: Context, token: str | None, command: str, request_digest: str
) -> tuple[UUID | None, BatchJob | None, bool]:
    """The id of the job that a request makes, the job if the same request has made it, and whether its token is spent.

    Raises `idempotency.mismatch` when another request has made it.
    """
    id = asked_job(ctx, token, command)
    # Asked once: a job that appears after this is met by the store's own conflict, and then by a second try.
    taken = ctx.store.taken(id)
    existing = ctx.store.find(BatchJob, id, ctx.meta) if id and taken else None
    if existing and existing.request_digest == request_digest:
        return id, existing, False
    if taken and bought_job(ctx, token) is None:
        raise DomainError("idempotency.mismatch")
    return id, None, taken


def counted(ctx: Context, count: int, fingerprint: str) -> dict[str, Any]:
    """What is kept of a sizing beside what its token is bound to. Times are seconds since 1970."""
    now = ctx.meta.now
    return {
        "fingerprint": fingerprint,
        "count": count,
        "frozen": False,
        "sized_at": int(now.timestamp()),
        "expires_at": int((now + timedelta(minutes=ctx.policy.token_minutes)).timestamp()),
    }


def bound_to(
    ctx: Context, workflow: Workflow, who: str, variables: Mapping[str, Any], purpose: Purpose
) -> dict[str, Any]:
    """What has to be the same at the sizing and at what its token buys. `who` stands for the question about people."""
    return {
        "project": str(ctx.meta.principal.project_id),
        "principal": ctx.meta.principal.id,
        "workflow": str(workflow.id),
        "name": workflow.name,
        "version": workflow.content_version,
        "conditions": who,
        "variables": digest(dict(variables)),
        "send_mode": purpose.send_mode or ctx.policy.send_mode,
        **purpose.as_data(),
    }


def differences(bound: Mapping[str, Any], claims: Mapping[str, Any]) -> list[str]:
    """What the token was not made for, by name; another recurrence or growth is another purpose as well."""
    changed = [name for name, value in bound.items() if claims.get(name) != value]
    if claims.get("purpose") != bound["purpose"]:
        return [name for name in changed if name not in {"recurrence", "max_growth"}]
    if {"recurrence", "max_growth"} & set(changed):
        changed.insert(0, "purpose")
    return changed
