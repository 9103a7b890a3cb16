"""The options that every list takes."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Reason = Annotated[str | None, Parameter(help="Why; it goes into the log. Stopping is quicker than explaining.")]
UNSAID = "No reason was given."
"""What is recorded where somebody stops something and says nothing."""

Limit = Annotated[int, Parameter(help="At most so many rows.")]
After = Annotated[str | None, Parameter(help="The cursor that the list before ended with.")]
Every = Annotated[bool, Parameter(name="--all", negative="", help="Every row, page after page.")]
