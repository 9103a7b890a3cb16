"""`python -m engine.cli`, the same as `tidegate`."""

from engine.cli.app import main

main()
