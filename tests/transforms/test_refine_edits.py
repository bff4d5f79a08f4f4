"""Edits: applied to a text, and kept in a sidecar that gives nothing away."""

from __future__ import annotations

import pytest

from gristmill.transforms.refine.edits import Span, apply_edits, edit_row

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


def test_a_sidecar_row_holds_places_and_kinds_only() -> None:
    assert edit_row([Span(1, 4, "A", 0.5)]) == [{"start": 1, "end": 4, "entity": "A"}]
    assert edit_row([]) == []
