"""The options that every list takes."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Limit = Annotated[int, Parameter(help="At most so many rows.")]
After = Annotated[str | None, Parameter(help="The cursor that the list before ended with.")]
Every = Annotated[bool, Parameter(name="--all", negative="", help="Every row, page after page.")]
