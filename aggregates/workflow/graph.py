"""Steps and edges together: dead ends, doubles, endless loops, what nobody can reach.

Each check looks at what could be read, so that one broken step does not hide what is wrong elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aggregates.errors import Problem
from aggregates.shape import at, echo
from aggregates.steps.base import NEXT
from aggregates.workflow.steps import Edge, Step

Links = Mapping[str, Sequence[str]]


def graph_problems(
    steps: Sequence[Step | None], edges: Sequence[Edge | None], sent_ids: Sequence[str | None]
) -> Iterator[Problem]:
    """Everything wrong with how steps are joined. `sent_ids` has the id of every step, also of unread ones."""
    known: dict[str, int] = {}
    for index, id in enumerate(sent_ids):
        if id is not None:
            known.setdefault(id, index)
    read = {step.id: step for step in steps if step is not None}
    yield from _edge_problems(edges, known, read)
    yield from _open_branches(edges, known, read)
    links = links_of(known, edges)
    # With a step or an edge unread, a path may be missing for that reason alone.
    if None not in steps and None not in edges:
        yield from _unreachable(links, known, sent_ids[0])
    yield from _endless(links, known, read)
    yield from _repeated_effects(links, known, read)


def _edge_problems(
    edges: Sequence[Edge | None], known: Mapping[str, int], read: Mapping[str, Step]
) -> Iterator[Problem]:
    taken: set[tuple[str, str]] = set()
    for index, edge in enumerate(edges):
        if edge is None:
            continue
        pointer = at("/edges", index)
        for name, id in (("from", edge.source), ("to", edge.target)):
            if id not in known:
                yield Problem(at(pointer, name), "edge.dangling", "There is no such step.", echo(id), list(known)[:20])
        step = read.get(edge.source)
        if step is not None and edge.port not in step.ports:
            message = "The step has no such way out."
            example = "leave `branch` out" if NEXT in step.ports else None
            got, expected = echo(edge.port), list(step.ports)
            yield Problem(at(pointer, "branch"), "edge.port_unknown", message, got, expected, example)
        if (edge.source, edge.port) in taken:
            message = "This way out leads somewhere already."
            yield Problem(pointer, "edge.duplicate", message, f"{echo(edge.source)}, {echo(edge.port)}", "one edge")
        taken.add((edge.source, edge.port))


def _open_branches(
    edges: Sequence[Edge | None], known: Mapping[str, int], read: Mapping[str, Step]
) -> Iterator[Problem]:
    joined = {(edge.source, edge.port) for edge in edges if edge is not None}
    for id, step in read.items():
        for port in step.ports:
            if port != NEXT and (id, port) not in joined:
                message = f"The branch `{echo(port)}` leads nowhere."
                example = {"from": echo(id), "to": "a step's id", "branch": echo(port)}
                yield Problem(at("/steps", known[id]), "branch.missing", message, echo(port), "an edge", example)


def _unreachable(links: Links, known: Mapping[str, int], entry: str | None) -> Iterator[Problem]:
    reached: set[str] = set()
    pending = [entry] if entry is not None else []
    while pending:
        id = pending.pop()
        if id not in reached:
            reached.add(id)
            pending += links[id]
    for id, index in sorted(known.items(), key=lambda item: item[1]):
        if id not in reached:
            message = "Nobody can get to this step; people start at the first one."
            yield Problem(
                at("/steps", index), "step.unreachable", message, echo(id), "an edge to it", severity="warning"
            )


def _endless(links: Links, known: Mapping[str, int], read: Mapping[str, Step]) -> Iterator[Problem]:
    """Circles that need never wait would be run through for ever. Steps that could not be read may be waiting ones."""
    hurried = {id for id, step in read.items() if not step.type.waits or step.type.lets_through}
    onward = {id: [target for target in links[id] if target in hurried] for id in hurried}
    ahead = {id: reachable(onward, id) for id in hurried}
    told: set[str] = set()
    for id in sorted(hurried, key=lambda name: known[name]):
        if id in ahead[id] and id not in told:
            circle = sorted((other for other in ahead[id] if id in ahead[other]), key=lambda name: known[name])
            told.update(circle)
            message = "These steps lead back to themselves without ever waiting."
            got = [echo(name) for name in circle[:20]]
            yield Problem(
                at("/steps", known[id]), "graph.endless", message, got, "a delay in the circle", {"type": "delay"}
            )


def _repeated_effects(links: Links, known: Mapping[str, int], read: Mapping[str, Step]) -> Iterator[Problem]:
    """An effect has one key per person and step, so a step with an effect outside is passed at most once."""
    for id, step in read.items():
        if step.type.external and id in reachable(links, id):
            message = "A step with an effect outside cannot stand in a circle: it happens once per person."
            yield Problem(at("/steps", known[id]), "graph.effect_repeated", message, echo(id), "no way back to it")


def links_of(ids: Iterable[str], edges: Iterable[Edge | None]) -> Links:
    """Where each of these steps leads by one edge, as far as the edges could be read and stay among them."""
    links: dict[str, list[str]] = {id: [] for id in ids}
    for edge in edges:
        if edge is not None and edge.source in links and edge.target in links:
            links[edge.source].append(edge.target)
    return links


def reachable(links: Links, start: str) -> set[str]:
    """The steps that can be reached by at least one edge."""
    reached: set[str] = set()
    pending = list(links[start])
    while pending:
        id = pending.pop()
        if id not in reached:
            reached.add(id)
            pending += links[id]
    return reached
