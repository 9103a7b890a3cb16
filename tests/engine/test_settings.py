from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.errors import StartupError
from engine.settings import Settings, child_environment, load_settings

KEY = "0123456789abcdef0123456789abcdef"

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("engine", "mcp_adapter", "projections", "workers")


def test_without_anything_set_every_value_is_its_default(tmp_path: Path) -> None:
    settings = load_settings({}, directory=tmp_path)
    assert (settings.database_url, settings.http_port, settings.send_mode) == (None, 8787, "capture")
    assert settings.origin("http_port") == "default"


def test_the_environment_wins_over_the_file_and_an_argument_over_both(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text('http_port = 1\nchunk_size = 2\nsend_mode = "live"\n')
    environ = {"TIDEGATE_HTTP_PORT": "3", "TIDEGATE_CHUNK_SIZE": "4"}
    settings = load_settings(environ, directory=tmp_path, http_port=5, pool_size=None)
    assert (settings.http_port, settings.chunk_size, settings.send_mode, settings.pool_size) == (5, 4, "live", 10)
    names = ("http_port", "chunk_size", "send_mode", "pool_size")
    assert [settings.origin(name) for name in names] == ["argument", "TIDEGATE_CHUNK_SIZE", "tidegate.toml", "default"]


def test_every_problem_is_told_at_once_and_no_value_with_it(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("htpp_port = 1\n")
    environ = {"TIDEGATE_HTTP_PROT": "1", "TIDEGATE_SECRET_KEY": "too-short", "TIDEGATE_DRAINERS": "0"}
    with pytest.raises(StartupError) as refused:
        load_settings(environ, directory=tmp_path)
    message = str(refused.value)
    assert "TIDEGATE_HTTP_PROT is not a setting." in message
    assert "htpp_port in tidegate.toml is not a setting." in message
    assert "drainers (from TIDEGATE_DRAINERS)" in message
    assert "secret_key (from TIDEGATE_SECRET_KEY)" in message
    assert "too-short" not in message


def test_variables_that_kubernetes_adds_for_a_service_called_tidegate_are_let_be(tmp_path: Path) -> None:
    environ = {
        "TIDEGATE_SERVICE_HOST": "10.0.0.1",
        "TIDEGATE_PORT_8787_TCP_ADDR": "10.0.0.1",
        "TIDEGATE_PORT": "tcp://x",
    }
    assert load_settings(environ, directory=tmp_path).http_port == 8787


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert load_settings({"TIDEGATE_APPROVAL_OVER": ""}, directory=tmp_path).approval_over is None


def test_hosts_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load_settings({"TIDEGATE_OUTBOUND_ALLOW": "hooks.internal, 10.0.0.0/8,"}, directory=tmp_path)
    assert settings.outbound_allow == ("hooks.internal", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("email_from", "nonsense", "a sender is one address"),
        ("email_from", "a@b.c\nBcc: d@e.f", "a sender is one address"),
        ("email_from", "Ann =?utf-8?q?a=0D=0ABcc?= <a@b.c>", "a sender is one address"),
        ("smtp_url", "foo://x", "a mail server is written"),
        ("smtp_url", "smtp://", "a mail server is written"),
        ("smtp_url", "smtp://host:notaport", "smtp_url"),
        ("webhook_secret", "whsec_", "a signing secret is"),
        ("webhook_secret", "abc", "a signing secret is"),
        ("webhook_secret", "whsec_" + "A" * 31, "a signing secret is"),
    ],
)
def test_what_a_sender_would_only_meet_later_is_refused_at_the_start(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    with pytest.raises(StartupError, match=told):
        load_settings({f"TIDEGATE_{name.upper()}": value}, directory=tmp_path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("http_port = 7\n", encoding="utf-8-sig")
    assert load_settings(directory=tmp_path).http_port == 7


def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("http_port 1\n")
    with pytest.raises(StartupError, match=r"tidegate\.toml cannot be read"):
        load_settings({}, directory=tmp_path)


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    environ = {
        "TIDEGATE_SECRET_KEY": KEY,
        "TIDEGATE_API_KEY": "tg_live_hidden",
        "TIDEGATE_WEBHOOK_SECRET": "whsec_hiddenhiddenhiddenhiddenhiddenhi",
        "TIDEGATE_DATABASE_URL": "postgresql+psycopg://me:hidden@db/tidegate",
        "TIDEGATE_SMTP_URL": "smtp://me:hidden@mail:25",
    }
    settings = load_settings(environ, directory=tmp_path)
    texts = [repr(settings), *(settings.shown(name) for name in Settings.model_fields)]
    assert not [text for text in texts if "hidden" in text or KEY in text]
    assert settings.shown("database_url") == "postgresql+psycopg://me:****@db/tidegate"


def test_every_setting_is_documented() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]


def test_a_child_gets_our_environment_with_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HTTP_PORT", "1")
    monkeypatch.setenv("KEPT", "yes")
    changed = child_environment(TIDEGATE_HTTP_PORT=None, TIDEGATE_URL="http://x")
    assert (changed.get("TIDEGATE_HTTP_PORT"), changed["TIDEGATE_URL"], changed["KEPT"]) == (None, "http://x", "yes")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_is_named_in_any_usual_spelling(tmp_path: Path, scheme: str) -> None:
    environ = {"TIDEGATE_DATABASE_URL": f"{scheme}://me@db/tidegate"}
    assert load_settings(environ, directory=tmp_path).database_url == "postgresql+psycopg://me@db/tidegate"


@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        ("DATABASE", "mysql://me:hush@db/x", "only PostgreSQL"),
        ("DATABASE", "postgresql+asyncpg://me:hush@db/x", "only PostgreSQL"),
        ("DATABASE", "postgresql://me:hush@db:port/x", "cannot be read"),
        ("DATABASE", "hush", "only PostgreSQL"),
        ("REDIS", "redis+sentinel://:hush@host:26379/0", "Sentinel is not supported"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, name: str, url: str, told: str) -> None:
    with pytest.raises(StartupError, match=told) as refused:
        load_settings({f"TIDEGATE_{name}_URL": url}, directory=tmp_path)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:p@ss@db/x", "postgresql+psycopg://me:****@db/x"),
        ("postgresql://me:p?s/s@db/x", "postgresql+psycopg://me:****@db/x"),
        ("postgresql://db/x?user=me&password=hush&b=1", "postgresql+psycopg://db/x?user=me&password=****&b=1"),
        ("postgresql://db/x?sslpassword=hush", "postgresql+psycopg://db/x?sslpassword=****"),
        ("postgresql://me@/x?host=/run/pg", "postgresql+psycopg://me@/x?host=/run/pg"),
    ],
)
def test_no_password_of_an_address_is_shown(tmp_path: Path, url: str, shown: str) -> None:
    settings = load_settings({"TIDEGATE_DATABASE_URL": url}, directory=tmp_path)
    assert settings.shown("database_url") == shown


def test_a_line_end_is_no_part_of_a_value(tmp_path: Path) -> None:
    settings = load_settings({"TIDEGATE_SECRET_KEY": f"{KEY}\r\n", "TIDEGATE_HTTP_PORT": "1\r"}, directory=tmp_path)
    assert settings.secret_key is not None
    assert (settings.secret_key.get_secret_value(), settings.http_port) == (KEY, 1)


def test_every_setting_is_read_by_something() -> None:
    sources = [path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    read = {name for source in sources for name in re.findall(r"settings\.([a-z_]+)\b", source)}
    assert set(Settings.model_fields) <= read
