"""`python -m mcp_adapter`: the server process."""

from __future__ import annotations

import sys

from engine.errors import StartupError
from mcp_adapter.serve import main

if __name__ == "__main__":
    try:
        main()
    except StartupError as error:
        sys.exit(str(error))
