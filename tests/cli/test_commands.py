"""Each command against a real server: what it prints in a pipe and as JSON, and its exit code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from engine.settings import child_environment
from tests.cli.conftest import ROOT, Tidegate, end_job
from tests.support.product import CAPTURE, Product, batch, person
from tests.support.wait import until

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "workflow.json"

pytestmark = pytest.mark.usefixtures("server")


def test_a_list_in_a_pipe_is_tsv_without_a_header_and_untruncated(tidegate: Tidegate, product: Product) -> None:
    product.add_people(1, properties={"note": "x" * 300})
    said = tidegate("people", "list")
    assert said.code == 0
    assert len(said.rows) == 1
    assert "x" * 300 in said.rows[0][-1]
    assert said.err == ""


def test_tabs_and_line_ends_in_values_do_not_break_the_rows(tidegate: Tidegate, product: Product) -> None:
    product.add_people(1, distinct_id="a\tb\nc")
    said = tidegate("people", "list")
    assert [row[1] for row in said.rows] == [r"a\tb\nc"]


def test_a_list_as_json_is_one_document(tidegate: Tidegate, product: Product) -> None:
    product.add_people(3)
    said = tidegate("people", "list", "--limit", "2", "--json")
    assert [row["distinct_id"] for row in said.json["data"]] == ["p1", "p2"]
    rest = tidegate("people", "list", "--after", said.json["next_cursor"], "--json")
    assert [row["distinct_id"] for row in rest.json["data"]] == ["p3"]
    assert rest.json["next_cursor"] is None


def test_a_list_of_everything_walks_all_pages(tidegate: Tidegate, product: Product) -> None:
    product.add_people(450)
    said = tidegate("people", "list", "--all")
    assert len(said.rows) == 450
    assert len(tidegate("people", "list", "--all", "--json").json["data"]) == 450


def test_a_list_that_stops_early_says_on_stderr_how_to_go_on(tidegate: Tidegate, product: Product) -> None:
    product.add_people(3)
    said = tidegate("people", "list", "--limit", "2")
    assert len(said.rows) == 2
    assert "--after" in said.err


def test_people_are_imported_from_csv_with_renamed_columns(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Id,Email\nu1,u1@example.com\nu2,u2@example.com\n")
    said = tidegate("people", "import", str(file), "--map", "Id=distinct_id", "--map", "Email=email", "--json")
    assert said.code == 0, said
    assert said.json["inserted"] == 2
    assert tidegate("people", "show", "u2", "--json").json["email"] == "u2@example.com"


def test_a_dry_run_imports_nobody(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "people.jsonl"
    file.write_text('{"distinct_id": "u1"}\n')
    assert tidegate("people", "import", str(file), "--dry-run", "--json").json["dry_run"] is True
    assert tidegate("people", "list").rows == []


def test_a_bad_row_refuses_the_whole_file_and_names_the_line(tidegate: Tidegate, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("distinct_id,email\nu1,u1@example.com\n,u2@example.com\n")
    said = tidegate("people", "import", str(file))
    assert said.code == 2
    assert "people.rejected" in said.err
    assert "3" in said.err
    assert tidegate("people", "list").rows == []


def test_an_unknown_person_is_not_found(tidegate: Tidegate) -> None:
    assert tidegate("people", "show", "nobody").code == 3
    assert tidegate("people", "show", "4711").code == 3


def test_a_workflow_is_created_enabled_sized_updated_and_archived(tidegate: Tidegate, tmp_path: Path) -> None:
    created = tidegate("workflows", "create", str(EXAMPLE), "--json")
    assert created.code == 0, created
    workflow = created.json["workflow_id"]
    change = tmp_path / "change.json"
    change.write_text(json.dumps({"name": "Another name"}))
    assert tidegate("workflows", "update", workflow, str(change)).code == 0
    # What is there already is shown as its view has it; only what is not there yet is waited for.
    until(
        lambda: tidegate("workflows", "show", workflow, "--json").json["name"] == "Another name",
        seconds=20,
        what="the new name",
    )
    assert tidegate("workflows", "enable", workflow).code == 0
    assert tidegate("workflows", "size", workflow, "--json").json["affected"] == 0
    assert tidegate("workflows", "disable", workflow, "--reason", "later").code == 0
    assert tidegate("workflows", "archive", workflow).code == 0
    until(lambda: tidegate("workflows", "list", "--status", "archived").rows, seconds=20, what="the view")
    assert tidegate("workflows", "list", "--status", "archived").rows[0][0] == workflow


def test_an_edit_against_an_old_version_is_a_conflict(tidegate: Tidegate, tmp_path: Path) -> None:
    workflow = tidegate("workflows", "create", str(EXAMPLE), "--json").json["workflow_id"]
    change = tmp_path / "change.json"
    change.write_text('{"name": "Another name"}')
    assert tidegate("workflows", "update", workflow, str(change), "--version", "7").code == 5


def test_every_problem_of_a_workflow_is_told_with_its_pointer(tidegate: Tidegate, tmp_path: Path) -> None:
    content = json.loads(EXAMPLE.read_text())
    content["steps"][1]["config"]["url"] = "nowhere"
    content["edges"].append({"from": "tell_crm", "to": "missing"})
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(content))
    said = tidegate("workflows", "create", str(file))
    assert said.code == 2
    assert "/steps/1/config/url" in said.err
    assert "/edges/3" in said.err
    assert "next:" in said.err
    assert len(tidegate("workflows", "create", str(file), "--json").json["errors"]) >= 2


def test_sizing_tells_who_is_left_out_and_why(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    product.execute("UPDATE people SET opted_out_at = now() WHERE distinct_id = 'p1'")
    workflow = product.workflow(trigger=batch(person("plan", "exact", "pro")))
    said = dict(tidegate("workflows", "size", str(workflow)).rows)
    assert (said["matched"], said["excluded: opted_out"], said["affected"]) == ("2", "1", "1")


def test_a_batch_runs_for_the_number_that_was_confirmed(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    workflow = str(product.workflow())
    said = tidegate("batch", "run", workflow, "--confirm", "4", "--json")
    assert said.code == 0, said
    job = said.json["batch_job_id"]
    product.catch_up()
    assert [row[0] for row in tidegate("batch", "list", "--workflow", workflow).rows] == [job]
    assert tidegate("batch", "show", job, "--json").json["acknowledged"] == 4


def test_another_number_is_drift_and_starts_nothing(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    said = tidegate("batch", "run", str(product.workflow()), "--confirm", "3")
    assert said.code == 5
    assert said.err.startswith("audience.drift: ")
    assert tidegate("batch", "list").rows == []


def test_without_a_number_and_without_a_terminal_nothing_is_asked_and_nothing_starts(
    tidegate: Tidegate, product: Product
) -> None:
    product.add_people(4)
    said = tidegate("batch", "run", str(product.workflow()))
    assert said.code == 2
    assert "--confirm" in said.err


def test_a_workflow_that_is_not_active_is_a_conflict(tidegate: Tidegate, product: Product) -> None:
    product.add_people(1)
    assert tidegate("batch", "run", str(product.workflow(active=False)), "--confirm", "1").code == 5


def test_nobody_to_reach_is_refused_by_policy(tidegate: Tidegate, product: Product) -> None:
    assert tidegate("batch", "run", str(product.workflow()), "--confirm", "0").code == 7


def test_watching_a_job_that_completes_is_done(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    job = str(product.run(product.workflow()))
    end_job(product, job, delivered=4)
    said = tidegate("batch", "watch", job)
    assert said.code == 0
    assert "status=completed enrolled=4 delivered=4" in said.err
    assert said.out == ""


def test_watching_a_job_with_failures_has_an_exit_code_of_its_own(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    job = str(product.run(product.workflow()))
    end_job(product, job, delivered=3, failed=1)
    said = tidegate("batch", "watch", job, "--json")
    assert said.code == 9
    assert [json.loads(line)["status"] for line in said.out.splitlines()] == ["completed_with_failures"]


def test_a_wait_that_ends_before_the_job_says_that_it_still_runs(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    job = str(product.run(product.workflow()))
    said = tidegate("batch", "watch", job, "--timeout", "0")
    assert said.code == 8
    assert "Still queued" in said.err


def test_an_interrupted_watch_lets_the_job_go_on_and_says_how_to_return(product: Product, server: str) -> None:
    product.add_people(4)
    job = str(product.run(product.workflow()))
    environment = child_environment(TIDEGATE_URL=server, TIDEGATE_API_KEY=product.owner_key)
    argv = [sys.executable, "-m", "engine.cli", "batch", "watch", job]
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "status=queued" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
        assert process.wait(timeout=30) == 130
    assert f"tidegate batch watch {job}" in told
    assert f"tidegate batch cancel {job}" in told
    assert product.job(UUID(job))["status"] == "queued"


def test_a_cancelled_job_did_not_do_what_was_asked(tidegate: Tidegate, product: Product) -> None:
    product.add_people(4)
    job = str(product.run(product.workflow()))
    cancelled = tidegate("batch", "cancel", job, "--reason", "wrong audience", "--json")
    assert (cancelled.code, cancelled.json["status"]) == (0, "cancelled")
    product.catch_up()
    assert tidegate("batch", "watch", job).code == 1


def test_the_ledger_is_listed_person_by_person(tidegate: Tidegate, product: Product) -> None:
    product.add_people(2)
    job = product.run(product.workflow(steps=[CAPTURE]))
    product.execute("INSERT INTO chunks (job_id, number, person_ids, size) SELECT :id, 0, array_agg(id), 2 FROM people",
                    id=job)  # fmt: skip
    assert [row[1:3] for row in tidegate("batch", "runs", str(job)).rows] == [["p1", "pending"], ["p2", "pending"]]


def test_a_cohort_is_created_and_listed(tidegate: Tidegate) -> None:
    conditions = json.dumps([person("plan", "exact", "pro")])
    made = tidegate("cohorts", "create", "Payers", "--conditions", conditions, "--json")
    assert made.code == 0, made
    assert tidegate("cohorts", "list").rows[0][:3] == [made.json["cohort_id"], "Payers", "dynamic"]


def test_the_views_say_how_far_they_are(tidegate: Tidegate) -> None:
    assert "workflows" in {row[0] for row in tidegate("views", "list").rows}


def test_an_unknown_job_is_not_found(tidegate: Tidegate) -> None:
    for command in (["show"], ["watch"], ["runs"], ["cancel", "--reason", "x"]):
        said = tidegate("batch", command[0], "01a1fcaf-cbd8-7bca-ab46-4fd488ca31ee", *command[1:])
        assert said.code == 3, (command, said)
        assert said.err.startswith("batch_job.not_found: ")
