"""What steps came to, counted from notes."""

from __future__ import annotations

from aggregates.walk.entry import Entry
from workers.noted import Noted, failures, noted

WAITED = {"step": "wait", "outcome": "waited", "until": "2026-01-01"}
AGAIN = {"step": "call", "outcome": "retry", "reason": "http.503", "attempts": 1}
FAILED = {"step": "call", "outcome": "failed", "reason": "http.503", "attempts": 2}


def test_a_note_of_many_counts_for_each_of_them() -> None:
    assert noted([Entry("waiting", [1, 2, 3], [WAITED])]) == {Noted("wait", "waited"): 3}


def test_only_the_last_note_of_a_run_that_failed_has_ended_it() -> None:
    found = noted([Entry("failed", [1, 2], [AGAIN, FAILED]), Entry("delivered", [3], [FAILED])])
    assert found == {
        Noted("call", "retry", "http.503"): 2,
        Noted("call", "failed", "http.503", ended=True): 2,
        Noted("call", "failed", "http.503"): 1,
    }


def test_what_only_some_went_through_is_theirs_alone() -> None:
    found = noted([Entry("failed", [1, 2, 3], [WAITED], own={1: [FAILED], 2: []}, reason="http.503")])
    # Those without a note of their own ended with the note of all.
    assert found == {
        Noted("wait", "waited"): 1,
        Noted("wait", "waited", ended=True): 2,
        Noted("call", "failed", "http.503", ended=True): 1,
    }


def test_failures_are_runs_that_ended_that_went_on_and_attempts_that_are_repeated() -> None:
    found = noted(
        [Entry("failed", [1], [FAILED]), Entry("waiting", [2, 3], [AGAIN]), Entry("delivered", [4, 5, 6], [FAILED])]
    )
    assert failures(found, {"call": "example.com"}) == {
        ("call", "http.503", "example.com", "failed"): 1,
        ("call", "http.503", "example.com", "retried"): 2,
        ("call", "http.503", "example.com", "went_on"): 3,
    }
    assert failures(noted([Entry("waiting", [1], [WAITED])]), {}) == {}
