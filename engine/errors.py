"""Failures of the machine room, as opposed to refusals of the product (`aggregates.errors`)."""


class StartupError(Exception):
    """A process cannot start as it is configured. The message says what is wrong and what to do about it."""
