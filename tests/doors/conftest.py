"""One installation for all of these tests, and its doors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.doors.doors import Doors, Key, opened
from tests.doors.model import EVERY_SCOPE
from tests.doors.stage import SETTINGS, Stage
from tests.support.databases import Databases
from tests.support.product import Product
from tests.support.serving import following, serving


@pytest.fixture(scope="package")
def stage(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    url = databases.create()
    product = Product(url, tmp_path_factory.mktemp("product"), **SETTINGS)
    with closing(product), following(product.system):
        yield Stage(product)
    databases.drop(url)


@pytest.fixture(scope="package")
def doors(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    settings = stage.product.system.settings
    console = {"database_url": str(settings.database_url), "data_dir": str(settings.data_dir.absolute())}
    with serving(stage.product.system) as url, opened(url, tmp_path_factory.mktemp("desk"), **console) as doors:
        yield doors


@pytest.fixture(scope="module")
def everybody(stage: Stage) -> Key:
    """A person with every scope."""
    return stage.key(EVERY_SCOPE, False)
