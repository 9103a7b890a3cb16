"""Whether a database can hold every text: one that it cannot hold would stop a view for good."""

from __future__ import annotations

from sqlalchemy import Connection, text

from engine.errors import StartupError

ENCODING_NEXT = "Make another: CREATE DATABASE tidegate ENCODING 'UTF8' TEMPLATE template0."


def encoding_fault(connection: Connection) -> str | None:
    """What is wrong with the encoding of this database, if anything is."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    return None if encoding == "UTF8" else f"The database has the encoding {encoding}."


def require_encoding(connection: Connection) -> None:
    """Refuse a database that cannot hold every text. Raises StartupError."""
    fault = encoding_fault(connection)
    if fault is not None:
        raise StartupError(f"{fault} {ENCODING_NEXT}")
