"""Settings under which audience questions are asked, and those before them, which come back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from projections.patience import GRACE_SECONDS, patience, waiting

_LIMITS = text(
    "SELECT current_setting('statement_timeout') AS timeout, current_setting('plan_cache_mode') AS plan,"
    " current_setting('jit') AS jit, current_setting('timezone') AS zone,"
    " set_config('statement_timeout', :timeout, true), set_config('jit', 'off', true),"
    # A generic plan knows neither how many people a value matches nor which index serves it.
    " set_config('plan_cache_mode', 'force_custom_plan', true),"
    # A date without an offset is UTC, whatever the server's zone.
    " set_config('timezone', 'UTC', true)"
)
_RESTORE = text(
    "SELECT set_config('statement_timeout', :timeout, true), set_config('plan_cache_mode', :plan, true),"
    " set_config('jit', :jit, true), set_config('timezone', :zone, true)"
)


@contextmanager
def limited(conn: Connection, timeout_ms: int) -> Iterator[None]:
    """Let each statement take so many milliseconds, in a savepoint, so that a failure costs only itself."""
    with conn.begin_nested(), waiting(max(patience(), timeout_ms / 1000 + GRACE_SECONDS)):
        before = conn.execute(_LIMITS, {"timeout": str(timeout_ms)}).mappings().one()
        yield
        conn.execute(_RESTORE, dict(before))
