"""Installed distributions, as the import system sees them: a directory with a module and the metadata beside it."""

from __future__ import annotations

from pathlib import Path

STEP = """
from aggregates.steps.base import Config, Finish, StepType

class PingConfig(Config):
    pass

class Ping(StepType[PingConfig]):
    id = "{id}"
    name = category = description = "Ping"
    Config = PingConfig
    examples = [{{}}]

    def plan(self, config, now):
        return Finish("ping")
"""


def distribution(site: Path, name: str, code: str, value: str = "") -> None:
    """Put a distribution into a directory of the path: one module, one entry point of `tidegate.steps`."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    metadata = site / f"{module}-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[tidegate.steps]\nping = {value or f'{module}:Ping'}\n")
