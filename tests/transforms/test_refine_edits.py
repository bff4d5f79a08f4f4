"""Edits: applied to a text, and kept in a sidecar that gives nothing away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.refine.edits import EDITS_SCHEMA, Span, apply_edits, edit_rows, spans_of

TOKENS = {"A": "<A>", "B": ""}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], "0123456789"),
        ([Span(0, 10, "A", 1)], "<A>"),
        ([Span(0, 1, "A", 1), Span(1, 2, "B", 1)], "<A>23456789"),
        ([Span(8, 10, "A", 1)], "01234567<A>"),
    ],
)
def test_apply(spans: list[Span], expected: str) -> None:
    assert apply_edits("0123456789", spans, TOKENS) == expected


@pytest.mark.parametrize(
    "spans",
    [
        [Span(0, 2, "A", 1), Span(1, 3, "A", 1)],
        [Span(4, 5, "A", 1), Span(1, 2, "A", 1)],
        [Span(9, 11, "A", 1)],
        [Span(3, 3, "A", 1)],
    ],
)
def test_apply_refuses_what_overlaps_or_lies_outside(spans: list[Span]) -> None:
    with pytest.raises(ValueError, match="out of order or out of a text of 10 characters"):
        apply_edits("0123456789", spans, TOKENS)


ROWS = st.lists(
    st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 99), st.sampled_from("AB")), max_size=4), max_size=6
)


@given(ROWS)
def test_sidecar_round_trip(rows: list[list[tuple[int, int, str]]]) -> None:
    documents = [[Span(start, start + length, entity, 1.0) for start, length, entity in row] for row in rows]
    batch = edit_rows(documents)
    assert batch.schema == EDITS_SCHEMA
    assert [spans_of(batch, row) for row in range(batch.num_rows)] == documents


def test_sidecar_holds_places_and_kinds_only() -> None:
    assert edit_rows([[Span(1, 4, "A", 0.5)], []]).to_pylist() == [
        {"edits": [{"start": 1, "end": 4, "entity": "A"}]},
        {"edits": []},
    ]
