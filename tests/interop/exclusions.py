"""What the conformance tool offers and cannot be asked of us, each with its reason. Everything else is run."""

from __future__ import annotations

from collections.abc import Mapping

_FIXTURE_TOOL = "calls a tool of the example server that the tool's authors wrote for it; our table of tools is closed"
_RESOURCES = "reads or watches the example server's resources; we have none, and say so in an empty list"
_PROMPTS = "gets the example server's prompts; we have none, and say so in an empty list"
_TASKS = "tests an extension (tasks) that we do not declare: a batch job is our task, and has tools of its own"
_SKILLS = "tests an extension (skills) that we do not declare"

_EXCLUDED: Mapping[str, str] = {
    _FIXTURE_TOOL: """
        tools-call-simple-text tools-call-image tools-call-audio tools-call-embedded-resource tools-call-mixed-content
        tools-call-with-logging tools-call-error tools-call-with-progress tools-call-sampling tools-call-elicitation
        elicitation-sep1034-defaults elicitation-sep1330-enums json-schema-2020-12
        input-required-result-basic-elicitation input-required-result-basic-sampling
        input-required-result-basic-list-roots input-required-result-request-state
        input-required-result-multiple-input-requests input-required-result-multi-round
        input-required-result-result-type input-required-result-tampered-state input-required-result-capability-check
        """,
    "takes the refusal of a tool that we do not have for the answer that it wants: it would pass and say nothing": """
        input-required-result-missing-input-response input-required-result-ignore-extra-params
        input-required-result-validate-input
        """,
    "needs parameters that are mirrored in headers; none of ours are": "http-custom-header-server-validation",
    _RESOURCES: """
        resources-read-text resources-read-binary resources-templates-read resources-subscribe resources-unsubscribe
        """,
    _PROMPTS: """
        prompts-get-simple prompts-get-with-args prompts-get-embedded-resource prompts-get-with-image
        input-required-result-non-tool-request
        """,
    "asks for completions, which only prompts and resource templates could have; the capability is not declared": (
        "completion-complete"
    ),
    "sets how much is logged to the client; we log nothing to clients, and the protocol has given it up": (
        "logging-set-level"
    ),
    "wants streams that the server breaks off before the answer, to be taken up again; ours end with the answer": (
        "server-sse-polling"
    ),
    _TASKS: """
        tasks-lifecycle tasks-capability-negotiation tasks-wire-fields tasks-request-state-removal tasks-mrtr-input
        tasks-request-headers tasks-dispatch-and-envelope tasks-status-notifications tasks-required-task-error
        tasks-mrtr-composition
        """,
    _SKILLS: "sep-2640-skills-directory sep-2640-skills-enumeration sep-2640-skills-manifest",
}

SCENARIOS: Mapping[str, str] = {name: reason for reason, names in _EXCLUDED.items() for name in names.split()}
"""The reason by the scenario."""

_NO_SUBSCRIPTION = "we send nothing that was not asked for, so there is nothing to subscribe to"

CHECKS: Mapping[tuple[str, str], str] = {
    ("caching", "sep-2549-resources-read-caching-hints"): _RESOURCES,
    ("server-stateless", "sep-2575-server-rejects-undeclared-capability"): _FIXTURE_TOOL,
    ("server-stateless", "sep-2575-missing-capability-http-400"): _FIXTURE_TOOL,
    ("server-stateless", "sep-2575-http-server-no-independent-requests-on-stream"): _FIXTURE_TOOL,
    ("server-stateless", "sep-2575-server-no-log-without-loglevel"): _FIXTURE_TOOL,
    ("server-stateless", "sep-2575-server-sends-subscription-ack"): _NO_SUBSCRIPTION,
    ("server-stateless", "sep-2575-server-tags-subscription-id"): _NO_SUBSCRIPTION,
    ("server-stateless", "sep-2575-server-honors-notification-filter"): _NO_SUBSCRIPTION,
    ("server-stateless", "sep-2575-server-sends-prompts-list-changed-on-subscription"): _NO_SUBSCRIPTION,
    ("server-stateless", "sep-2575-server-sends-tools-list-changed-on-subscription"): _NO_SUBSCRIPTION,
}
"""The reason by the scenario and its check, where the rest of the scenario is run."""
