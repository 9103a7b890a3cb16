"""Values that stored events name by digest, fetched in one statement for as many events as are read together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from aggregates.outside import OUTSIDE

_MARK = f'"{OUTSIDE}"'.encode()
_NAMES = re.compile(re.escape(_MARK) + rb'\s*:\s*"([0-9a-f]{64})"')
_VALUES = text("SELECT digest, project_id, CAST(value AS text) AS value FROM outside WHERE digest = ANY (:digests)")

NONE: Mapping[str, Any] = {}


def values_of(connection: Connection, states: Iterable[tuple[UUID, bytes | None]]) -> Mapping[str, Any]:
    """The values that these states name and that are still kept, by digest. Each state comes with its project.

    What another project keeps is as unknown as what was erased.
    """
    named = {
        digest.decode(): project_id
        for project_id, state in states
        if state is not None and _MARK in state
        for digest in _NAMES.findall(state)
    }
    if not named:
        return NONE
    rows = connection.execute(_VALUES, {"digests": list(named)})
    return {row.digest: json.loads(row.value) for row in rows if named[row.digest] == row.project_id}
