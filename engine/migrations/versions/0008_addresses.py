"""addresses: a normalised one of each person, opt-outs and suppressions by address"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from aggregates.address import normalised

revision = "0008"
down_revision = "0007"

BATCH = 10_000
"""People whose address is filled in at once: in Python, for SQL knows no IDNA."""

NEXT = sa.text("SELECT id, email FROM people WHERE id > :last AND email IS NOT NULL ORDER BY id LIMIT :batch")
FILL = sa.text(
    "UPDATE people AS p SET address = t.address "
    "FROM unnest(CAST(:ids AS bigint[]), CAST(:addresses AS text[])) AS t (id, address) WHERE p.id = t.id"
)
OPTED_OUT = sa.text(
    "INSERT INTO opt_outs (project_id, address, topic, source, at) "
    "SELECT project_id, address, '', 'migration', min(opted_out_at) FROM people "
    "WHERE opted_out_at IS NOT NULL AND address IS NOT NULL GROUP BY project_id, address"
)

# A process of the version before, and a statement by hand, write `email` alone. An address that was not written with it
# would be the one that was confirmed while mail goes to the other. So the database follows, for plain addresses; any
# other has none until it is told again.
FOLLOW = """
CREATE FUNCTION people_address() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE plain text := lower(btrim(NEW.email) COLLATE "C");
BEGIN
  NEW.address := CASE WHEN length(plain) <= 254 AND strpos(plain, '@') <= 65 AND strpos(plain, 'xn--') = 0 AND plain ~
    '^[a-z0-9!#$%%&''*+/=?^_`{|}~-]+(\\.[a-z0-9!#$%%&''*+/=?^_`{|}~-]+)*@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'
    THEN plain END;
  RETURN NEW;
END $$
"""
AT_FIRST = """
CREATE TRIGGER people_address_at_first BEFORE INSERT ON people FOR EACH ROW
WHEN (NEW.email IS NOT NULL AND NEW.address IS NULL) EXECUTE FUNCTION people_address()
"""
AFTER = """
CREATE TRIGGER people_address_after BEFORE UPDATE OF email ON people FOR EACH ROW
WHEN (NEW.email IS DISTINCT FROM OLD.email AND NEW.address IS NOT DISTINCT FROM OLD.address)
EXECUTE FUNCTION people_address()
"""


def upgrade() -> None:
    op.add_column("people", sa.Column("address", sa.Text()))
    _fill()
    op.drop_index("people_by_address", "people")
    op.create_index("people_by_address", "people", ["project_id", "address"])
    op.create_table("opt_outs", *_by_address(), *_told(), sa.PrimaryKeyConstraint("project_id", "address", "topic"))
    op.create_table(
        "person_opt_outs",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        *_told(),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person_id", "topic"),
    )
    op.create_table(
        "suppressions",
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "address"),
    )
    op.execute(OPTED_OUT)
    for statement in (FOLLOW, AT_FIRST, AFTER):
        # Past SQLAlchemy's reading of text, to which a colon means something; a percent sign is doubled for the driver.
        op.get_bind().exec_driver_sql(statement)
    op.add_column("chunks", sa.Column("address_marks", postgresql.ARRAY(sa.BigInteger())))
    op.create_index("effects_by_person", "effects", ["person_id", "started_at"])


def _by_address() -> list[sa.Column[object]]:
    return [
        sa.Column("project_id", sa.UUID(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
    ]


def _told() -> list[sa.Column[object]]:
    return [
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    ]


def _fill() -> None:
    connection = op.get_bind()
    last = 0
    while rows := connection.execute(NEXT, {"last": last, "batch": BATCH}).all():
        found = [(row.id, address) for row in rows if (address := normalised(row.email)) is not None]
        if found:
            ids, addresses = zip(*found, strict=True)
            connection.execute(FILL, {"ids": list(ids), "addresses": list(addresses)})
        last = rows[-1].id


def downgrade() -> None:
    raise NotImplementedError("the log is append-only, and so is its schema")
