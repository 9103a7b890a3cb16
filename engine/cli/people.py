"""`tidegate people`: import, list, show; which properties they have; opt out and in, suppress addresses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from aggregates.errors import DomainError
from engine.cli.client import Api, connect
from engine.cli.exits import Exit, Refusal, usage
from engine.cli.lists import After, Every, Limit
from engine.cli.output import Column, Json, Output

app = App(name="people", help="Import and look up people.")

BLOCK = 256 * 1024
TYPES = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson"}
COLUMNS = (
    Column("person", "id"),
    Column("distinct id", "distinct_id"),
    Column("email", "email"),
    Column("opted out", "opted_out_at"),
    Column("properties", "properties"),
)
PROPERTIES = (
    Column("key", "key"),
    Column("types", lambda row: ", ".join(row["types"])),
    Column("share", lambda row: f"{row['share']:.1%}", right=True),
    Column("values", lambda row: ", ".join(f"{each['value']} {each['share']:.0%}" for each in row["values"])),
)
REPORT = tuple(
    Column(name.replace("_", " "), name)
    for name in ("rows", "inserted", "updated", "unchanged", "addresses_changed", "total_rejected", "dry_run")
)


SUPPRESSIONS = (Column("address", "address"), Column("reason", "reason"), Column("since", "at"))

Topic = Annotated[str, Parameter(help="The topic; unset: everything.")]
Because = Annotated[str, Parameter(name="--reason", help="A short code, such as asked.")]
Source = Annotated[str, Parameter(help="A short code of where it came from, such as helpdesk.")]
Suppressed = Literal["hard_bounce", "complaint", "erased", "by_hand"]


@app.command(name="import")
def import_(
    file: Path,
    *,
    mapping: Annotated[
        tuple[str, ...], Parameter(name="--map", negative="", help="Field of the file = field of a person.")
    ] = (),
    dry_run: Annotated[bool, Parameter(negative="", help="Check every row, import nothing.")] = False,
    json: Json = False,
) -> int:
    """Add or update people by distinct_id, from a CSV or JSONL file: all rows, or none and every bad line.

    Parameters
    ----------
    file
        A .csv file with a header, or a .jsonl file with an object a line. It is streamed, however large it is.
    """
    out = Output(json)
    params: dict[str, Any] = {"map": [_pair(pair) for pair in mapping]} if mapping else {}
    content_type(file)
    report = upload(connect(), file, out, dry_run=str(dry_run).lower(), **params)
    out.record(report, REPORT)
    for column in report["columns"]:
        out.say(f"  {column['column']} -> {column['becomes'] or 'left out'}")
    for fault in [*report["warnings"], *report["rejected"]]:
        out.say("  " + "  ".join(f"{name}: {value}" for name, value in fault.items()))
    return Exit.USAGE if report["total_rejected"] else Exit.DONE


@app.command(name="list")
def list_(*, limit: Limit = 20, after: After = None, every: Every = False, json: Json = False) -> None:
    """List people by their id."""
    Output(json).page(connect().pages("/people", limit=limit, after=after, every=every), COLUMNS)


@app.command
def properties(*, json: Json = False) -> None:
    """List the properties that people have: types, share of people, frequent values of those with few."""
    out, told = Output(json), connect().get("/people/properties")
    if json:
        out.document(told)
        return
    out.page([{"data": told["properties"], "next_cursor": None}], PROPERTIES)
    if told["sampled"]:
        out.say(f"{told['looked_at']:,} of {told['people']:,} people were looked at.")


@app.command
def show(person: str, *, json: Json = False) -> None:
    """Show one person, by id or by distinct_id."""
    api = connect()
    if person.isdecimal():
        Output(json).record(api.get(f"/people/{person}"))
        return
    found = api.get("/people", distinct_id=person)["data"]
    if not found:
        raise Refusal.from_domain(DomainError("person.not_found"))
    Output(json).record(found[0])


@app.command(name="opt-out")
def opt_out(person: str, *, topic: Topic = "", because: Because = "", source: Source = "", json: Json = False) -> None:
    """Let a person and their address leave a topic, or all mail.

    Parameters
    ----------
    person
        An email address, an id, or a distinct id.
    """
    body = {**_named(person), "topic": topic, "reason": because, "source": source}
    Output(json).record(connect().post("/people:opt-out", body))


@app.command(name="opt-in")
def opt_in(person: str, *, topic: Topic = "", because: Because = "", source: Source = "", json: Json = False) -> None:
    """Take back an opt-out of the same topic.

    Parameters
    ----------
    person
        An email address, an id, or a distinct id.
    """
    body = {**_named(person), "topic": topic, "reason": because, "source": source}
    Output(json).record(connect().post("/people:opt-in", body))


@app.command
def suppress(
    address: str,
    *,
    reason: Annotated[Suppressed, Parameter(help="Why nothing may be sent.")] = "by_hand",
    source: Source = "",
    json: Json = False,
) -> None:
    """Let nothing be sent to an address any more."""
    Output(json).record(connect().post("/suppressions", {"address": address, "reason": reason, "source": source}))


@app.command
def unsuppress(address: str, *, source: Source = "", json: Json = False) -> None:
    """Let an address be sent to again."""
    Output(json).record(connect().post("/suppressions:remove", {"address": address, "source": source}))


@app.command
def suppressions(*, limit: Limit = 20, after: After = None, every: Every = False, json: Json = False) -> None:
    """List the addresses to which nothing may be sent."""
    Output(json).page(connect().pages("/suppressions", limit=limit, after=after, every=every), SUPPRESSIONS)


def _named(person: str) -> dict[str, Any]:
    """A person as the server names one: what has an @ is an address, a number an id."""
    if "@" in person:
        return {"address": person}
    return {"person_id": int(person)} if person.isdecimal() else {"distinct_id": person}


def upload(api: Api, file: Path, out: Output, **params: Any) -> dict[str, Any]:
    """Stream a file of people to the server; its report."""
    return api.upload("/people:import", _blocks(file, out), content_type(file), params)


def content_type(file: Path) -> str:
    """What a file of people is, by the end of its name."""
    known = TYPES.get(file.suffix.lower())
    if known is None:
        raise usage(f"{file} is neither .csv nor .jsonl.")
    return known


def _pair(text: str) -> str:
    source, _, field = text.partition("=")
    if not source or not field:
        raise usage(f"--map takes FIELD_OF_FILE=FIELD_OF_PERSON, such as Email=email; not {text!r}.")
    return text


def _blocks(path: Path, out: Output) -> Iterator[bytes]:
    """The file in pieces, with a bar on a terminal."""
    try:
        size = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}.") from error
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    show = out.words.is_terminal and not out.json
    with file, Progress(*columns, console=out.words, transient=True, disable=not show) as progress:
        task = progress.add_task("importing", total=size)
        while block := file.read(BLOCK):
            yield block
            progress.advance(task, len(block))
