from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import psycopg
import pytest
import redis

from engine.embedded import Embedded, Services
from engine.errors import StartupError
from tests.support.processes import alive, line_from, living_in, python
from tests.support.wait import until

OWNER = """
import sys
from engine.embedded import Embedded
services = Embedded(sys.argv[1]).start()
print(services.database_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that was used and stopped. To copy it is quicker than to make one."""
    path = tmp_path_factory.mktemp("seed") / "d"
    with Embedded(path):
        pass
    return path


@pytest.fixture
def data_dir(tmp_path: Path, seed: Path) -> Path:
    return shutil.copytree(seed, tmp_path / "d")


def query(services: Services, sql: str) -> object:
    with psycopg.connect(plain(services.database_url), autocommit=True) as connection:
        cursor = connection.execute(sql)
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg:", "postgresql:")


def broker(services: Services) -> redis.Redis:
    return redis.Redis.from_url(services.redis_url)


def kill(embedded: Embedded, server: str) -> int:
    """Kill the server as the kernel's out-of-memory killer would, and say which process it was."""
    pid = embedded.pid(server)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def await_another(embedded: Embedded, server: str, killed: int) -> None:
    until(lambda: embedded.pid(server) not in (None, killed), what=f"{server} is started again")


def answers(services: Services) -> bool:
    try:
        with broker(services) as client:
            return query(services, "SELECT true") is True and bool(client.ping())
    except (psycopg.OperationalError, redis.ConnectionError, redis.ResponseError):
        return False


def test_both_servers_answer_once_started(data_dir: Path) -> None:
    with Embedded(data_dir) as services:
        assert answers(services)


def test_a_copy_of_the_directory_is_another_one(data_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data_dir, tmp_path / "copy")
    told = []
    for path in (data_dir, data_dir, copy):
        with Embedded(path) as services:
            told.append(query(services, "SELECT current_setting('tidegate.directory')"))
    assert told[0] == told[1] != told[2]


def test_nothing_runs_after_a_stop(data_dir: Path) -> None:
    with Embedded(data_dir):
        assert living_in(data_dir)
    assert until(lambda: not living_in(data_dir))


def test_only_the_owner_can_enter_the_data_directory(seed: Path) -> None:
    assert seed.stat().st_mode & 0o077 == 0


