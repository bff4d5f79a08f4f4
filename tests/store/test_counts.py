"""Books and the ledger: a single record astray is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.store.counts import RecordCounts, total
from gristmill.store.ledger import Line, imbalances, ledger

COUNTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 100))


@st.composite
def balanced_books(draw: st.DrawFn) -> RecordCounts:
    kept, dropped, failed = draw(st.integers(0, 1000)), draw(COUNTS), draw(COUNTS)
    rows = kept + sum(dropped.values()) + sum(failed.values())
    return RecordCounts(rows, kept, dropped, failed, rows, rows)


@given(st.lists(balanced_books(), max_size=5))
def test_sums_of_balanced_books_balance(books: list[RecordCounts]) -> None:
    assert total(books).balanced
    assert total(books).records == sum(one.records for one in books)


@given(balanced_books(), st.sampled_from(["records", "kept", "covered", "expected"]), st.sampled_from([-1, 1]))
def test_one_record_astray_is_seen(books: RecordCounts, where: str, by: int) -> None:
    assert not books._replace(**{where: getattr(books, where) + by}).balanced


@given(balanced_books())
def test_books_survive_json(books: RecordCounts) -> None:
    assert RecordCounts.from_json(books.as_json()) == books


@pytest.mark.parametrize(("upstream_kept", "balanced"), [(4, False), (5, True), (6, False)])
def test_a_stage_takes_in_what_the_one_before_kept(upstream_kept: int, balanced: bool) -> None:
    lines = [
        Line("extract", RecordCounts.of_rows(upstream_kept, upstream_kept), "records"),
        Line("judge", RecordCounts.of_rows(5, 5, {"words_min": 2}), "documents", takes_from="extract"),
    ]
    assert ledger(lines)["balanced"] is balanced
    assert len(imbalances(lines)) == (0 if balanced else 1)


def test_dropped_rows_are_taken_from_what_is_kept() -> None:
    assert RecordCounts.of_rows(10, 10, {"b": 2, "a": 1}) == RecordCounts(10, 7, {"a": 1, "b": 2}, {}, 10, 10)
