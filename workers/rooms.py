"""Which people of a job may be sent to at this moment: their destinations have room, or have not answered for long.

A destination that is at its rate has no room either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from aggregates.steps.base import Deliver
from workers.delivery import place_for
from workers.delivery.places import BURST_SECONDS, Place, Places
from workers.jobs import WorkingJob
from workers.rates import TAKEN_SECONDS, Rates, Turns


def hosts(plans: Mapping[str, Deliver]) -> dict[str, str]:
    """The hosts that these steps send to, by step; none for the mail relay."""
    return {step: place_for(plan).host for step, plan in plans.items()}


@dataclass(frozen=True)
class Rooms:
    """Where the steps of a job send, by step, and the places that were taken there and are not used yet."""

    job: WorkingJob
    found: Mapping[str, Place]
    places: Places
    rates: Rates
    taken: list[Place]

    @classmethod
    def of(cls, job: WorkingJob, places: Places, rates: Rates, now: datetime) -> Rooms:
        """None is taken yet."""
        plans = {step.id: job.route.plan(step.id, now) for step in job.route.definition.steps}
        found = {id: place_for(plan) for id, plan in plans.items() if isinstance(plan, Deliver)}
        return cls(job, found, places, rates, [])

    @contextmanager
    def given_back(self) -> Iterator[Rooms]:
        """What was taken and not used is given back in the end, whatever happens."""
        try:
            yield self
        finally:
            self.give_back()

    def down(self) -> frozenset[str]:
        """The steps where nobody needs to wait in line: nothing has answered there for long."""
        return frozenset(id for id, place in self.found.items() if self.places.is_down(place, self.job.project_id))

    def all_rest(self) -> bool:
        """Whether nothing can be sent for a while, wherever it goes."""
        down, project = self.down(), self.job.project_id
        return bool(self.found) and all(
            id not in down and (self.places.rests(place, project) or self._is_at_rate(place))
            for id, place in self.found.items()
        )

    def shut(self, down: frozenset[str]) -> list[str]:
        """The steps at which nobody can be sent to now."""
        return [id for id, place in self.found.items() if id not in down and self._wait(place)]

    def wait(self) -> float:
        """Seconds until there may be room where there is none."""
        return min(filter(None, map(self._wait, self.found.values())), default=BURST_SECONDS)

    def is_at_rate(self) -> bool:
        """Whether a rate is among what is waited for, so that it is known when to come again."""
        return any(map(self._is_at_rate, self.found.values()))

    def places_of(self, standing: Sequence[Row[Any]], down: frozenset[str]) -> set[Place]:
        """Where these people are sent to, those steps apart at which nobody is."""
        return {self.found[row.at_step] for row in standing if row.at_step in self.found and row.at_step not in down}

    def take(self, standing: Sequence[Row[Any]], down: frozenset[str], turns: Turns) -> list[Row[Any]]:
        """Those of these people for whom there is a place and a turn, which are taken, or for whom none is needed."""
        return [row for row in standing if row.at_step in down or self._takes(row.at_step, turns)]

    def use(self, place: Place) -> None:
        """Whoever sends gives this one back."""
        self.taken.remove(place)

    def give_back(self) -> None:
        """Of what was taken nothing more is used."""
        while self.taken:
            self.places.give_back(self.taken.pop(), self.job.project_id)

    def _wait(self, place: Place) -> float:
        project = self.job.project_id
        return max(self.places.wait(place, project), self.rates.wait(project, place))

    def _is_at_rate(self, place: Place) -> bool:
        return self.rates.wait(self.job.project_id, place) > TAKEN_SECONDS

    def _takes(self, step: str, turns: Turns) -> bool:
        place = self.found.get(step)
        if place is None:
            return True
        got = turns.may_go(place) and self.places.take(place, self.job.project_id)
        if got:
            turns.take(place)
            self.taken.append(place)
        return got
