"""Secrets of projects: files that one project never reads of another, read again when they change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert

from aggregates.secrets import Secret
from engine.ids import new_id
from engine.vault import LONGEST, SecretsPort, Vault
from projections.tables import projects
from tests.support.product import Product

VALUE = "s3cret-value-of-default"


@pytest.fixture
def product(database_url: str, tmp_path: Path) -> Iterator[Product]:
    with closing(Product(database_url, tmp_path)) as product:
        yield product


@pytest.fixture
def connection(product: Product) -> Iterator[Connection]:
    with product.system.engine.begin() as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    (folder / "default").mkdir(parents=True)
    (folder / "default" / "TOKEN").write_text(f"{VALUE}\n")
    return folder


def named(connection: Connection, name: str) -> UUID:
    """Another project of this name."""
    project_id = new_id()
    connection.execute(insert(projects).values(id=project_id, name=name))
    return project_id


def test_a_secret_is_the_line_of_its_file(product: Product, connection: Connection, folder: Path) -> None:
    found = Vault(folder).secret(connection, product.project_id, "TOKEN")
    assert found == Secret(VALUE)
    assert VALUE not in repr(found)


@pytest.mark.parametrize("name", ["OTHER", "token", "../default/TOKEN", "TOKEN.hosts", "", "A" * 65, "TOKEN\n", "1A"])
def test_what_is_no_name_or_not_there_is_no_secret(
    product: Product, connection: Connection, folder: Path, name: str
) -> None:
    assert Vault(folder).secret(connection, product.project_id, name) is None


def test_without_a_folder_there_are_none(product: Product, connection: Connection, tmp_path: Path) -> None:
    for vault in (Vault(None), Vault(tmp_path / "nowhere")):
        assert vault.secret(connection, product.project_id, "TOKEN") is None


@pytest.mark.parametrize("name", ["other", "Default", "..", ".", "default/../default", "other/../default", "", "x/"])
def test_a_project_never_reads_the_secrets_of_another(connection: Connection, folder: Path, name: str) -> None:
    (folder / "TOKEN").write_text("a secret of nobody")
    assert Vault(folder).secret(connection, named(connection, name), "TOKEN") is None


def test_a_link_does_not_lead_to_the_secrets_of_another(connection: Connection, folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "TOKEN").symlink_to(folder / "default" / "TOKEN")
    assert Vault(folder).secret(connection, named(connection, "other"), "TOKEN") is None


def test_a_link_inside_its_folder_is_followed(product: Product, connection: Connection, folder: Path) -> None:
    """Kubernetes mounts secrets so."""
    inner = folder / "default" / "..data"
    inner.mkdir()
    (inner / "LINKED").write_text("linked secret")
    (folder / "default" / "LINKED").symlink_to(Path("..data") / "LINKED")
    assert Vault(folder).secret(connection, product.project_id, "LINKED") == Secret("linked secret")


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two lines\nare not one", b"\xff" * 20, b"x" * (LONGEST + 1), b"nul\0 in it", b"\n" * 9]
)
def test_a_file_that_cannot_be_used_is_no_secret(
    product: Product, connection: Connection, folder: Path, content: bytes
) -> None:
    (folder / "default" / "TOKEN").write_bytes(content)
    assert Vault(folder).secret(connection, product.project_id, "TOKEN") is None


def test_a_file_that_changed_is_read_again(product: Product, connection: Connection, folder: Path) -> None:
    vault, path = Vault(folder), folder / "default" / "TOKEN"
    assert vault.secret(connection, product.project_id, "TOKEN") == Secret(VALUE)
    fresh = folder / "fresh"
    fresh.write_text("another value")
    fresh.replace(path)
    assert vault.secret(connection, product.project_id, "TOKEN") == Secret("another value")
    (folder / "default" / "TOKEN.hosts").write_text("api.example.com\n")
    assert vault.secret(connection, product.project_id, "TOKEN") == Secret("another value", ("api.example.com",))
    path.unlink()
    assert vault.secret(connection, product.project_id, "TOKEN") is None


@pytest.mark.parametrize(
    ("hosts", "host", "allowed"),
    [
        ("api.example.com", "api.example.com:443", True),
        ("api.example.com", "API.Example.com.", True),
        ("api.example.com", "api.example.com.evil.test:443", False),
        ("api.example.com", "evil-api.example.com", False),
        ("example.com", "api.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("one.test\ntwo.test", "two.test:443", True),
        ("api.example.com:8443", "api.example.com:8443", True),
        ("api.example.com:8443", "api.example.com:443", False),
        ("[::1]:80", "[::1]:80", True),
        ("[::1]:80", "[::1]:443", False),
        ("127.0.0.1", "127.0.0.1:9", False),
        ("127.0.0.1:9", "127.0.0.1:9", True),
        ("api.example.com", "api.example.com:80", False),
        ("*.example.com:80", "a.example.com:80", True),
        ("[::1]", "[::1]:443", True),
        ("", "api.example.com", False),
        ("*", "api.example.com", False),
    ],
)
def test_a_secret_goes_to_the_hosts_of_its_file_and_nowhere_else(
    product: Product, connection: Connection, folder: Path, hosts: str, host: str, allowed: bool
) -> None:
    (folder / "default" / "TOKEN.hosts").write_text(hosts)
    port = SecretsPort(connection, Vault(folder))
    refusal = port.refusal(product.project_id, "TOKEN", host, bound=False)
    assert refusal == (None if allowed else "secret.host_refused")


def test_a_file_of_hosts_that_cannot_be_read_names_none(product: Product, connection: Connection, folder: Path) -> None:
    (folder / "default" / "TOKEN.hosts").write_bytes(b"\xff\xfe")
    port = SecretsPort(connection, Vault(folder))
    assert port.refusal(product.project_id, "TOKEN", "a.test", bound=False) == "secret.host_refused"


def test_a_link_that_leads_nowhere_in_place_of_the_hosts_names_none(
    product: Product, connection: Connection, folder: Path
) -> None:
    vault = Vault(folder)
    assert vault.secret(connection, product.project_id, "TOKEN") == Secret(VALUE)
    (folder / "default" / "TOKEN.hosts").symlink_to("nowhere")
    assert vault.secret(connection, product.project_id, "TOKEN") == Secret(VALUE, ())
