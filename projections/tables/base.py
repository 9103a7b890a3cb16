"""What every table is made of."""

from __future__ import annotations

from sqlalchemy import DateTime, MetaData, text
from sqlalchemy.dialects.postgresql import UUID

metadata = MetaData()

Instant = DateTime(timezone=True)
Id = UUID(as_uuid=True)
NOW = text("now()")
