"""`python -m benchmarks [N ...]`: every benchmark there is, one after another."""

from __future__ import annotations

import sys

from benchmarks import fanout

if __name__ == "__main__":
    fanout.main([int(word.replace(",", "")) for word in sys.argv[1:]] or list(fanout.TARGETS))
