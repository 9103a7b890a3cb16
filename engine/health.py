"""Whether the servers that this process needs answer, and whether it belongs to them."""

from __future__ import annotations

import logging

import redis
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from aggregates.errors import DomainError
from engine.bootstrap import System, check_secret
from engine.encoding import require_encoding
from engine.errors import StartupError
from engine.migrate import require_schema
from engine.pooler import refuse_pooler
from engine.sequences import require_sequences
from projections.outage import is_outage, reason
from projections.tables import view_positions

logger = logging.getLogger(__name__)

PROBE_SECONDS = 1.0


def database_answers(system: System) -> bool:
    """Whether the database can be reached and has our schema."""
    try:
        with system.engine.connect() as connection:
            connection.execute(select(view_positions.c.position).limit(1)).first()
    except SQLAlchemyError as error:
        logger.warning("the database does not answer: %s", reason(error))
        return False
    return True


def is_fenced(system: System) -> bool | None:
    """Whether the fence is up; None when the database cannot say."""
    try:
        with system.asking.connect() as connection:
            return system.fence.is_up(connection)
    except SQLAlchemyError:
        return None


def joined(system: System) -> bool:
    """Whether the database answers.

    Raises StartupError when a pooler in between does not keep sessions, when it cannot hold every text, when its schema
    is not this version's, when its sequences give numbers that are taken, or when it was made with another secret than
    this process has: such a process would count and sign otherwise than all the others.
    """
    try:
        refuse_pooler(system.engine)
        with system.engine.connect() as connection:
            require_encoding(connection)
            require_schema(connection)
            require_sequences(connection)
        check_secret(system)
        with system.engine.connect() as connection:
            if system.fence.watch(connection):
                logger.error("the fence is up, nothing is sent: %s", system.fence.standing(connection).sentence)
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        logger.warning("the database does not answer: %s", reason(error))
        return False
    except DomainError as error:
        raise StartupError(f"{error.message} {error.next}") from error
    return True


def broker_answers(system: System) -> bool | None:
    """Whether Redis can be reached; None when this process knows of none."""
    if system.settings.redis_url is None:
        return None
    try:
        with redis.Redis.from_url(
            system.settings.redis_url, socket_timeout=PROBE_SECONDS, socket_connect_timeout=PROBE_SECONDS
        ) as client:
            return bool(client.ping())
    except redis.RedisError as error:
        logger.warning("the broker does not answer: %s", reason(error))
        return False
