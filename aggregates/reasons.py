"""Why a run ended as it did, or a step of it failed: every word that the ledger may say, and what it means.

A reason is a short stable code without a person's data. Some have a part that another party chose (the status of an
HTTP answer); those are a family, known by how they begin. What an `exit` step gives as its reason is the author's own.
"""

from __future__ import annotations

from aggregates.errors import CODES

REFUSALS = (
    "template.failed",
    "template.over_limit",
    "template.together_over_limit",
    "outbound.refused",
    "outbound.port_refused",
    "secret.unknown",
    "secret.host_refused",
    "audience.invalid",
    "audience.unanswerable",
)
"""Reasons that are codes of refusals, and mean the same there."""

REASONS: dict[str, str] = {
    # nobody was to be reached any more
    "opted_out": "The person, or their address, left everything or the workflow's topic.",
    "suppressed": "Nothing may be sent to the person's address.",
    "capped": "The person has had as many messages lately as the policy lets one person get.",
    "erased": "There is no such person any more.",
    "address_changed": "The person's address is not the one that was confirmed.",
    "run_cancelled": "The run of this person was cancelled.",
    "job_cancelled": "The batch job was cancelled.",
    # a step could not be taken
    **{code: CODES[code].message for code in REFUSALS},
    "variable.type_mismatch": "What a step sets a variable to is not of the variable's type.",
    "variables.too_large": "The variables of the run would pass 5 KiB.",
    "graph.endless": "The run went round a circle of steps that nothing stops.",
    "workflow.invalid": "This version of Tidegate does not take the content with which the job began.",
    "run.crashed": "The engine itself failed for this person; the log of the worker says how.",
    # nothing was sent
    "address.invalid": "The message cannot be written: an address or a header of it is not valid.",
    "email.to_elsewhere": "The email would go to an address that the workflow may not write to.",
    "step.not_external": "The step type sends without saying so.",
    "channel.unknown": "The step sends over a channel that there is not.",
    "url.invalid": "The rendered URL is no address of the web.",
    "request.invalid": "The rendered request is not valid HTTP.",
    "destination.down": "Nothing has answered there for a minute, so nothing was sent.",
    # it was sent, or tried
    "connect.failed": "There was no connection; nothing was sent.",
    "tls.failed": "There was a connection, and no agreement on TLS; nothing was sent.",
    "connection.lost": "The connection broke off after the request had left; it may have arrived.",
    "timeout": "There was no answer in time; it may have arrived.",
    "smtp.login": "The mail server does not take the name and password of the installation.",
    "outcome_unknown": "An effect was begun and its outcome was not recorded: a person has to say what became of it.",
    "outcome_decided": "A person said that the effect was delivered.",
}

FAMILIES: dict[str, str] = {
    "http.": "The receiver answered with this HTTP status.",
    "smtp.": "The mail server answered with this code.",
    "internal.": "Sending failed in a way that was not foreseen; the kind of error is named.",
}


def meaning(reason: str) -> str | None:
    """What a reason says; None for one that is not ours."""
    family = next((text for prefix, text in FAMILIES.items() if reason.startswith(prefix)), None)
    return REASONS.get(reason, family)
