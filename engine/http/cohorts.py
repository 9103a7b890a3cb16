"""Cohorts: named sets of people."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from commands.people import CreateCohort
from engine.http.answers import CohortAccepted, PageAnswer
from engine.http.caller import After, Commanding, Here, Limit, PathId
from engine.http.route import StrictRoute, grant
from engine.http.rows import CohortAnswer, CohortRow
from engine.http.schemas import CreateCohortBody
from projections.page import Page

router = APIRouter(prefix="/api/v1/cohorts", tags=["cohorts"], route_class=StrictRoute)


@router.get("", response_model=PageAnswer[CohortRow], openapi_extra=grant("cohorts.list"))
def list_cohorts(
    caller: Here,
    hide_behavioral: Annotated[bool, Query(description="Only cohorts that an audience may use.")] = False,
    limit: Limit = 20,
    after: After = None,
) -> Page:
    """The newest first; without conditions."""
    return caller.reads.cohorts.list(caller.principal, hide_behavioral=hide_behavioral, limit=limit, after=after)


@router.post("", status_code=201, response_model=CohortAccepted, openapi_extra=grant("CreateCohort"))
def create_cohort(caller: Commanding, body: CreateCohortBody, response: Response) -> dict[str, Any]:
    """Name a set of people: a frozen list, conditions that are evaluated anew each time, or what people did."""
    answer = caller.answer(CreateCohort(**body.model_dump()), response)
    response.headers["Location"] = f"{router.prefix}/{answer['cohort_id']}"
    return answer


@router.get("/{cohort_id}", response_model=CohortAnswer, openapi_extra=grant("cohorts.get"))
def get_cohort(caller: Here, cohort_id: PathId) -> dict[str, Any]:
    """One cohort with its conditions, or the number of its members."""
    return caller.reads.cohorts.get(caller.principal, cohort_id)
