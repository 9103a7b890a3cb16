"""What Schemathesis checks besides: it loads this file into its own environment, where the product is not installed."""

from __future__ import annotations

from typing import Any

import schemathesis  # type: ignore[import-not-found]

FORM = ("field.", "parameter.", "header.", "body.", "json.")
"""How the codes of errors begin that say that a request does not have the form that the document asks for."""

SAID_ELSEWHERE = {"cursor.invalid", "json.integer_too_large", "json.not_text", "header.invalid"}
"""Codes of the form that no document can say beforehand: only the server knows which cursors it has given, free JSON
has no bounds and takes any name, a format is asked for only where the content type does not tell it, and headers are
made without their pattern."""


@schemathesis.check  # type: ignore[untyped-decorator]
def what_has_the_right_form_is_not_refused_for_its_form(ctx: Any, response: Any, case: Any) -> None:
    """422 is also the answer of the product's guards. This tells the two apart, where the status cannot."""
    positive = case.meta is not None and case.meta.generation.mode.is_positive
    if not positive or response.status_code != 422:
        return
    refusal = response.json()
    if refusal["code"] not in {"request.invalid", "request.malformed", "request.unsupported"}:
        return
    codes = {error["code"] for error in refusal["errors"] if not _is_whole_float(error)}
    wrong = {code for code in codes if code.startswith(FORM) and code not in SAID_ELSEWHERE}
    assert not wrong, f"This has the documented form and was refused for it: {refusal['errors']}"


def _is_whole_float(error: dict[str, Any]) -> bool:
    """To JSON Schema 5.0 is an integer. We take numbers as they are written, and say so."""
    return error.get("got") == "number" and "valid integer" in error["message"]
