"""Agents with everything that an agent can hold, for a while: nobody is reached whom nobody confirmed."""

from __future__ import annotations

import pytest

from tests.reach.campaign import Campaign, tenants
from tests.reach.conftest import COMMANDS, Open


@pytest.mark.parametrize("confirmation", ["relayed", "witnessed"])
def test_random_agents_reach_nobody_whom_nobody_confirmed(
    field_with: Open, confirmation: str, seed: int, request: pytest.FixtureRequest
) -> None:
    field = field_with(confirmation=confirmation, max_audience=1000)
    campaign = Campaign(field, seed, tenants(field))
    campaign.go(int(request.config.getoption("--commands", COMMANDS)))
    assert not campaign.strangers(), campaign.codes
    # It has done something: a campaign of refusals proves nothing.
    assert field.mailed and campaign.codes["workflows-run-batch: ok"] and campaign.codes["human confirms: ok"]
