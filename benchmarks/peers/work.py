"""What the step of every peer does: one delivery row, committed by itself, once however often it is asked."""

from __future__ import annotations

import os
import threading

import psycopg

DATABASE = os.environ.get("PEERS_DATABASE", "")
REDIS_SOCKET = os.environ.get("PEERS_REDIS_SOCKET", "")

TABLE = "CREATE TABLE deliveries (person_id bigint PRIMARY KEY, message text NOT NULL, at timestamptz DEFAULT now())"
_INSERT = "INSERT INTO deliveries (person_id, message) VALUES (%s, 'Hello') ON CONFLICT DO NOTHING"

_mine = threading.local()


def deliver(person: int) -> None:
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(DATABASE, autocommit=True)
    _mine.connection.execute(_INSERT, (person,))
