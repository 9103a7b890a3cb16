"""Workflows: create, edit a draft, enable, disable, archive, restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from aggregates.batch_job.aggregate import BatchJob
from aggregates.errors import DomainError, Problem, invalid
from aggregates.schedule.aggregate import Schedule
from aggregates.shape import json_problems
from aggregates.values import NAME_LIMIT
from aggregates.workflow.aggregate import Workflow
from aggregates.workflow.definition import Definition
from aggregates.workflow.sending import sending_problems
from aggregates.workflow.silence import silent_approvals
from aggregates.workflow.trials import trial_problems
from aggregates.workflow.triggers import BatchTrigger, parse_trigger
from commands.context import Accepted, Context
from commands.due import CHANGED
from commands.hints import audience_findings
from commands.secret_terms import secret_problems

DESCRIPTION_LIMIT = 5_000

AUDIENCE = "/trigger/filters/properties"

ABOUT = ("purpose", "topic")
"""Parts of the content that are left out where they say nothing."""


@dataclass(frozen=True)
class CreateWorkflow:
    """Create a workflow as a draft. Nobody is contacted by a draft."""

    name: str
    description: str = ""
    trigger: dict[str, Any] | None = None
    steps: list[Any] = field(default_factory=list)
    edges: list[Any] = field(default_factory=list)
    variables: list[Any] = field(default_factory=list)
    purpose: str | None = None
    topic: str | None = None


@dataclass(frozen=True)
class EditWorkflow:
    """Change a draft; fields that are None stay as they are. `version` is the one that the edit was made against.

    A change of the content pauses the workflow's schedules: nobody has acknowledged it for them.

    `revision` counts every change and not only those of the content; where it is given, it has to be the latest too.
    """

    workflow_id: UUID
    version: int
    name: str | None = None
    description: str | None = None
    trigger: dict[str, Any] | None = None
    steps: list[Any] | None = None
    edges: list[Any] | None = None
    variables: list[Any] | None = None
    purpose: str | None = None
    topic: str | None = None
    revision: int | None = None


@dataclass(frozen=True)
class EnableWorkflow:
    """Make a draft active; its stored content is validated again, in full.

    The answer names the jobs that disabling or archiving it has paused and that are still paused; none is resumed.
    """

    workflow_id: UUID


@dataclass(frozen=True)
class DisableWorkflow:
    """Take an active workflow back to draft; jobs that are not enrolled yet will be refused, running ones pause."""

    workflow_id: UUID


@dataclass(frozen=True)
class ArchiveWorkflow:
    """Put a workflow away: it refuses new jobs, its schedules end, and its running jobs pause."""

    workflow_id: UUID


@dataclass(frozen=True)
class RestoreWorkflow:
    """Bring an archived workflow back as a draft."""

    workflow_id: UUID


@dataclass(frozen=True)
class SetAgentRuns:
    """Say whether agents start runs of a manual workflow: `never`, `confirmed` by a human, or `free`. No agent can."""

    workflow_id: UUID
    agent_runs: str


def create(command: CreateWorkflow, ctx: Context) -> Accepted:
    content = _content(command.trigger, command.steps, command.edges, command.variables) | _given(command, ABOUT)
    findings = _checked(ctx, command.name, command.description, content)
    workflow = Workflow.create(
        ctx.ids.new(), name=command.name, description=command.description, content=content, meta=ctx.meta
    )
    return _answer(workflow, ctx.store.save(workflow), findings)


def edit(command: EditWorkflow, ctx: Context) -> Accepted:
    # Whoever changes a workflow with what belongs to it takes the workflow first, so that two never wait in a ring.
    ctx.store.lock(command.workflow_id)
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    if command.revision not in {None, workflow.version}:
        raise DomainError("workflow.stale", details={"made_against": command.revision, "revision": workflow.version})
    content = {**workflow.content, **_given(command, ("trigger", "steps", "edges", "variables", *ABOUT))}
    name = workflow.name if command.name is None else command.name
    description = workflow.description if command.description is None else command.description
    findings = _checked(ctx, name, description, content)
    before = workflow.content_version
    workflow.edit(name=name, description=description, content=content, made_against=command.version, meta=ctx.meta)
    schedules = []
    if workflow.content_version != before:
        schedules = ctx.store.belonging(Schedule, workflow.id, ctx.meta, "active")
    for schedule in schedules:
        schedule.pause(note=CHANGED, meta=ctx.meta)
    return _answer(workflow, ctx.store.save(workflow, *schedules), findings)


def enable(command: EnableWorkflow, ctx: Context) -> Accepted:
    ctx.store.lock(command.workflow_id)
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    definition, problems = Definition.parse(workflow.content)
    problems += _cohort_problems(ctx, workflow.content, definition)
    problems += [*sending_problems(workflow.content, ctx.policy), *trial_problems(workflow.content)]
    problems += _silent(ctx, workflow.content)
    problems += secret_problems(ctx, workflow.content)
    if workflow.status == "draft" and _errors(problems):
        raise invalid("workflow.invalid", problems)
    workflow.enable(definition, meta=ctx.meta)
    problems += audience_findings(ctx, definition)
    stopped = [job for job in _belonging_jobs(ctx, workflow, "paused") if job.paused_by_command in workflow.stops]
    return _answer(workflow, ctx.store.save(workflow), problems, stopped)


def disable(command: DisableWorkflow, ctx: Context) -> Accepted:
    # No tool pair of an agent may walk around the lock on what is active.
    if ctx.meta.principal.guarded:
        raise DomainError("workflow.not_for_agents")
    ctx.store.lock(command.workflow_id)
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    workflow.disable(meta=ctx.meta)
    jobs = _paused_jobs(ctx, workflow, "The workflow was disabled.")
    return _answer(workflow, ctx.store.save(workflow, *jobs), [], jobs)


def archive(command: ArchiveWorkflow, ctx: Context) -> Accepted:
    ctx.store.lock(command.workflow_id)
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    workflow.archive(meta=ctx.meta)
    schedules = ctx.store.belonging(Schedule, workflow.id, ctx.meta, "active", "paused", "completed")
    for schedule in schedules:
        schedule.detach(note="The workflow was archived.", meta=ctx.meta)
        ctx.people.forget_confirmed(schedule.id)
    jobs = _paused_jobs(ctx, workflow, "The workflow was archived.")
    return _answer(workflow, ctx.store.save(workflow, *schedules, *jobs), [], jobs)


def restore(command: RestoreWorkflow, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    workflow.restore(meta=ctx.meta)
    return _answer(workflow, ctx.store.save(workflow), [])


def set_agent_runs(command: SetAgentRuns, ctx: Context) -> Accepted:
    workflow = ctx.store.load(Workflow, command.workflow_id, ctx.meta)
    workflow.set_agent_runs(command.agent_runs, meta=ctx.meta)
    answer = _answer(workflow, ctx.store.save(workflow), [])
    return Accepted(answer.id, {**answer.data, "agent_runs": workflow.agent_runs}, answer.position)


def _paused_jobs(ctx: Context, workflow: Workflow, reason: str) -> list[BatchJob]:
    """Its running jobs, paused with the reason. Those that are queued are refused when they are to be enrolled."""
    jobs = _belonging_jobs(ctx, workflow, "running") if workflow.status != "active" else []
    for job in jobs:
        job.pause(reason=f"{reason} {ctx.meta.reason}" if ctx.meta.reason else reason, meta=ctx.meta)
    return jobs


def _belonging_jobs(ctx: Context, workflow: Workflow, status: str) -> list[BatchJob]:
    return ctx.store.belonging(BatchJob, workflow.id, ctx.meta, status)


def _answer(workflow: Workflow, position: int, findings: list[Problem], paused: Sequence[BatchJob] = ()) -> Accepted:
    """What every command of a workflow answers; `paused` are the jobs that stand still because it was stopped."""
    data = {
        "workflow_id": str(workflow.id),
        "status": workflow.status,
        "version": workflow.content_version,
        "revision": workflow.version,
        "findings": [problem.as_data() for problem in findings],
        "paused_jobs": [str(job.id) for job in paused],
    }
    return Accepted(str(workflow.id), data, position)


def _given(command: CreateWorkflow | EditWorkflow, parts: Sequence[str]) -> dict[str, Any]:
    """The parts of content that a command carries; what is None stays out."""
    return {part: value for part in parts if (value := getattr(command, part)) is not None}


def _content(trigger: Any, steps: Any, edges: Any, variables: Any) -> dict[str, Any]:
    return {"trigger": trigger, "steps": steps, "edges": edges, "variables": variables}


def _checked(ctx: Context, name: Any, description: Any, content: dict[str, Any]) -> list[Problem]:
    """Everything wrong with a save. Strict for every source but `web`, whose drafts may be unfinished.

    This is the one place that decides it, for filters of what people did and for cohorts of it alike. Whatever was
    saved, going active and sizing ask everything again.
    """
    # Whoever saves it says that people want it although they left its topic: an agent cannot.
    if ctx.meta.principal.guarded and content.get("purpose") == "transactional":
        raise DomainError("workflow.transactional_not_for_agents")
    strict = ctx.meta.principal.source != "web"
    definition, findings = Definition.parse(content, strict=strict)
    further = [*_cohort_problems(ctx, content, definition), *sending_problems(content, ctx.policy)]
    further += trial_problems(content)
    if not strict:
        further = [replace(problem, severity="warning") for problem in further]
    findings = [*findings, *further, *_silent(ctx, content), *secret_problems(ctx, content, strict=strict)]
    problems = [*_text_problems(name, description), *_errors(findings)]
    if problems:
        raise invalid("workflow.invalid", problems)
    return [*findings, *audience_findings(ctx, definition)]


def _silent(ctx: Context, content: dict[str, Any]) -> list[Problem]:
    """Approval steps that nobody has to answer: a finding for people, and nothing that an agent may save or enable."""
    return silent_approvals(content, severity="error" if ctx.meta.principal.guarded else "warning")


def _errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity == "error"]


def _cohort_problems(ctx: Context, content: dict[str, Any], definition: Definition | None) -> list[Problem]:
    """What the cohorts that the content names say against it: those of its audience also while the rest is unfinished,
    as filters of what people did are refused there too.
    """
    if definition is not None:
        audiences = list(definition.audiences())
    else:
        trigger = None if json_problems(content) else parse_trigger(content["trigger"], "/trigger")[0]
        audiences = [(AUDIENCE, trigger.audience)] if isinstance(trigger, BatchTrigger) else []
    project = ctx.meta.principal.project_id
    return [
        problem
        for pointer, audience in audiences
        for problem in ctx.people.audience_problems(project, audience, pointer)
    ]


def _text_problems(name: Any, description: Any) -> list[Problem]:
    problems = []
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LIMIT or not name.isprintable():
        problems.append(
            Problem(
                "/name",
                "field.invalid",
                f"A name is 1 to {NAME_LIMIT} printable characters.",
                None,
                "string",
                "Spring launch",
            )
        )
    if not isinstance(description, str) or len(description) > DESCRIPTION_LIMIT or "\0" in description:
        problems.append(
            Problem(
                "/description",
                "field.invalid",
                f"A description has at most {DESCRIPTION_LIMIT} characters.",
                None,
                "string",
            )
        )
    return problems
