"""Who counts as one: somebody, the user who answers for them, and every key in the chain that made them.

A second pair of eyes is worth nothing in the same head. Names of keys and of users stand in one set: one that is both
only ever makes more people count as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from aggregates.base import Principal


def heads_of(principal: Principal) -> frozenset[str]:
    """Everybody who stands behind a principal: itself, its owner, its makers, and in whose name it acts."""
    return _named(principal.id, principal.owner, principal.on_behalf_of, *principal.chain)


def recorded_heads(meta: Mapping[str, str]) -> frozenset[str]:
    """The same, of whoever caused an event, by the event's metadata; older events know no owner and no chain."""
    named = (meta.get(name) for name in ("actor", "owner", "on_behalf_of"))
    return _named(*named, *meta.get("chain", "").split())


def one_head(one: Collection[str], other: Iterable[str]) -> bool:
    """Whether two who come with all that stand behind them are one when somebody approves."""
    return not frozenset(one).isdisjoint(other)


def _named(*names: str | None) -> frozenset[str]:
    return frozenset(name for name in names if name)