def test_the_database_is_durable_checked_and_in_utc(data_dir: Path) -> None:
    safe = {
        "fsync": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "synchronous_commit": "on",
        "TimeZone": "UTC",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    with Embedded(data_dir) as services:
        assert {name: query(services, f"SHOW {name}") for name in safe} == safe


def test_what_was_written_is_there_after_a_restart(data_dir: Path) -> None:
    with Embedded(data_dir) as services:
        query(services, "CREATE TABLE kept AS SELECT 7 AS n")
        with broker(services) as client:
            client.set("kept", "7")
    with Embedded(data_dir) as services:
        assert query(services, "SELECT n FROM kept") == 7
        with broker(services) as client:
            assert client.get("kept") == b"7"


def test_a_killed_postgres_comes_back_at_the_same_url_with_its_commits(data_dir: Path) -> None:
    embedded = Embedded(data_dir)
    with embedded as services:
        query(services, "CREATE TABLE kept AS SELECT 7 AS n")
        killed = kill(embedded, "postgres")
        await_another(embedded, "postgres", killed)
        until(lambda: answers(services))
        assert query(services, "SELECT n FROM kept") == 7


def test_a_killed_valkey_comes_back_at_the_same_url(data_dir: Path) -> None:
    embedded = Embedded(data_dir)
    with embedded as services:
        killed = kill(embedded, "valkey")
        await_another(embedded, "valkey", killed)
        assert until(lambda: answers(services))


def test_servers_that_are_killed_again_and_again_come_back(data_dir: Path) -> None:
    embedded = Embedded(data_dir)
    with embedded as services:
        for _ in range(3):
            for server in ("postgres", "valkey"):
                killed = kill(embedded, server)
                await_another(embedded, server, killed)
        assert until(lambda: answers(services))


def test_a_killed_owner_leaves_nothing_behind_and_another_can_start(data_dir: Path) -> None:
    with python(OWNER, str(data_dir)) as owner:
        url = plain(line_from(owner))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
        owner.kill()
        owner.wait()
        until(lambda: not living_in(data_dir), what="the servers stop with their owner")
    with Embedded(data_dir) as services:
        assert query(services, "SELECT n FROM kept") == 7


def test_a_start_right_after_the_owner_was_killed_waits_for_its_servers_to_end(data_dir: Path) -> None:
    with python(OWNER, str(data_dir)) as owner:
        line_from(owner)
        before = {process.pid for process in living_in(data_dir)}
        owner.kill()
        owner.wait()
        with Embedded(data_dir) as services:
            assert answers(services)
            assert not [pid for pid in before if alive(pid)]


def test_a_server_that_outlived_its_owner_is_stopped_by_the_next(data_dir: Path) -> None:
    with python(OWNER, str(data_dir)) as owner:
        line_from(owner)
        (left,) = [
            process for process in living_in(data_dir) if process.ppid() == owner.pid and process.name() == "postgres"
        ]
        left.suspend()  # It cannot act on the news of its owner's death.
        owner.kill()
        owner.wait()
        assert alive(left.pid)
        left.resume()
        with Embedded(data_dir) as services:
            assert answers(services)
        assert not alive(left.pid)


def test_a_lock_file_whose_pid_was_used_again_is_no_hindrance(data_dir: Path) -> None:
    with Embedded(data_dir):
        lock = (data_dir / "postgres/data/postmaster.pid").read_text()
    stale = "\n".join([str(os.getppid()), *lock.splitlines()[1:]])
    (data_dir / "postgres/data/postmaster.pid").write_text(stale)
    with Embedded(data_dir) as services:
        assert answers(services)


def test_a_crash_while_the_database_is_made_is_no_hindrance(tmp_path: Path) -> None:
    data_dir = tmp_path / "d"
    (data_dir / "postgres/unfinished").mkdir(parents=True)
    (data_dir / "postgres/unfinished/PG_VERSION").write_text("18\n")
    with Embedded(data_dir) as services:
        assert answers(services)


def test_a_second_owner_is_refused_and_told_who_the_first_is(data_dir: Path) -> None:
    with Embedded(data_dir) as services:
        with pytest.raises(StartupError, match=f"in use by process {os.getpid()}"):
            Embedded(data_dir).start()
        assert answers(services)


@pytest.mark.parametrize("name", ["x" * 120, "a, b%20c"])
def test_a_path_that_no_socket_can_have_is_served_from_elsewhere(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    with Embedded(data_dir) as services:
        assert answers(services)
        elsewhere = Path((data_dir / "runtime-dir").read_text())
        assert elsewhere.stat().st_mode & 0o777 == 0o700
    assert not elsewhere.exists()


def test_a_directory_that_only_its_owner_can_enter_is_left_as_it_is(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with Embedded(private / "d") as services:
        assert answers(services)
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_user_namespaces_runs_postgres_as_nobody_or_says_what_to_do(data_dir: Path) -> None:
    with pytest.raises(StartupError, match="TIDEGATE_DATABASE_URL"):
        Embedded(data_dir, identities=["nobody"]).start()
    for directory in data_dir.parents:
        if directory.is_relative_to(tempfile.gettempdir()) and directory != Path(tempfile.gettempdir()):
            directory.chmod(0o711)
    with Embedded(data_dir, identities=["nobody"]) as services:
        assert answers(services)


def test_a_server_that_cannot_start_is_an_error_with_the_end_of_its_log(data_dir: Path) -> None:
    (data_dir / "postgres/data/PG_VERSION").write_text("9\n")
    with pytest.raises(StartupError, match="initialized by PostgreSQL version 9"):
        Embedded(data_dir).start()
    assert not living_in(data_dir)
