"""The ports to people, and to where the people of a job stand. The machine room supplies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from aggregates.audience import Audience
from aggregates.errors import Problem
from aggregates.reach import Reach
from aggregates.values import Sizing


class People(Protocol):
    """Audience questions and people's state, inside the command's transaction."""

    def audience_problems(self, project_id: UUID, audience: Audience, pointer: str) -> list[Problem]: ...

    def audience_findings(self, project_id: UUID, audiences: Sequence[tuple[str, Audience]]) -> list[Problem]:
        """Warnings about conditions that name what no person has; each audience comes with its pointer."""

    def size(
        self,
        project_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        needs: Sequence[str],
        shown: bool,
        now: datetime,
    ) -> Sizing:
        """Counts and fingerprint of one snapshot; only if `shown` also the total, a sample and what people lack."""

    def explain(
        self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime
    ) -> Sequence[Mapping[str, Any]]:
        """People who match and are excluded: `{person_id, distinct_id, reason}`."""

    def keep(
        self,
        project_id: UUID,
        job_id: UUID,
        workflow_id: UUID,
        audience: Audience,
        *,
        reach: Reach,
        about: int,
        expires_at: datetime,
        now: datetime,
    ) -> tuple[int, str]:
        """Keep the affected people (`about` so many) for a job that may be bought until then: count, fingerprint."""

    def kept(self, project_id: UUID, job_id: UUID) -> tuple[int, str] | None:
        """What was kept for a job, if it still is."""

    def keep_confirmed(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, about: int, now: datetime
    ) -> tuple[int, str]:
        """Keep the affected people (`about` so many) as those confirmed for a schedule: count, fingerprint."""

    def forget_confirmed(self, schedule_id: UUID) -> None:
        """Drop who was confirmed for a schedule."""

    def strangers(
        self, project_id: UUID, schedule_id: UUID, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        """How many of the affected people were not confirmed for a schedule; None if nobody was kept."""

    def reached_before(
        self, project_id: UUID, workflow_id: UUID, version: int, audience: Audience, *, reach: Reach, now: datetime
    ) -> int | None:
        """How many of the affected people this version has reached before; None if that takes too long to count."""

    def failed_before(self, project_id: UUID, workflow_id: UUID, version: int, job_id: UUID) -> int | None:
        """The same of the people whose runs of a job have failed."""

    def unfinished_before(self, project_id: UUID, workflow_id: UUID, version: int, job_id: UUID) -> int | None:
        """The same of the enrolled people of a job whose runs have no outcome yet."""

    def failed(self, job_id: UUID, reach: Reach) -> tuple[int, str]:
        """The people whose runs of a job have failed: count, fingerprint over them and their addresses of now."""

    def unfinished(self, job_id: UUID) -> tuple[int, str]:
        """The enrolled people of a job whose runs have no outcome yet: count, fingerprint."""

    def left_since(self, job_id: UUID, project_id: UUID, reach: Reach) -> Mapping[str, int]:
        """How many of these can be reached no more, by reason."""

    def sample(self, project_id: UUID, audience: Audience, *, reach: Reach, limit: int, now: datetime) -> list[int]:
        """Some people whom an audience reaches, spread over all of them, the same ones each time; ascending."""

    def named(self, project_id: UUID, distinct_ids: Sequence[str]) -> Mapping[str, int]:
        """Who of the project has these distinct ids."""

    def reasons(
        self, project_id: UUID, audience: Audience, ids: Sequence[int], *, reach: Reach, now: datetime
    ) -> Mapping[int, str]:
        """Those of these people whom the audience would not reach, and why."""

    def matching(self, project_id: UUID, audience: Audience, ids: Sequence[int], *, now: datetime) -> set[int]:
        """Which of these people meet the conditions."""

    def records(self, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """What templates see of people."""

    def values(self, key: str, ids: Sequence[int]) -> dict[str | None, list[int]]:
        """People by what a property of theirs says."""

    def import_people(
        self,
        project_id: UUID,
        stream: BinaryIO,
        *,
        format: str,
        mapping: Mapping[str, str],
        dry_run: bool,
        now: datetime,
    ) -> Mapping[str, Any]: ...

    def addressed(self, project_id: UUID, person_id: int | None, distinct_id: str | None) -> tuple[int, str | None]:
        """A person by one of their ids, with their normalised address; or `person.not_found`."""

    def opt_out(self, project_id: UUID, **told: Any) -> bool:
        """Let `person_id`, and everybody with `address`, leave a `topic`; whether that was not so before."""

    def opt_in(self, project_id: UUID, **told: Any) -> bool:
        """Take that back; whether there was anything to take back."""

    def suppress(self, project_id: UUID, address: str, reason: str, now: datetime) -> bool:
        """Let nothing be sent to a normalised address; whether that was not so before."""

    def unsuppress(self, project_id: UUID, address: str) -> bool:
        """Let it be sent to again; whether it was suppressed."""

    def refused_addresses(self, project_id: UUID, addresses: Iterable[str], reach: Reach) -> Mapping[str, str]:
        """Addresses that may not be sent to, as they were told: `invalid_address`, `suppressed`, `opted_out`.

        Which opt-outs count is the reach's to say, as for an audience.
        """

    def digest(self, address: str) -> str:
        """A keyed digest of a normalised address, for the log."""

    def create_cohort(self, project_id: UUID, id: UUID, **fields: Any) -> Mapping[str, Any]: ...


class Ledger(Protocol):
    """Where the people of a job stand, inside the command's transaction."""

    def claim_step(self, job_id: UUID, step_id: str) -> bool:
        """Whether an enrolled job has this approval step; nobody arrives at it until this command has ended."""

    def keep_inputs(self, project_id: UUID, job_id: UUID, inputs: Mapping[str, Any]) -> None:
        """What a manual run is started with."""

    def inputs(self, job_id: UUID) -> Mapping[str, Any]:
        """What a manual run was started with; empty if nothing was kept."""

    def run_status(self, job_id: UUID, person_id: int) -> str | None:
        """How one person's run stands; None for somebody who is not enrolled. It stays so until this command ends."""

    def cancel_run(self, job_id: UUID, person_id: int, now: datetime) -> str:
        """Let nothing more be done for one person; how the run stands then: who waits is skipped at once, or exits."""

    def unknown_at(self, job_id: UUID, person_id: int) -> str | None:
        """The step at which a run waits for somebody to say what became of its effect."""

    def decide_unknown(self, job_id: UUID, person_id: int, *, effect_id: UUID, decision: str, now: datetime) -> str:
        """Let such a run go on as was decided, or end it; how it stands then."""

    def stands(self, job_id: UUID) -> tuple[Mapping[str, int], int]:
        """Where the people of a job are at this moment, and how many were reached or may have been."""

    def unknown_left(self, job_id: UUID) -> int:
        """How many runs of a job wait for such a decision."""

    def wake(self, job_id: UUID, step_id: str, now: datetime) -> None:
        """Let everybody who waits at a step of a job go on."""
