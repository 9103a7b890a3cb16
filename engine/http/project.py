"""What a project works with: the step types, its policy, and how far the views have come."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from aggregates.steps import catalogue
from engine.http.answers import PageAnswer, PolicyAnswer
from engine.http.caller import Here
from engine.http.route import StrictRoute, grant
from engine.http.rows import ComponentRow, ViewRow
from projections.page import Page

router = APIRouter(prefix="/api/v1", tags=["project"], route_class=StrictRoute)


@router.get("/components", response_model=PageAnswer[ComponentRow], openapi_extra=grant("components.list"))
def list_components(caller: Here) -> Page:
    """Every step type that workflows may use; there is one page. The route's own grant is the check: it is no read."""
    return Page([step.as_data() for step in catalogue().values()], None, None)


@router.get("/policy", response_model=PolicyAnswer, openapi_extra=grant("policy.get"))
def get_policy(caller: Here) -> dict[str, Any]:
    """The limits that the guard, the enroller and every answer go by."""
    return caller.reads.policy(caller.principal)


@router.get("/views", response_model=PageAnswer[ViewRow], openapi_extra=grant("views.list"))
def list_views(caller: Here) -> Page:
    """Every follower of the log with the position that it has reached, and why it stands still if it does."""
    return Page(caller.reads.views(caller.principal), None, None)
