"""`python -m engine.cli`, the same as `tidegate`."""

from engine.cli.front_page import main

main()
