"""The raw limit: two processes that insert the same ledger rows by unnest, in chunks of 500, with a commit each."""

from __future__ import annotations

import json
import multiprocessing
import time
from typing import Any

from sqlalchemy import create_engine, text

PROCESSES = 2
CHUNK = 500

STEPS = json.dumps([{"step": "note", "outcome": "captured", "output": {"message": "Hello"}}])

_TABLE = """
DROP TABLE IF EXISTS raw_runs;
CREATE TABLE raw_runs (LIKE runs INCLUDING ALL)
"""
_INSERT = """
INSERT INTO raw_runs (job_id, person_id, status, reason, at_step, wake_at, steps, updated_at)
SELECT '00000000-0000-0000-0000-000000000001', id, 'delivered', NULL, NULL, NULL, CAST(:steps AS jsonb), now()
FROM unnest(CAST(:ids AS bigint[])) AS id
"""


def rows_per_second(url: str, people: int) -> float:
    """Ledger rows that two processes write a second when they do nothing else."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(_TABLE))
    engine.dispose()
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES + 1)
    shares = [(url, first, people, barrier) for first in range(PROCESSES)]
    processes = [context.Process(target=_insert, args=share) for share in shares]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.perf_counter()
    barrier.wait()
    elapsed = time.perf_counter() - started
    for process in processes:
        process.join()
    return people / elapsed


def _insert(url: str, share: int, people: int, barrier: Any) -> None:
    """Every second chunk of the people."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.rollback()
        barrier.wait()
        for first in range(1 + share * CHUNK, people + 1, PROCESSES * CHUNK):
            ids = list(range(first, min(first + CHUNK, people + 1)))
            with connection.begin():
                connection.execute(text(_INSERT), {"ids": ids, "steps": STEPS})
        barrier.wait()
