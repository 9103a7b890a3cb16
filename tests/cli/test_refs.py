"""How things are named at the command line, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.cli import refs
from engine.cli.app import build
from engine.cli.exits import Exit, Refusal

ONE, TWO, OTHER = (
    f"01a22528-{end}"
    for end in ("ad5c-70d9-ad8c-000000000001", "ad5c-70d9-ad8c-000000000002", "b000-7000-8000-000000000003")
)


class Lists:
    """Lists as a server would give them; every request is kept."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = {f"/{name.replace('_', '-')}": rows for name, rows in lists.items()}
        self.asked: list[str] = []

    def pages(self, path: str, *, limit: int, **_: Any) -> Iterator[dict[str, Any]]:
        self.asked.append(path)
        yield {"data": self.lists.get(path, [])[:limit]}

    def get(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        named = [row for row in self.lists["/workflows"] if path == f"/workflows/{row['id']}"]
        if not named:
            raise Refusal.of("scope.missing", "It may not.")
        return named[0]


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Lists:
    rows = [{"id": ONE, "name": "Spring"}, {"id": TWO, "name": "Twice"}, {"id": OTHER, "name": "Twice"}]
    made = Lists(workflows=rows, batch_jobs=[{"id": OTHER}, {"id": ONE}], runs=[{"run_id": f"{ONE}.7"}], schedules=rows)
    monkeypatch.setattr(refs, "connect", lambda: made)
    return made


def meant(*words: str) -> dict[str, Any]:
    _, bound, _ = build().parse_args(list(words), exit_on_error=False, print_error=False)
    return dict(bound.arguments)


@pytest.mark.parametrize(
    ("words", "name", "id"),
    [
        (("workflows", "show", "Spring"), "workflow", ONE),
        (("workflows", "enable", "01A22528-B"), "workflow", OTHER),
        (("batch", "run", "last"), "workflow", ONE),
        (("batch", "cancel", "last"), "job", OTHER),
        (("batch", "pause", "01a22528-ad5c"), "job", ONE),
        (("batch", "list", "--workflow", "Spring"), "workflow", ONE),
        (("batch", "list", "--schedule", "01a22528-b"), "schedule", OTHER),
        (("schedules", "pause", "last"), "schedule", ONE),
        (("runs", "list", "--job", "last"), "job", OTHER),
        (("runs", "show", "last"), "run", f"{ONE}.7"),
        (("runs", "show", "01a22528-b.9"), "run", f"{OTHER}.9"),
    ],
)
def test_a_name_a_beginning_and_last_are_taken_for_an_id(lists: Lists, words: Any, name: str, id: str) -> None:
    assert meant(*words)[name] == id


def test_a_whole_id_is_taken_as_it_is_and_looked_up_nowhere(lists: Lists) -> None:
    assert meant("batch", "show", TWO)["job"] == TWO
    assert lists.asked == []


@pytest.mark.parametrize("text", ["Twice", "01a22528-ad5c"])
def test_what_names_several_is_refused_and_each_is_named(lists: Lists, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        meant("workflows", "show", text)
    assert (refusal.value.problem["code"], refusal.value.exit) == ("id.ambiguous", Exit.USAGE)
    assert TWO in refusal.value.problem["detail"]


@pytest.mark.parametrize("text", ["01a", "Autumn", "x" * 100])
def test_what_names_nothing_is_left_to_the_server(lists: Lists, text: str) -> None:
    assert text in meant("workflows", "show", text).values()


@pytest.mark.parametrize("text", ["../people", "..", "a/b", "Spring sale", "x" * 101])
def test_what_names_nothing_and_is_no_id_is_not_found(lists: Lists, text: str) -> None:
    with pytest.raises(Refusal) as refusal:
        meant("workflows", "show", text)
    assert (refusal.value.problem["code"], refusal.value.exit) == ("workflow.not_found", Exit.NOT_FOUND)


def test_stopping_needs_no_reason() -> None:
    for words in (
        ("batch", "pause", ONE),
        ("batch", "cancel", ONE),
        ("schedules", "pause", ONE),
        ("runs", "cancel", f"{ONE}.1"),
    ):
        meant(*words)


def test_jobs_say_the_names_of_their_workflows_as_far_as_the_key_may_read_them() -> None:
    lists = Lists(workflows=[{"id": ONE, "name": "Spring"}])
    pages = [{"data": [{"workflow_id": ONE}, {"workflow_id": TWO}]}, {"data": [{"workflow_id": ONE}]}]
    named = [row["workflow_name"] for page in refs.with_names(lists, pages) for row in page["data"]]  # type: ignore[arg-type]
    assert named == ["Spring", TWO, "Spring"]
    assert sorted(lists.asked) == [f"/workflows/{ONE}", f"/workflows/{TWO}"]
