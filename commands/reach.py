"""What the queries about an audience need to know of a workflow and of the policy."""

from __future__ import annotations

from aggregates.policy import Policy
from aggregates.reach import Reach
from aggregates.workflow.definition import Definition


def reach_of(definition: Definition, policy: Policy) -> Reach:
    """Whom a workflow may reach under a policy, whatever its conditions say."""
    return definition.reach(policy.per_person)
