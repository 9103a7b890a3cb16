"""`python -m engine.cli`, the same as `tidegate`."""

from engine.cli.start import main

main()
