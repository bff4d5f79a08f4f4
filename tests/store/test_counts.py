"""Record counts and the ledger: one missing or surplus record is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import RunError
from gristmill.store.counts import RecordCounts, total_counts
from gristmill.store.ledger import LedgerLine, build_ledger, find_imbalances

REASONS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 100))
BALANCED = RecordCounts(10, 5, {"a": 2, "b": 1}, {"c": 2}, 80, 80)


@st.composite
def balanced_counts(draw: st.DrawFn) -> RecordCounts:
    kept, dropped, failed = draw(st.integers(0, 1000)), draw(REASONS), draw(REASONS)
    records = kept + sum(dropped.values()) + sum(failed.values())
    size = draw(st.integers(0, 1000))
    return RecordCounts(records, kept, dropped, failed, size, size)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=5))
def test_sums_of_covered_and_expected_are_separate(sizes: list[tuple[int, int]]) -> None:
    total = total_counts(BALANCED._replace(covered=covered, expected=expected) for covered, expected in sizes)
    assert (total.covered, total.expected) == (sum(c for c, _ in sizes), sum(e for _, e in sizes))


def sums(counts: list[RecordCounts], field: str) -> dict[str, int]:
    reasons = [getattr(unit, field) for unit in counts]
    return {name: sum(unit.get(name, 0) for unit in reasons) for name in sorted({n for unit in reasons for n in unit})}


@given(st.lists(balanced_counts(), max_size=5))
def test_sums_of_balanced_counts_balance(counts: list[RecordCounts]) -> None:
    total = total_counts(counts)
    assert total.balanced
    for field in ("records", "kept", "covered", "expected"):
        assert getattr(total, field) == sum(getattr(unit, field) for unit in counts)
    assert (total.dropped, total.failed) == (sums(counts, "dropped"), sums(counts, "failed"))
    assert list(total.dropped) == sorted(total.dropped)
    assert list(total.failed) == sorted(total.failed)


@given(balanced_counts(), st.sampled_from(["records", "kept", "covered", "expected"]), st.sampled_from([-1, 1]))
def test_one_record_too_many_or_too_few_is_noticed(counts: RecordCounts, field: str, difference: int) -> None:
    assert not counts._replace(**{field: getattr(counts, field) + difference}).balanced


@pytest.mark.parametrize(
    ("changes", "balanced"),
    [
        ({}, True),
        ({"records": 11}, False),
        ({"kept": 4}, False),
        ({"dropped": {"a": 2}}, False),
        ({"dropped": {"a": 2, "b": 2}}, False),
        ({"failed": {}}, False),
        ({"failed": {"c": 3}}, False),
        ({"covered": 79}, False),
        ({"covered": 81}, False),
        ({"covered": 81, "expected": 81}, True),
        ({"records": 5, "kept": 0}, True),
        ({"records": 4, "kept": -1}, False),  # the equation holds, but no number of records is negative
    ],
)
def test_every_clause_of_the_balance(changes: dict[str, object], balanced: bool) -> None:
    assert BALANCED._replace(**changes).balanced is balanced


def test_required_balance() -> None:
    assert BALANCED.require_balance("unit a") is BALANCED
    with pytest.raises(RunError, match=r"the record counts of unit a do not balance: RecordCounts\(records=11"):
        BALANCED._replace(records=11).require_balance("unit a")


@given(balanced_counts())
def test_counts_survive_json(counts: RecordCounts) -> None:
    assert RecordCounts.from_json(counts.as_json()) == counts


def test_json_fields() -> None:
    data = RecordCounts(10, 5, {"b": 1, "a": 2}, {"d": 1, "c": 1}, 80, 90).as_json()
    reasons = {"dropped": {"a": 2, "b": 1}, "failed": {"c": 1, "d": 1}}
    assert data == {"in": 10, "kept": 5, **reasons, "covered": 80, "expected": 90}
    assert (list(data["dropped"]), list(data["failed"])) == (["a", "b"], ["c", "d"])


def test_rows_that_are_not_dropped_are_kept() -> None:
    counts = RecordCounts.of_rows(10, 12, {"b": 2, "a": 1})
    assert counts == RecordCounts(10, 7, {"a": 1, "b": 2}, {}, 10, 12)
    assert list(counts.dropped) == ["a", "b"]
    assert RecordCounts.of_rows(3, 3) == RecordCounts(3, 3, {}, {}, 3, 3)


def two_stages(upstream_kept: int, read: int = 5) -> list[LedgerLine]:
    return [
        LedgerLine("extract", RecordCounts.of_rows(upstream_kept + 1, upstream_kept + 1, {"short": 1}), "records"),
        LedgerLine("judge", RecordCounts.of_rows(read, read, {"words_min": 2}), "documents", takes_from="extract"),
    ]


@pytest.mark.parametrize(("upstream_kept", "balanced"), [(4, False), (5, True), (6, False)])
def test_a_stage_reads_what_its_upstream_stage_kept(upstream_kept: int, balanced: bool) -> None:
    ledger = build_ledger(two_stages(upstream_kept))
    assert ledger["balanced"] is balanced
    assert ledger["imbalances"] == ([] if balanced else [f"judge read 5, but extract kept {upstream_kept}"])


def test_a_stage_without_an_upstream_stage_reads_any_number() -> None:
    extract, judge = two_stages(6)
    assert find_imbalances([extract, judge._replace(takes_from=None)]) == []


def test_an_upstream_stage_that_is_not_in_the_ledger_is_an_imbalance() -> None:
    assert find_imbalances(two_stages(5)[1:]) == ["judge read 5, but extract kept None"]


def test_a_stage_that_does_not_balance_is_named() -> None:
    extract, judge = two_stages(5)
    short = judge._replace(counts=judge.counts._replace(covered=4))
    (sentence,) = find_imbalances([extract, short])
    assert sentence.startswith("judge: in ≠ kept + dropped + failed, or input was skipped: RecordCounts(records=5")


def test_ledger_fields() -> None:
    assert build_ledger(two_stages(5)[1:])["stages"] == [
        {
            "stage": "judge",
            "counts": "documents",
            "takes_from": "extract",
            "in": 5,
            "kept": 3,
            "dropped": {"words_min": 2},
            "failed": {},
            "covered": 5,
            "expected": 5,
            "groups": [],
        }
    ]
