"""What a process says of servers that do not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.bootstrap import build
from engine.health import broker_answers, joined
from engine.settings import load_settings


def test_an_outage_is_told_by_what_the_servers_say_and_without_a_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = {"database_url": "postgresql://me:hush@127.0.0.1:9/x", "redis_url": "redis://:hush@127.0.0.1:9/0"}
    system = build(load_settings({}, directory=tmp_path, data_dir=tmp_path, **nobody))
    assert not joined(system)
    assert not broker_answers(system)
    database, broker = (record.getMessage() for record in caplog.records)
    assert "Connection refused" in database and "127.0.0.1" in database
    assert "Connection refused" in broker
    assert "hush" not in caplog.text
