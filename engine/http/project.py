"""What a project works with: the step types, its policy, and how far the views have come."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from aggregates.policy import Limits
from commands.policy import SetPolicy
from engine import components, guidance
from engine.http.answers import PageAnswer, PolicyAccepted, PolicyLevels
from engine.http.caller import Commanding, Here, PathId
from engine.http.guide_answers import GuideAnswer, OperatorRow
from engine.http.limits import ProjectLimitsBody
from engine.http.route import StrictRoute, grant
from engine.http.rows import Component, ComponentRow, ViewRow
from projections.page import Page

NEXT = (
    "GET /api/v1/people/properties: the keys that a condition can name.",
    "GET /api/v1/components/{id}: the config of a step type.",
    "POST /api/v1/workflows, then /activate: a draft, then an active workflow. No person is contacted by either.",
    "POST /api/v1/workflows/{id}/blast-radius: the number that a human confirms.",
    "POST /api/v1/workflows/{id}/run-batch: contacts people.",
)
"""How to go on after the guide."""

router = APIRouter(prefix="/api/v1", tags=["project"], route_class=StrictRoute)


@router.get("/components", response_model=PageAnswer[ComponentRow], openapi_extra=grant("components.list"))
def list_components(caller: Here) -> Page:
    """Every step type that workflows may use, metadata only; there is one page."""
    return Page(components.listed(caller.principal), None, None)


@router.get("/components/{id}", response_model=Component, openapi_extra=grant("components.get"))
def get_component(caller: Here, id: PathId) -> dict[str, Any]:
    """One step type with the JSON Schema of its config, and examples."""
    return components.one(caller.principal, id)


@router.get("/operators", response_model=PageAnswer[OperatorRow], openapi_extra=grant("operators.list"))
def list_operators(caller: Here) -> Page:
    """Every operator of a condition, what it means and an example; there is one page."""
    return Page(guidance.listed(caller.principal), None, None)


@router.get("/guide", response_model=GuideAnswer, openapi_extra=grant("guide.get"))
def get_guide(caller: Here) -> dict[str, Any]:
    """What to know before writing a workflow: the project, what this key may do, how a human confirms, examples."""
    return {**guidance.guide(caller.system, caller.principal), "next": NEXT}


@router.get("/policy", response_model=PolicyLevels, openapi_extra=grant("policy.get"))
def get_policy(caller: Here) -> dict[str, Any]:
    """The policy of the caller: the installation's, narrowed by its project and its key."""
    return caller.reads.policy(caller.principal)


@router.put("/policy", response_model=PolicyAccepted, openapi_extra=grant("SetPolicy"))
def set_policy(caller: Commanding, body: ProjectLimitsBody, response: Response) -> dict[str, Any]:
    """Set all that the project narrows of the installation's policy; what is left out is not narrowed any more."""
    return caller.answer(SetPolicy(Limits.of(body.model_dump())), response)


@router.get("/views", response_model=PageAnswer[ViewRow], openapi_extra=grant("views.list"))
def list_views(caller: Here) -> Page:
    """Every follower of the log with the position that it has reached, and why it stands still if it does."""
    return Page(caller.reads.views(caller.principal), None, None)
