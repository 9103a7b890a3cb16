"""Codes of refusals before a command or a read is known: of requests, of callers, of the command line."""

from __future__ import annotations

from aggregates.kinds import Code, Kind

DOOR_CODES: dict[str, Code] = {
    # the request itself
    "request.invalid": Code(Kind.INVALID, "The request is not valid.", "Correct the fields that are named."),
    "request.malformed": Code(Kind.INVALID, "The body is not valid JSON.", "Send one strict JSON document."),
    "request.too_large": Code(Kind.TOO_LARGE, "The body is too large.", "Send at most 1 MiB."),
    "request.too_slow": Code(Kind.INVALID, "The body did not arrive in time.", "Send it without pauses."),
    "request.unsupported": Code(Kind.INVALID, "The content type is not supported.", "See the API reference."),
    "request.unknown_route": Code(Kind.NOT_FOUND, "There is nothing at this address.", "See /docs."),
    "request.method_not_allowed": Code(Kind.INVALID, "This address does not take that method.", "See /docs."),
    "internal.error": Code(
        Kind.UNAVAILABLE, "Something failed on our side.", "Look at how things are now, then repeat the request."
    ),
    "service.unavailable": Code(Kind.UNAVAILABLE, "A part that this needs is not reachable.", "Try again shortly."),
    "service.busy": Code(
        Kind.UNAVAILABLE, "The server has as many requests in hand as it takes.", "Repeat it after Retry-After."
    ),
    "position.unknown": Code(
        Kind.INVALID, "The log has not come to that position.", "Send the position of a command's answer."
    ),
    "position.not_reached": Code(
        Kind.UNAVAILABLE, "The views have not reached that position yet.", "Repeat the read after Retry-After."
    ),
    "follower.not_found": Code(Kind.NOT_FOUND, "No such follower of the log.", "`tidegate views list` names them."),
    "follower.not_stopped": Code(
        Kind.CONFLICT, "This follower does not stand still.", "Wait for it: it goes on by itself."
    ),
    # who is asking
    "auth.missing": Code(Kind.UNAUTHENTICATED, "No API key was sent.", "Send `Authorization: Bearer tg_live_…`."),
    "auth.invalid": Code(Kind.UNAUTHENTICATED, "The API key is not valid.", "Make one: POST /api/v1/keys."),
    "scope.missing": Code(Kind.DENIED, "The key lacks a scope that this needs.", "Ask for a key with that scope."),
    "grant.undeclared": Code(Kind.DENIED, "Nobody may do this: it has no grant.", "Report this as a defect."),
    "rate.limited": Code(Kind.LIMITED, "Too many requests for this key.", "Wait for Retry-After."),
    "secret.mismatch": Code(
        Kind.UNAVAILABLE,
        "This database was made with another secret key.",
        "Set TIDEGATE_SECRET_KEY (or the data directory) to the one that it was made with.",
    ),
    "installation.fenced": Code(
        Kind.CONFLICT,
        "Nothing is sent: this database is a copy, or was restored, or its installation has another name.",
        "Have an operator look: `tidegate fence` says why, `tidegate fence release` lets it send.",
    ),
    # the command line itself
    "usage": Code(Kind.INVALID, "The command was not called as it must be.", "See its --help."),
    "startup": Code(Kind.UNAVAILABLE, "A process cannot start as things are.", "Correct what the sentence names."),
    "server.unreachable": Code(
        Kind.UNAVAILABLE, "No server answers at the address.", "Start one (`tidegate up`), or set TIDEGATE_URL."
    ),
    "server.unknown": Code(
        Kind.UNAVAILABLE, "No server is known.", "Start one (`tidegate up`), or set TIDEGATE_URL and TIDEGATE_API_KEY."
    ),
    "server.unexpected": Code(
        Kind.UNAVAILABLE, "The server answered without a problem document.", "Check that TIDEGATE_URL names a server."
    ),
    "id.ambiguous": Code(Kind.INVALID, "It names more than one thing.", "Give more of the id."),
}
