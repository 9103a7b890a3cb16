"""The code itself: where a proof can be made, and what may lead to people at all."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from aggregates.values import NOBODY
from commands import confirm, standing
from commands.bus import HANDLERS
from commands.runs import RunWorkflow
from tests.support.product import Product
from workers.enrolment import enrol

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("aggregates", "commands", "projections", "engine", "mcp_adapter", "workers", "console")

MANUAL = "commands/runs.py"
"""Where jobs are made that have no audience."""

REACHING = {"RunBatch", "RetryFailed", "ApproveBatchJob", "FireSchedule", "ResumeBatchJob"}
"""The only commands after which a job is queued or running that was not before."""

PROOFS = {"acknowledge", "covered"}
"""What makes an `Acknowledged`, and nothing else does."""


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the product: the file, the name that is called (with its owner, if it is named), the call."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), called(node), node


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
        case ast.Attribute(attr=name):
            return name
    return ""


def places(*names: str) -> set[str]:
    return {file for file, name, _ in calls() if name in names}


@pytest.mark.parametrize("proof", ["Acknowledgement", "Acknowledged", "StandingApproval"])
def test_a_proof_is_made_by_the_guard_only(proof: str) -> None:
    # A manual run, which is for nobody, has a constant in its place.
    nobodys = {"aggregates/batch_job/standing.py"} if proof == "Acknowledgement" else set()
    makers = {"commands/confirm.py", "commands/standing.py"}
    assert places(proof) == (makers - {"commands/confirm.py"} if proof == "StandingApproval" else makers | nobodys)
    # Read back from what was recorded it is a fact, and no proof of anything new.
    assert places(f"{proof}.of") <= {"aggregates/schedule/aggregate.py"}


def made_in(*names: str) -> set[str]:
    """The functions of the guard that call one of these."""
    return {
        function.name
        for module in (confirm, standing)
        for function in ast.parse(inspect.getsource(module)).body
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and called(node) in names
    }


def test_the_guard_makes_them_in_the_functions_that_ask() -> None:
    assert made_in("Acknowledged") == PROOFS
    # `acknowledge` has what it makes the proof of written down by a function that nothing else calls.
    assert made_in("Acknowledgement") == {"_acknowledgement", "covered"}
    assert made_in("_acknowledgement") == {"acknowledge"}
    assert places("_acknowledgement") == {"commands/confirm.py"}
    # Both of them refuse before they make anything: neither can be left before the audience was sized.
    for maker, makes in ((confirm.acknowledge, " _acknowledgement("), (standing.covered, " Acknowledgement(")):
        source = textwrap.dedent(inspect.getsource(maker))
        assert source.index("sized_now(") < source.index(makes)
    source = inspect.getsource(confirm.acknowledge)
    asks = ("_no_drift(", "_no_others(", "_allowed(", "_confirmed(")
    assert [*asks] == sorted(asks, key=source.index)
    assert source.index(asks[-1]) < source.index(" _acknowledgement(")


def test_what_lets_people_be_reached_is_asked_for_with_a_proof_in_hand() -> None:
    facts = {
        "BatchJob.request": {"commands/batch_job.py", "commands/due.py", "commands/retry.py", MANUAL},
        "job.approve": {"commands/approval.py"},
        "Schedule.attach": {"commands/schedule.py"},
        "schedule.resume": {"commands/schedule.py"},
        "schedule.revise": {"commands/schedule.py"},
    }
    for name, files in facts.items():
        assert places(name) == files, name
    for file, name, call in calls():
        if name not in facts:
            continue
        given = {word.arg: word.value for word in call.keywords}
        if file == MANUAL:
            assert (ast.unparse(given["acknowledgement"]), ast.unparse(given["manual"])) == ("ONE_RUN", "True")
            continue
        proof = given.get("acknowledgement") or (call.args[0] if name == "job.approve" else None)
        if name == "schedule.revise" and "acknowledgement" not in given:
            continue  # the aggregate refuses it wherever it would need one
        assert proof is not None, (file, name)
        # A held manual run is approved over the same constant with which it was asked for.
        wanted = {"proof.acknowledgement", "ONE_RUN"} if name == "job.approve" else {"proof.acknowledgement"}
        assert ast.unparse(proof) in wanted, (file, name)


def test_a_proof_comes_from_the_guard_in_the_same_function() -> None:
    for path in (ROOT / "commands").glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            sources = {
                called(node.value)
                for node in ast.walk(function)
                if isinstance(node, ast.Assign)
                and [ast.unparse(target) for target in node.targets] == ["proof"]
                and isinstance(node.value, ast.Call)
            }
            assert sources <= PROOFS | {"_acknowledged"}, (path.name, function.name)


def test_only_five_commands_can_make_a_job_reach_people_and_one_a_job_for_nobody() -> None:
    """By what each handler, and whatever it calls in this package, asks of a job."""
    moves = {"BatchJob.request", "job.approve", "job.resume", "job.enrol"}
    reaching = {
        command.__name__
        for command, handler in HANDLERS.items()
        if moves & _everything_called(handler.__module__, handler)
    }
    assert reaching == REACHING | {"RunWorkflow"}


def test_a_manual_run_is_enrolled_for_nobody(product: Product) -> None:
    product.add_people(3)
    workflow_id = product.workflow(trigger={"type": "manual"})
    job_id = UUID(product.ask(RunWorkflow(workflow_id))["batch_job_id"])
    enrol(product.system, job_id)
    assert product.execute("SELECT person_ids FROM chunks WHERE job_id = :id", id=job_id) == [([NOBODY],)]


def test_only_the_enroller_enrols() -> None:
    assert places("job.enrol") == {"workers/enrolment.py"}


def _everything_called(module: str, handler: object) -> set[str]:
    """The names that a handler calls, and those that the functions of its own module call for it."""
    tree = ast.parse(Path(str(inspect.getsourcefile(handler))).read_text())  # type: ignore[arg-type]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen: set[str] = set()
    ahead = [getattr(handler, "__name__", "")]
    while ahead:
        node = functions.get(ahead.pop())
        names = {called(call) for call in ast.walk(node) if isinstance(call, ast.Call)} if node else set()
        ahead += names - seen
        seen |= names
    return seen
