"""The list of chains is complete: every number has a test."""

from __future__ import annotations

import re
from pathlib import Path

CHAINS = 38


def test_every_chain_has_a_test() -> None:
    here = Path(__file__).parent
    found = {
        int(number)
        for path in here.glob("test_*.py")
        for number in re.findall(r"^def test_(\d\d)_", path.read_text(), re.MULTILINE)
    }
    assert found == set(range(1, CHAINS + 1))
