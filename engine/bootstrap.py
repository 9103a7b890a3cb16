"""The one place where parts meet. Nothing is built at import; nothing is looked up from afar."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert

from aggregates.base import Meta, Principal, Source
from aggregates.errors import DomainError
from aggregates.policy import Limits, Policy
from aggregates.reach import PerPerson
from aggregates.steps import catalogue
from aggregates.steps.third_party import UnusableStepTypeError
from commands.bus import Bus
from commands.grants import ENGINE, SCOPES, authorize
from commands.refusals import subject_of
from engine import failpoints
from engine.clock import Clock, SystemClock
from engine.database import pool
from engine.errors import StartupError
from engine.fence import Fence
from engine.founding import begin_project
from engine.ids import new_id
from engine.keyring import Keyring
from engine.rates import Rates
from engine.refusals import Refusals
from engine.replay import Replay
from engine.secrets import Secrets
from engine.sessions import Sessions
from engine.settings import Settings
from engine.store import LogRecorder
from engine.unit import Parts, unit_of_work
from engine.vault import Vault
from projections.audience import Audiences
from projections.reads import Reads
from projections.tables import installation, projects

DEFAULT_PROJECT = "default"

Authorize = Callable[[Principal, str], None]


@dataclass(frozen=True)
class System:
    """Everything that a door or a worker needs. Doors use `bus`, `reads`, `replay`, `principal_of` and `admit` only.

    `asking` has the connections of `engine`, for single statements.
    """

    settings: Settings
    engine: Engine
    asking: Engine
    clock: Clock
    secrets: Secrets
    fence: Fence
    recorder: LogRecorder
    audiences: Audiences
    keyring: Keyring
    policy: Policy
    bus: Bus
    reads: Reads
    replay: Replay
    rates: Rates
    refusals: Refusals
    sessions: Sessions
    vault: Vault

    def principal_of(self, credential: str, source: Source) -> Principal:
        """Who holds an API key; raises `auth.invalid`."""
        try:
            return self.keyring.authenticate(self.asking, credential, source=source, now=self.clock.now())
        except DomainError:
            self.refusals.stranger()
            raise

    def admit(
        self, principal: Principal, name: str, about: Mapping[str, Any], *, via: str, **facts: str | None
    ) -> None:
        """Let in who may ask for a command or a read, and may ask again already; a refusal is recorded and raised.

        Doors ask before they look at what was sent; `about` is where its ids are. The bus and the reads ask again.
        """
        try:
            self.rates.take(principal)
            authorize(principal, name)
        except DomainError as refusal:
            self.refused(refusal, principal, name, about, via=via, **facts)
            raise

    def refused(
        self,
        refusal: DomainError,
        principal: Principal,
        name: str,
        about: Mapping[str, Any],
        *,
        via: str,
        **facts: str | None,
    ) -> None:
        """Record what a door itself has refused; what it refuses as malformed it need not tell."""
        self.refusals.record(refusal, self.meta(principal, via=via, **facts), name, subject_of(about))

    def meta(self, principal: Principal, *, via: str, **facts: str | None) -> Meta:
        """What a door adds to a command: the instant, who asks, and where it came in."""
        return Meta(now=self.clock.now(), principal=principal, command_id=new_id(), via=via, **facts)  # type: ignore[arg-type]

    def close(self) -> None:
        self.engine.dispose()


def build(settings: Settings, *, clock: Clock | None = None) -> System:
    """Put the parts together over `settings.database_url`; connects to nothing yet.

    Raises StartupError when an installed step type cannot be used: better no process than one without it.
    """
    clock = clock or SystemClock()
    failpoints.arm(settings.failpoints, settings.data_dir)
    _take_in_step_types()
    secrets = Secrets.load_or_create(settings)
    fence = Fence(settings.installation, clock)
    parts = _parts(settings, secrets, fence)
    refusals = Refusals(parts.engine, parts.recorder, clock)
    check = _recorded(authorize, refusals, clock)
    asking = _asking(parts.engine)
    return System(
        settings=settings,
        engine=parts.engine,
        asking=asking,
        clock=clock,
        secrets=secrets,
        fence=fence,
        recorder=parts.recorder,
        audiences=parts.audiences,
        keyring=parts.keyring,
        policy=parts.policy,
        bus=Bus(lambda: unit_of_work(parts), refusals.record),
        reads=Reads(asking, check, parts.policy, statement_timeout_ms=settings.statement_timeout_ms),
        replay=Replay(asking, check),
        rates=Rates(asking, clock),
        refusals=refusals,
        sessions=Sessions(asking, secrets.derive("mcp sessions"), clock, settings.mcp_session_hours),
        vault=parts.vault,
    )


def _recorded(check: Authorize, refusals: Refusals, clock: Clock) -> Authorize:
    """The check of who may read, so that whom it refuses is recorded; a read does not know which door it came by."""

    def checked(principal: Principal, name: str) -> None:
        try:
            check(principal, name)
        except DomainError as refusal:
            refusals.record(refusal, Meta(clock.now(), principal, new_id(), via="reads"), name)
            raise

    return checked


def _take_in_step_types() -> None:
    try:
        catalogue()
    except UnusableStepTypeError as error:
        raise StartupError(str(error)) from error


def _parts(settings: Settings, secrets: Secrets, fence: Fence) -> Parts:
    """What every unit of work shares. Each use of the secret has a key of its own."""
    return Parts(
        engine=pool(settings),
        fence=fence,
        recorder=LogRecorder(),
        audiences=Audiences(
            seeds=_seeds(secrets.derive("fingerprint seeds")),
            key=secrets.derive("fingerprint"),
            statement_timeout_ms=settings.statement_timeout_ms,
        ),
        keyring=Keyring(secrets.derive("api keys")),
        policy=Policy(
            max_audience=settings.max_audience,
            approval_over=settings.approval_over,
            max_growth=settings.max_growth,
            minimum_interval_minutes=settings.minimum_interval_minutes,
            send_mode=settings.send_mode,
            token_minutes=settings.token_minutes,
            approval_hours=settings.approval_hours,
            max_sends=settings.max_sends,
            notify_addresses=settings.notify_addresses,
            confirmation=settings.confirmation,
            reach_per_day=settings.reach_per_day,
            max_churn=settings.max_churn,
            send_rate=settings.send_rate,
            per_person=PerPerson.parse(settings.per_person) if settings.per_person else None,
        ),
        people_per_chunk=settings.people_per_chunk,
        vault=Vault(settings.secrets_dir),
        base_url=settings.base_url,
    )


def _asking(engine: Engine) -> Engine:
    """The same connections for single statements: without BEGIN and ROLLBACK a look-up is one round trip, not three."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def system_principal(
    project_id: UUID,
    *,
    source: Source = "system",
    name: str = "engine",
    on_behalf_of: str | None = None,
    limits: tuple[Limits, ...] = (),
) -> Principal:
    """The engine itself, acting inside one project under the project's limits."""
    return Principal(
        project_id=project_id,
        id=name,
        scopes=SCOPES | {ENGINE},
        source=source,
        name=name,
        on_behalf_of=on_behalf_of,
        limits=limits,
    )


