"""What the doctor looks at in a database that has our schema, and the mail server. Nothing here changes anything."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, func, select, text

from engine.bootstrap import secret_check
from engine.cli.findings import Finding
from engine.clock import SystemClock
from engine.errors import StartupError
from engine.fence import Fence
from engine.presence import ABSENT_SECONDS, NEEDED
from engine.secrets import Secrets
from engine.settings import Settings
from projections.reads import VIEWS
from projections.tables import installation, log, passed_over, view_positions

LAG = 1_000
"""Events that a view may be behind before it is worth a warning."""

OLD_SECONDS = 60
"""How old an event may be that a view has not taken yet."""

MAIL_SECONDS = 5
MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}

_PRESENT = text(
    "SELECT role, count(*) FILTER (WHERE seen_at > now() - make_interval(secs => :absent)) AS present, "
    "CAST(extract(epoch FROM now() - max(seen_at)) AS int) AS seconds FROM processes GROUP BY role"
)
_AGE = select(func.extract("epoch", func.now() - log.c.recorded_at)).order_by(log.c.notification_id).limit(1)


def secret(connection: Connection, settings: Settings) -> Finding:
    """Whether the secret of these settings is the one that the database was made with."""
    stored = connection.execute(select(installation.c.secret_check)).scalar()
    if stored is None:
        return Finding("secret", "ok", "the database was made with none yet")
    try:
        ours = Secrets.existing(settings)
    except StartupError as error:
        return Finding("secret", "fail", str(error))
    if ours is None:
        found = f"there is none in {settings.data_dir}, and the database was made with one"
        return Finding("secret", "fail", found, "Restore it, or set TIDEGATE_SECRET_KEY: keys and tokens need it.")
    if secret_check(ours) != stored:
        found = "another one than the database was made with"
        return Finding("secret", "fail", found, "Restore the right one: with this one every key is refused.")
    return Finding("secret", "ok", "the one that the database was made with")


def fence(connection: Connection, settings: Settings) -> Finding:
    """Whether this database may send."""
    stands = Fence(settings.installation, SystemClock()).standing(connection)
    if not stands.is_up:
        return Finding("fence", "ok", stands.sentence)
    return Finding("fence", "fail", f"up, nothing is sent: {stands.sentence}", "See `tidegate fence`.")


def processes(connection: Connection) -> Iterator[Finding]:
    """Whether a process of each role that is needed was seen lately."""
    seen = {row.role: row for row in connection.execute(_PRESENT, {"absent": ABSENT_SECONDS})}
    for role in NEEDED:
        row = seen.get(role)
        if row is not None and row.present:
            yield Finding(role, "ok", f"{row.present} at work")
            continue
        last = "none was ever seen, or not for a day" if row is None else f"the last one was seen {row.seconds:,} s ago"
        yield Finding(role, "fail", last, f"Start one: `tidegate {role}`, or `tidegate up` for everything.")


def views(connection: Connection) -> Iterator[Finding]:
    """How far each follower of the log has come."""
    end = int(connection.scalar(select(func.coalesce(func.max(log.c.notification_id), 0))) or 0)
    rows = {row.name: row for row in connection.execute(select(view_positions))}
    for name in sorted({view.source.name for view in VIEWS} - set(rows)):
        yield Finding(f"view {name}", "fail", "never followed the log", "Start the projector: `tidegate projector`.")
    skipped = dict(
        map(tuple, connection.execute(select(passed_over.c.name, func.count()).group_by(passed_over.c.name)))
    )
    for name, row in sorted(rows.items()):
        yield _follower(connection, row, end - row.position, skipped.get(name, 0))


def _follower(connection: Connection, row: Row[Any], lag: int, skipped: int) -> Finding:
    what, age = f"view {row.name}", 0
    if row.stopped:
        return Finding(what, "fail", f"stands still at {row.position}: {row.stopped}", _repair(row))
    if lag > 0:
        age = int(connection.scalar(_AGE.where(log.c.notification_id > row.position)) or 0)
    if lag > LAG or age > OLD_SECONDS:
        found = f"{lag:,} events behind, the oldest for {age:,} s"
        return Finding(what, "warn", found, "Is the projector running? `tidegate projector`")
    if skipped:
        found = f"at {row.position:,}; it has passed over {skipped} events"
        return Finding(what, "warn", found, f"`tidegate views rebuild {row.name}` tries them again.")
    return Finding(what, "ok", f"at {row.position:,}, {lag:,} behind")


def _repair(row: Row[Any]) -> str:
    """How a follower comes to go on again."""
    skip = f"`tidegate views skip {row.name} --reason …` passes over that event"
    if row.stopped.startswith("TopicError"):
        return f"A newer version wrote this event: with that version it goes on by itself. Else {skip}."
    return f"It goes on by itself once the cause is repaired. Else {skip}."


def mail(settings: Settings) -> Finding:
    """Whether the mail server answers, where anything is sent."""
    if settings.send_mode == "capture":
        return Finding("mail server", "ok", "not asked: nothing is sent (send_mode is capture)")
    url = urlsplit(settings.smtp_url)
    host, port = url.hostname or "", url.port or MAIL_PORTS[url.scheme]
    try:
        with socket.create_connection((host, port), MAIL_SECONDS) as connection:
            # Behind TLS the greeting comes after a handshake, which is left to those who send.
            greeting = b"220" if url.scheme == "smtps" else connection.recv(512)
    except OSError as error:
        return _mute(settings, f"{host} port {port}: {error.strerror or 'no answer in time'}")
    if not greeting.startswith(b"220"):
        return _mute(settings, f"{host} port {port} does not greet like a mail server")
    return Finding("mail server", "ok", f"{host} port {port} answers")


def _mute(settings: Settings, found: str) -> Finding:
    chosen = settings.origin("smtp_url") != "default"
    return Finding("mail server", "fail" if chosen else "warn", found, "Check TIDEGATE_SMTP_URL; emails need it.")
