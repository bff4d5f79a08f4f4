"""Edits: applying them to a text, mapping their offsets, and the sidecar row that discloses no text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.core.edits import Span, apply_edits, edit_rows, merge_with_cuts
from gristmill.transforms.refine.refine_section import RefineSection
from gristmill.transforms.refine.refiner import Refiner

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
def test_apply_edits(spans: list[Span], expected: str) -> None:
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
def test_apply_edits_rejects_spans_that_overlap_or_exceed_the_text(spans: list[Span]) -> None:
    with pytest.raises(ValueError, match="out of order or exceeds the text's 10 characters"):
        apply_edits("0123456789", spans, TOKENS)


def test_a_sidecar_row_holds_offsets_and_entities_only() -> None:
    assert edit_rows([Span(1, 4, "A", 0.5)]) == [{"start": 1, "end": 4, "entity": "A"}]
    assert edit_rows([]) == []


@st.composite
def disjoint_spans(draw: st.DrawFn, length: int, entity: str) -> list[Span]:
    """Sorted, disjoint spans of a text of ``length`` characters."""
    bounds = sorted(draw(st.sets(st.integers(0, length), max_size=8)))
    return [Span(start, end, entity, 1) for start, end in zip(bounds[::2], bounds[1::2], strict=False)]


@given(st.data())
def test_merging_with_cuts_gives_the_same_text_as_editing_after_the_cuts(data: st.DataObject) -> None:
    text = "0123456789abcdefghij"
    cuts = data.draw(disjoint_spans(len(text), "B"))
    after = apply_edits(text, cuts, TOKENS)
    spans = data.draw(disjoint_spans(len(after), "A"))
    assert apply_edits(text, merge_with_cuts(spans, cuts), TOKENS) == apply_edits(after, spans, TOKENS)


def test_lines_are_cut_before_redaction() -> None:
    refiner = Refiner(RefineSection(), None)
    text = "Menu\nWrite to someone@example.org now.[1]\n12 likes"
    cuts = [
        {"start": 0, "end": 5, "rule": "one_word"},
        {"start": 38, "end": 41, "rule": "citations"},
        {"start": 42, "end": 50, "rule": "counter"},
    ]
    refined = refiner.refine(text, "web", cuts)
    assert refined.text == "Write to <EMAIL_ADDRESS> now.\n"
    assert [(span.start, span.end, span.entity) for span in refined.spans] == [
        (0, 5, "one_word"),
        (14, 33, "EMAIL_ADDRESS"),
        (38, 41, "citations"),
        (42, 50, "counter"),
    ]


def test_a_document_without_remaining_text_is_dropped() -> None:
    refined = Refiner(RefineSection(), None).refine("Menu\n", "web", [{"start": 0, "end": 4, "rule": "one_word"}])
    assert (refined.text, refined.reason) == (None, "nothing_left")
    assert Refiner(RefineSection(), None).refine("", "web").text == ""