def ensure_project(system: System, name: str = DEFAULT_PROJECT) -> tuple[UUID, str | None]:
    """The id of a project, made if missing; then also its owner key, in plain text for this one time."""
    check_secret(system)
    with system.engine.begin() as connection:
        made = connection.execute(
            insert(projects).values(id=new_id(), name=name).on_conflict_do_nothing().returning(projects.c.id)
        ).first()
        if made is None:
            row = connection.execute(select(projects.c.id).where(projects.c.name == name)).one()
            return row.id, None
        meta = system.meta(system_principal(made.id), via="projects create")
        return made.id, begin_project(connection, system.recorder, system.keyring, name, meta)


def check_secret(system: System) -> None:
    """Refuse to work on a database whose keys and tokens were made with another secret: `secret.mismatch`.

    The first process of all records whose database it is, and where.
    """
    check, name = secret_check(system.secrets), system.settings.installation
    here = {"location": func.tidegate_location(), "name": name, "settled_at": func.now()}
    with system.engine.begin() as connection:
        stands = connection.execute(select(installation.c.secret_check, installation.c.name)).first()
        if stands is None:
            mine = insert(installation).values(one=True, secret_check=check, **here).on_conflict_do_nothing()
            connection.execute(mine)
            stands = connection.execute(select(installation.c.secret_check, installation.c.name)).one()
        if stands.secret_check == check and stands.name is None:
            unnamed = update(installation).where(installation.c.name.is_(None))
            connection.execute(unnamed.values(name=name))
    if stands.secret_check != check:
        raise DomainError("secret.mismatch")


def secret_check(secrets: Secrets) -> str:
    """What the database keeps of the secret that it was made with."""
    return hashlib.sha256(secrets.derive("installation check")).hexdigest()


def _seeds(material: bytes) -> tuple[int, int]:
    """Two signed 64-bit seeds for the fingerprint's hashes."""
    first, second = (int.from_bytes(material[start : start + 8], "big", signed=True) for start in (0, 8))
    return first, second
