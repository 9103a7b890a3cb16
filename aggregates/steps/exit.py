"""Ends the run with a reason."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from aggregates.steps.base import Config, Finish, Plan, StepType


class ExitConfig(Config):
    reason: str = Field("exit", min_length=1, max_length=200, description="Kept in the ledger of each run.")


class Exit(StepType[ExitConfig]):
    id = "exit"
    name = "Exit"
    category = "logic"
    description = "Ends the run here and keeps the reason. People who end here count as exited."
    Config = ExitConfig
    examples = ({"reason": "already a customer"},)

    def ports(self, config: ExitConfig) -> tuple[str, ...]:
        return ()

    def plan(self, config: ExitConfig, now: datetime) -> Plan:
        return Finish(config.reason)
