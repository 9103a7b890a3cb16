from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import StartupError
from engine.secrets import Secrets
from engine.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, directory=tmp_path, data_dir=tmp_path / "d")


def test_the_secret_is_made_once_and_closed_to_others(settings: Settings) -> None:
    first = Secrets.load_or_create(settings).derive("tokens")
    assert Secrets.load_or_create(settings).derive("tokens") == first
    assert (settings.data_dir / "secret").stat().st_mode & 0o777 == 0o600


def test_of_many_that_make_it_at_once_all_get_the_same(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Secrets.load_or_create(settings).derive("x"), range(32)))
    assert len(keys) == 1
    assert [path.name for path in settings.data_dir.iterdir()] == ["secret"]


def test_each_purpose_has_a_key_of_its_own(settings: Settings) -> None:
    secrets = Secrets.load_or_create(settings)
    assert len(secrets.derive("tokens")) == 32
    assert secrets.derive("tokens") != secrets.derive("keys")


def test_a_secret_that_was_set_is_used_and_none_is_kept(tmp_path: Path) -> None:
    environ = {"TIDEGATE_SECRET_KEY": "0123456789abcdef" * 2}
    settings = load_settings(environ, directory=tmp_path, data_dir=tmp_path / "d")
    assert Secrets.load_or_create(settings).derive("x") == Secrets(b"0123456789abcdef" * 2).derive("x")
    assert not settings.data_dir.exists()


def test_a_secret_that_others_can_read_is_refused(settings: Settings) -> None:
    Secrets.load_or_create(settings)
    (settings.data_dir / "secret").chmod(0o644)
    with pytest.raises(StartupError, match="chmod 600"):
        Secrets.load_or_create(settings)


def test_a_secret_is_not_shown(settings: Settings) -> None:
    assert repr(Secrets.load_or_create(settings)) == "Secrets(...)"
