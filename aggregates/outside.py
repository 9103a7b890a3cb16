"""Values that an event keeps outside the log: the stored state names each of them by a salted digest.

A state has `{"$outside": "<sha256>"}` where such a value was. The value itself and its salt are rows of their own, so
that they can be erased while the log stays as it is: without the salt nothing can be guessed from the digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

OUTSIDE = "$outside"
ERASED = "$erased"
ERASED_TEXT = "[erased]"

OUTSIDE_META = ("reason", "idempotency_key")
"""What of an event's metadata is text that callers write: it is kept outside the log for every event."""

Keep = Callable[[Any], str]
"""Takes a value and answers the digest by which it will be known."""

ADDRESSES = frozenset({"notify_addresses"})
"""Limits that hold addresses of people."""

LABEL = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
DIGEST = re.compile(r"[0-9a-f]{64}")
PROPERTY = re.compile(r"[\w $./:-]{1,200}")


class Swap(Protocol):
    """Exchanges one value: for its name on the way to the log, or for itself on the way back."""

    def __call__(self, value: Any, *, text: bool = False) -> Any:
        """`text` says that a text must stand here, also when the value is gone."""


Parting = Callable[[Any, Swap], Any]
"""Swaps the values inside a field and leaves its skeleton; on the skeleton it finds the same places again."""


def digest_of(salt: bytes, value: Any) -> tuple[str, str]:
    """The digest of a plain value under a salt, and the canonical JSON that it was taken of."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(salt + text.encode()).hexdigest(), text


def taking_out(keep: Keep) -> Swap:
    """Swaps values for their names. What says nothing of anybody stays: null, true, false and what is empty."""

    def swap(value: Any, *, text: bool = False) -> Any:
        return value if value is None or value is True or value is False or _empty(value) else {OUTSIDE: keep(value)}

    return swap


def putting_in(values: Mapping[str, Any]) -> Swap:
    """Swaps names for their values; anything else, as older versions wrote it, is left as it is."""

    def swap(value: Any, *, text: bool = False) -> Any:
        digest = named(value)
        if digest is None:
            return value
        if digest in values:
            return values[digest]
        return ERASED_TEXT if text else {ERASED: digest}

    return swap


def named(value: Any) -> str | None:
    """The digest that stands for a value outside; None for what is no such name."""
    match value:
        case {"$outside": str(digest)} if len(value) == 1 and DIGEST.fullmatch(digest):
            return digest
    return None


def content_parts(content: Any, swap: Swap) -> Any:
    """A workflow's content: ids, types, keys and edges stay in the log, everything that an author wrote does not."""
    if not isinstance(content, dict) or not set(content) <= {"trigger", "steps", "edges", "variables"}:
        return swap(content)
    readers: dict[str, Parting] = {"trigger": _trigger, "steps": _steps, "edges": _edges, "variables": _variables}
    return {name: readers[name](part, swap) for name, part in content.items()}


def limits_parts(limits: Any, swap: Swap) -> Any:
    """What narrows a policy: numbers and words stay in the log, addresses do not."""
    if not isinstance(limits, dict):
        return swap(limits)
    return {name: swap(value) if name in ADDRESSES else value for name, value in limits.items()}


def changes_parts(changes: Any, swap: Swap) -> Any:
    """Leaves before and after a change: the name of a key and addresses do not stay in the log."""
    if not isinstance(changes, list):
        return swap(changes)
    return [_changed(change, swap) for change in changes]


def _changed(change: dict[str, Any], swap: Swap) -> dict[str, Any]:
    leaf = change["pointer"].rpartition("/")[2]
    if leaf not in {"name", *ADDRESSES}:
        return change
    both = {side: swap(change[side], text=leaf == "name") for side in ("before", "after")}
    return {"pointer": change["pointer"], **both}


def _trigger(raw: Any, swap: Swap) -> Any:
    match raw:
        case {"type": "batch", "filters": {"properties": list(conditions)}} if len(raw) == 2 == 1 + len(raw["filters"]):
            parted = [_parted(each, {"type", "key", "operator"}, {"value"}, swap, PROPERTY) for each in conditions]
            return {"type": "batch", "filters": {"properties": parted}}
        case {"type": "manual", "inputs": dict(inputs)} if len(raw) == 2 and all(map(LABEL.fullmatch, inputs)):
            entries = {name: _parted(each, {"type", "required"}, {"default"}, swap) for name, each in inputs.items()}
            return {"type": "manual", "inputs": entries}
        case {"type": "manual"} if len(raw) == 1:
            return raw
    return swap(raw)


def _steps(raw: Any, swap: Swap) -> Any:
    if not isinstance(raw, list):
        return swap(raw)
    return [_parted(each, {"id", "type", "on_error"}, {"name", "config"}, swap) for each in raw]


def _edges(raw: Any, swap: Swap) -> Any:
    if not isinstance(raw, list):
        return swap(raw)
    return [_parted(each, {"from", "to", "branch"}, set(), swap) for each in raw]


def _variables(raw: Any, swap: Swap) -> Any:
    if not isinstance(raw, list):
        return swap(raw)
    return [_parted(each, {"key", "type", "required"}, {"default"}, swap) for each in raw]


def _parted(
    raw: Any, labels: Collection[str], values: Collection[str], swap: Swap, label: re.Pattern[str] = LABEL
) -> Any:
    """An object with its labels as they are and its values swapped; one of any other shape is swapped whole."""
    if not isinstance(raw, dict):
        return swap(raw)
    for name, value in raw.items():
        if name not in values and not (name in labels and _is_label(value, label)):
            return swap(raw)
    return {name: swap(value, text=name == "name") if name in values else value for name, value in raw.items()}


def _is_label(value: Any, label: re.Pattern[str]) -> bool:
    return value is None or isinstance(value, bool) or (isinstance(value, str) and label.fullmatch(value) is not None)


def _empty(value: Any) -> bool:
    return isinstance(value, (str, list, dict)) and not value


def swapped(event: Any, swap: Swap) -> dict[str, Any]:
    """The fields of an event of which something is kept outside, each with its values swapped."""
    fields, kind = vars(event), type(event)
    written = [name for name in OUTSIDE_META if name in event.meta]
    changed: dict[str, Any] = {}
    if written:
        changed["meta"] = {**event.meta, **{name: swap(event.meta[name], text=True) for name in written}}
    for name in kind.OUTSIDE:
        changed[name] = swap(fields[name], text=isinstance(fields[name], str) or _is_text(kind, name))
    for name, parting in kind.PARTED.items():
        changed[name] = parting(fields[name], swap)
    return changed


def _is_text(kind: Any, name: str) -> bool:
    return kind.__dataclass_fields__[name].type in ("str", str)
