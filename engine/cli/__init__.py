"""The command line: `tidegate`, noun then verb.

start       the console script; front_page: what `--help` says first, drawn without loading anything
app         the tree of commands, and what becomes of an error
exits       exit codes, mapped once from kinds and statuses
output      tables on a terminal, TSV in a pipe, JSON on request; words: hints as commands
lists       the options of every list; inputs: JSON from options and files
confirm     the number of people that a human confirms, given or typed; waiting: what waits for one
terms       the options of a schedule; limits: those of a project or a key; sized_for: what a sizing is for
layout      a list on a terminal: what fits; refs: names, beginnings and `last` for ids
client      the HTTP client of a running server, found by settings or through the data directory
admin       the way of some commands to the database: servers found or started, the system built
tree        the supervised processes of one installation; signals: their orderly end

One module for each group of commands: workflows, batch (with approval, retry and watch), confirmations, runs,
schedules (with occurrences), people, cohorts, components, views, log, replay, projects, policy, keys, config, fence,
processes, mcp (with bridge), mcp_config, up, doctor (with checks and findings), demo (and demo_books, its end),
sized_for. They are imported when they are called for, so that `--help` stays quick.
"""

from engine.cli.start import main

__all__ = ["main"]
