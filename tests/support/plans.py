"""What statements cost, in rows that the server looks at: it does not depend on the machine, as seconds do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from engine.ids import new_id
from tests.support.product import Product


@contextmanager
def rows_read(engine: Engine, table: str) -> Iterator[dict[str, int]]:
    """The rows that each statement about a table has looked at, by the statement, until the block ends.

    Each is run twice: once under EXPLAIN ANALYZE in a savepoint, which is rolled back.
    """
    read: dict[str, int] = {}

    def explained(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if f" {table} " not in statement:
            return
        with cursor.connection.cursor() as own:
            own.execute("SAVEPOINT explained")
            own.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters)
            plan = own.fetchone()[0][0]["Plan"]
            own.execute("ROLLBACK TO SAVEPOINT explained")
        read[statement] = read.get(statement, 0) + _rows(plan)

    event.listen(engine, "before_cursor_execute", explained)
    try:
        yield read
    finally:
        event.remove(engine, "before_cursor_execute", explained)


def _rows(node: dict[str, Any]) -> int:
    removed: float = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    here: float = (node["Actual Rows"] + removed) * node["Actual Loops"]
    return round(here) + sum(_rows(child) for child in node.get("Plans", ()))


def learn_of_other_jobs(product: Product, people: int = 1_000) -> None:
    """Statistics of a ledger that holds other jobs, as every installation has that has run for a while."""
    for _ in range(3):
        product.execute(
            "INSERT INTO runs (job_id, person_id, status, steps, updated_at) "
            "SELECT :job, n, 'delivered', '[]', now() FROM generate_series(1, :people) n",
            job=new_id(),
            people=people,
        )
    product.execute("ANALYZE runs, chunks, stream_heads")
