"""Followers of the log, and what there is for them to follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from commands.workflow import CreateWorkflow
from projections.view import Recorded
from tests.support.product import CAPTURE, EVERYONE, Product


class Notes:
    """A follower that keeps what it was handed, and chokes where it is told to."""

    name = "notes"

    def __init__(self, poison: int | None = None) -> None:
        self.taken: list[int] = []
        self.poison = poison

    def handle(self, connection: Connection, batch: Sequence[Recorded]) -> None:
        positions = [recorded.position for recorded in batch]
        if self.poison in positions:
            raise ValueError("cannot take this")
        self.taken += positions


def some_workflows(product: Product, count: int) -> None:
    for n in range(count):
        product.ask(CreateWorkflow(name=f"Launch {n}", trigger=EVERYONE, steps=[CAPTURE]))


def rewritten(product: Product, change: str) -> None:
    """Let every view read the log from its start again, after a change that nothing of ours would make."""
    with product.system.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE log DISABLE TRIGGER USER")
        connection.exec_driver_sql(f"UPDATE log {change}")
    product.execute("UPDATE view_positions SET position = 0")


def rows(product: Product, table: str = "workflows") -> list[Any]:
    return list(product.execute(f"SELECT * FROM {table} ORDER BY id"))
