from __future__ import annotations

from uuid import UUID

from engine.ids import derived_id, jitter, new_id, new_secret


def test_new_ids_are_version_7_and_all_different() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {(id.version, id.variant) for id in ids} == {(7, "specified in RFC 4122")}


def test_the_same_parts_give_the_same_id_for_ever() -> None:
    assert derived_id("run", 7) == UUID("53216f7e-e836-535c-9b32-ac9751593f49")


def test_parts_do_not_run_into_each_other() -> None:
    assert derived_id("ab", "c") != derived_id("a", "bc")


def test_a_secret_has_256_bits() -> None:
    assert len(new_secret()) == 43
    assert new_secret() != new_secret()


def test_jitter_waits_at_least_half() -> None:
    assert all(1.0 <= jitter(2.0) <= 2.0 for _ in range(100))
