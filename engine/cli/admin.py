"""The way of the administrative commands to the database: the servers found or started, the system built."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError

from aggregates.base import Meta
from aggregates.errors import DomainError
from commands.context import Accepted
from engine.bootstrap import DEFAULT_PROJECT, System, build, check_secret, system_principal
from engine.database import connected
from engine.embedded import Embedded, Services
from engine.errors import StartupError
from engine.settings import Settings, load_settings
from projections.outage import reason
from projections.tables import projects

_NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)

SERVICES_FILE = "services.json"
"""Where `up` says where its embedded servers answer, for commands beside it."""


@contextmanager
def with_services(settings: Settings) -> Iterator[Settings]:
    """Settings whose database answers: given, or of the `up` that runs here, or embedded and started for this block."""
    if settings.database_url:
        yield settings
    elif running := running_services(settings.data_dir):
        yield resolved(settings, running)
    else:
        with Embedded(settings.data_dir) as services:
            yield resolved(settings, services)


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[System]:
    """The whole system over the database, for one command."""
    with with_services(settings or load_settings()) as ready:
        system = build(ready)
        try:
            # What is made with another secret than the others have, such as a key, would never be of use.
            check_secret(system)
            yield system
        except OperationalError as error:
            raise unreachable(ready, error) from error
        except DBAPIError as error:
            if not isinstance(error.orig, _NOT_MIGRATED):
                raise
            raise StartupError("The database lacks tables of this version. Run `tidegate migrate`.") from error
        finally:
            system.close()


def project_id(system: System, name: str = DEFAULT_PROJECT) -> UUID:
    """The id of a project by its name; raises `project.not_found`."""
    with system.engine.connect() as connection:
        found = connection.execute(select(projects.c.id).where(projects.c.name == name)).scalar()
    if found is None:
        raise DomainError("project.not_found")
    return UUID(str(found))


def owner_meta(system: System, project: UUID, via: str) -> Meta:
    """Who sits at the console of the machine may do everything in a project; the log says that it was so."""
    return system.meta(system_principal(project, source="cli", name="cli"), via=via)


def told(answer: Accepted) -> dict[str, Any]:
    """A command's answer as the HTTP API tells it."""
    return {**answer.data, **answer.once, "position": answer.position, "changed": answer.changed}


def resolved(settings: Settings, services: Services) -> Settings:
    """The settings with the servers' URLs filled in where none were given."""
    return settings.model_copy(
        update={
            "database_url": settings.database_url or services.database_url,
            "redis_url": settings.redis_url or services.redis_url,
        }
    )


def unreachable(settings: Settings, error: Exception) -> StartupError:
    """What to say when the database does not answer."""
    return StartupError(f"The database {settings.shown('database_url')} does not answer: {reason(error)}")


def keep(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    draft.replace(path)


def running_services(data_dir: Path) -> Services | None:
    """The embedded servers of an `up` that runs in this data directory."""
    try:
        services = Services(**json.loads((data_dir / SERVICES_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    engine = connected(services.database_url)
    try:
        engine.connect().close()
    except OperationalError:
        return None  # Left by an `up` that was killed.
    finally:
        engine.dispose()
    return services
