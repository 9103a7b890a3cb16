"""Commands that touch the database themselves: keys, projects, settings, migration, doctor, views."""

from __future__ import annotations

import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from aggregates.policy import Limits
from commands.grants import AGENT_SCOPES, SCOPES
from engine.cli import checks
from engine.presence import NEEDED, present
from engine.settings import load_settings
from tests.cli.conftest import Tidegate
from tests.support.databases import Databases
from tests.support.gates import beginning
from tests.support.product import Product
from tests.support.wait import until


@pytest.fixture
def at_home(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the product, as the console of its machine has them."""
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", str(product.system.settings.database_url))
    monkeypatch.setenv("TIDEGATE_DATA_DIR", str(product.system.settings.data_dir))


@pytest.mark.usefixtures("at_home")
def test_a_key_is_shown_once_and_opens_the_door_until_it_is_revoked(tidegate: Tidegate, product: Product) -> None:
    made = tidegate("keys", "create", "ci", "--scope", "workflow:read", "--scope", "run:read", "--json")
    assert made.code == 0, made
    principal = product.system.principal_of(made.json["key"], "api")
    assert principal.scopes == {"workflow:read", "run:read"}
    listed = tidegate("keys", "list")
    assert made.json["key_id"] in listed.out
    assert made.json["key"] not in listed.out
    assert tidegate("keys", "revoke", made.json["key_id"]).code == 0
    assert tidegate("keys", "revoke", "unknown").code == 3


@pytest.mark.usefixtures("at_home")
def test_an_agents_key_has_what_agents_use(tidegate: Tidegate, product: Product) -> None:
    made = tidegate("keys", "create", "helper", "--scope", "all", "--agent", "--json").json
    principal = product.system.principal_of(made["key"], "api")
    assert principal.agent
    assert principal.scopes == AGENT_SCOPES
    assert {"person:write", "cohort:write", "batch:approve", "key:admin"} == SCOPES - AGENT_SCOPES
    of_a_person = tidegate("keys", "create", "owner", "--scope", "all", "--json").json
    assert set(of_a_person["scopes"]) == SCOPES
    narrowed = tidegate("keys", "change", of_a_person["key_id"], "--scope", "all", "--agent", "--json").json
    assert (narrowed["scopes"], narrowed["changed"]) == (sorted(AGENT_SCOPES), True)


@pytest.mark.usefixtures("at_home")
def test_a_key_that_is_made_here_names_its_owner_and_begins_a_chain(tidegate: Tidegate, product: Product) -> None:
    made = tidegate("keys", "create", "ada", "--scope", "all", "--owner", "ada", "--json").json
    assert (made["owner"], made["chain"], made["changed"]) == ("ada", [], True)
    assert made["position"] == product.log_position()
    (row,) = [row for row in tidegate("keys", "list", "--json").json["data"] if row["id"] == made["key_id"]]
    assert (row["owner"], row["made_by"], row["made_via"], row["chain"]) == ("ada", "cli", "keys create", [])
    (shown,) = [row for row in tidegate("keys", "list").rows if row[0] == made["key_id"]]
    assert shown[-2:] == ["ada", "cli"]
    again = tidegate("keys", "change", made["key_id"], "--name", "ada", "--json").json
    assert (again["changed"], again["position"]) == (False, made["position"])


@pytest.mark.usefixtures("at_home")
def test_a_key_narrows_what_the_policy_allows(tidegate: Tidegate, product: Product) -> None:
    limits = ("--max-audience", "9", "--approval-over", "2", "--max-growth", "5%", "--minimum-interval", "120")
    made = tidegate("keys", "create", "ci", "--scope", "workflow:run", *limits, "--send-mode", "capture", "--json")
    assert made.code == 0, made
    assert product.system.principal_of(made.json["key"], "api").limits[-1] == Limits(9, 2, 0.05, 120, "capture")
    listed = {row[1]: row[4] for row in tidegate("keys", "list").rows}
    assert listed["ci"].startswith("approval_over=2, max_audience=9, max_growth=0.05, minimum")
    bad = tidegate("keys", "create", "ci", "--scope", "workflow:run", "--minimum-interval", "1")
    assert (bad.code, "/minimum_interval_minutes" in bad.err) == (2, True)


@pytest.mark.usefixtures("at_home")
def test_a_key_is_changed_and_its_limits_are_lifted(tidegate: Tidegate, product: Product) -> None:
    made = tidegate("keys", "create", "ci", "--scope", "workflow:run", "--rate", "5", "--max-audience", "9", "--json")
    narrowed = ("--scope", "run:read", "--minimum-interval", "90", "--expires", "2040-01-01T00:00:00Z", "--agent")
    said = tidegate("keys", "change", made.json["key_id"], "--name", "helper", *narrowed, "--json")
    assert said.code == 0, said
    principal = product.system.principal_of(made.json["key"], "api")
    assert (principal.name, set(principal.scopes), principal.agent) == ("helper", {"run:read"}, True)
    assert (principal.own_limits, principal.rate_per_minute) == (Limits(9, minimum_interval_minutes=90), 5)

    lifted = [option for name in ("max-audience", "minimum-interval", "rate", "expires") for option in ("--lift", name)]
    assert tidegate("keys", "change", made.json["key_id"], *lifted).code == 0
    principal = product.system.principal_of(made.json["key"], "api")
    assert (principal.own_limits, principal.rate_per_minute, principal.expires_at) == (Limits(), None, None)
    assert principal.scopes == {"run:read"}
    assert tidegate("keys", "change", made.json["key_id"]).code == 2
    assert tidegate("keys", "change", made.json["key_id"], "--scope", "all").code == 2
    assert tidegate("keys", "change", "unknown", "--name", "x").code == 3
    tidegate("keys", "revoke", made.json["key_id"])
    assert tidegate("keys", "change", made.json["key_id"], "--name", "x").code == 5


@pytest.mark.usefixtures("at_home")
def test_a_project_is_made_once_and_has_keys_of_its_own(tidegate: Tidegate) -> None:
    made = tidegate("projects", "create", "acme", "--json").json
    assert made["key"].startswith("tg_live_")
    assert tidegate("projects", "create", "acme", "--json").json == {**made, "key": None}
    assert [row[1] for row in tidegate("projects", "list").rows] == ["acme", "default"]
    told = [
        tidegate("projects", "webhook-secret", name, "--json").json["webhook_secret"] for name in ("acme", "default")
    ]
    assert told[0] != told[1] and all(secret.startswith("whsec_") for secret in told)
    assert [row[1] for row in tidegate("keys", "list", "--project", "acme").rows] == ["owner"]
    assert tidegate("keys", "list", "--project", "nobody").code == 3


@pytest.mark.usefixtures("at_home")
def test_a_view_is_built_again_from_the_log(tidegate: Tidegate, product: Product) -> None:
    product.workflow()
    product.execute("DELETE FROM workflows")
    assert tidegate("views", "rebuild", "workflows").code == 0
    assert product.execute("SELECT count(*) FROM workflows")[0][0] == 1
    assert tidegate("views", "rebuild", "people").code == 2


def test_a_fresh_database_is_migrated_and_gets_an_owner_key(
    tidegate: Tidegate, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.create_empty()
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", url)
    before = {row[0]: row[1] for row in tidegate("doctor").rows}
    assert before["schema"] == "fail"
    made = tidegate("migrate", "--json")
    assert made.code == 0, made
    kept = tmp_path / ".tidegate" / "owner-key"
    assert kept.read_text().strip() == made.json["owner_key"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tidegate("migrate", "--json").json["owner_key"] is None
    assert {row[0]: row[1] for row in tidegate("doctor").rows}["schema"] == "ok"
    databases.drop(url)


@pytest.mark.usefixtures("at_home")
def test_the_fence_says_what_it_is_about_and_is_released_with_a_reason(tidegate: Tidegate, product: Product) -> None:
    assert tidegate("fence", "--json").json["fence"] == "down"
    product.execute("UPDATE installation SET location = '1/2'")
    up = tidegate("fence")
    shown = dict(up.rows)
    assert (shown["fence"], shown["because"], shown["location recorded"], shown["jobs that wait"]) == (
        "up", "location", "1/2", "0"
    )  # fmt: skip
    assert "tidegate fence release" in up.err
    assert tidegate("fence", "release").code == 2
    assert tidegate("fence", "release", "--reason", " ").code == 2
    released = tidegate("fence", "release", "--reason", "moved to another server", "--json").json
    assert (released["released"], released["fence"], released["location_recorded"]) == (
        True,
        "down",
        released["location"],
    )
    again = tidegate("fence", "release", "--reason", "moved", "--json")
    assert (again.code, again.json["released"]) == (0, False)


@pytest.mark.usefixtures("at_home")
def test_a_command_on_a_schema_of_before_says_what_to_do(tidegate: Tidegate, product: Product) -> None:
    product.execute("ALTER TABLE installation DROP COLUMN name")
    refused = tidegate("projects", "list")
    assert refused.code == 1 and "tidegate migrate" in refused.err and "Traceback" not in refused.err


@pytest.mark.usefixtures("at_home", "server")
def test_the_doctor_looks_at_everything_and_fails_when_something_does(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch, redis_url: str, product: Product
) -> None:
    # The server of the tests is not durable, unless it is somebody's own.
    durable = product.execute("SHOW fsync") == [("on",)]
    unwell = [] if durable else ["durability"]
    monkeypatch.setenv("TIDEGATE_REDIS_URL", redis_url)
    with ExitStack() as crew:
        for role in NEEDED:
            crew.enter_context(present(product.system, role))
        until(lambda: product.execute("SELECT count(*) FROM processes") == [(3,)], seconds=20, what="three processes")
        well = tidegate("doctor", "--json")
    assert [finding["what"] for finding in well.json["findings"] if finding["state"] != "ok"] == unwell, well.json
    assert well.code == (0 if durable else 1)
    monkeypatch.setenv("TIDEGATE_REDIS_URL", "redis://127.0.0.1:9/0")
    ill = tidegate("doctor")
    assert ill.code == 1
    assert {row[0] for row in ill.rows if row[1] == "fail"} == {"redis", *NEEDED, *unwell}


@pytest.mark.usefixtures("at_home")
def test_the_doctor_sees_who_is_not_at_work_and_what_is_not_read(tidegate: Tidegate, product: Product) -> None:
    product.execute(
        "INSERT INTO processes SELECT gen_random_uuid(), role, 'host', 1, now(), now() - interval '100 seconds' "
        "FROM unnest(ARRAY['projector', 'worker', 'worker']) role"
    )
    product.execute(
        "UPDATE processes SET seen_at = now() WHERE id IN (SELECT id FROM processes WHERE role = 'worker' LIMIT 1)"
    )
    product.execute("DELETE FROM view_positions WHERE name = 'schedules'")
    product.execute("INSERT INTO view_positions (name, position) VALUES ('reactions', 0)")
    with product.system.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE log DISABLE TRIGGER USER")
        connection.exec_driver_sql("UPDATE log SET recorded_at = now() - interval '90 seconds'")
    said = {row[0]: row[1:3] for row in tidegate("doctor").rows}
    assert said["worker"] == ["ok", "1 at work"]
    assert (said["projector"][0], said["projector"][1][:24]) == ("fail", "the last one was seen 10")
    assert said["scheduler"] == ["fail", "none was ever seen, or not for a day"]
    assert said["view schedules"] == ["fail", "never followed the log"]
    assert said["view reactions"][0] == "warn"
    assert said["view batch_jobs"][0] == "ok"


@pytest.mark.usefixtures("at_home")
def test_the_doctor_knows_another_secret_and_a_missing_one(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert {row[0]: row[1] for row in tidegate("doctor").rows}["secret"] == "ok"
    monkeypatch.setenv("TIDEGATE_SECRET_KEY", "another secret than the one of before")
    assert {row[0]: row[1] for row in tidegate("doctor").rows}["secret"] == "fail"
    monkeypatch.delenv("TIDEGATE_SECRET_KEY")
    monkeypatch.setenv("TIDEGATE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert {row[0]: row[1] for row in tidegate("doctor").rows}["secret"] == "fail"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("greeting", "state"), [(b"220 here\r\n", "ok"), (b"HTTP/1.1 400\r\n", "fail"), (b"", "fail"), (None, "fail")]
)
def test_the_doctor_asks_the_mail_server_for_its_greeting(
    greeting: bytes | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MAIL_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        settings = load_settings({"TIDEGATE_SMTP_URL": url, "TIDEGATE_SEND_MODE": "live"})

        def greet() -> None:
            with listener.accept()[0] as connection:
                if greeting is None:
                    connection.recv(1)  # says nothing until the other side has left
                else:
                    connection.sendall(greeting)

        with beginning(greet):
            assert checks.mail(settings).state == state
    assert checks.mail(settings).state == "fail"
    assert checks.mail(load_settings({"TIDEGATE_SMTP_URL": url})).state == "ok"


def test_a_database_that_does_not_answer_is_told_without_its_password(
    tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", "postgresql+psycopg://me:hush@127.0.0.1:9/none")
    said = tidegate("keys", "list")
    assert said.code == 1
    assert "does not answer" in said.err
    assert "hush" not in said.err


def test_settings_tell_value_and_origin_and_keep_secrets(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_MAX_AUDIENCE", "7")
    monkeypatch.setenv("TIDEGATE_API_KEY", "tg_live_secret_text")
    said = tidegate("config", "show")
    rows = {row[0]: row for row in said.rows}
    assert rows["TIDEGATE_MAX_AUDIENCE"][1:3] == ["7", "TIDEGATE_MAX_AUDIENCE"]
    assert rows["TIDEGATE_CHUNK_SIZE"][2] == "default"
    assert "tg_live_secret_text" not in said.out
    assert len(tidegate("config", "show", "--json").json["data"]) == len(rows)


@pytest.mark.usefixtures("at_home")
def test_a_follower_is_told_to_pass_over_an_event_where_the_doctor_says_so(
    tidegate: Tidegate, product: Product
) -> None:
    product.workflow()
    assert tidegate("views", "skip", "workflows", "--reason", "x").code == 5
    # Of a follower that does not run here: one that does would go on by itself meanwhile.
    product.execute(
        "INSERT INTO view_positions (name, position, stopped) VALUES ('reactions', 1, 'TopicError: unknown')"
    )
    said = {row[0]: row for row in tidegate("doctor").rows}["view reactions"]
    assert (said[1], "views skip reactions --reason" in said[3]) == ("fail", True)
    skipped = tidegate("views", "skip", "reactions", "--reason", "of a newer version", "--json")
    assert (skipped.code, skipped.json["position"]) == (0, 2)
    assert product.execute("SELECT name, reason FROM passed_over") == [("reactions", "of a newer version")]


@pytest.mark.usefixtures("at_home")
def test_no_key_is_made_with_another_secret(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_SECRET_KEY", "another secret than the one of before")
    said = tidegate("keys", "create", "ci", "--scope", "run:read")
    assert said.code != 0
    assert "secret.mismatch" in said.err
