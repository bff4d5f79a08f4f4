"""Merged ranges: sorted and disjoint, each character with one kind."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.line_dedup.cut_ranges import SPAN, CutRanges, cuts_table, merge_ranges
from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH

Range = tuple[int, int, int, int]


def merge(ranges: list[Range]) -> list[Range]:
    found = merge_ranges(CutRanges(*np.array(ranges, np.int64).reshape(-1, 4).T))
    return list(zip(*(column.tolist() for column in found), strict=True))


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], []),
        ([(0, 5, 9, LINE), (0, 0, 4, LINE)], [(0, 0, 4, LINE), (0, 5, 9, LINE)]),
        ([(0, 4, 9, LINE), (0, 0, 4, LINE)], [(0, 0, 9, LINE)]),
        ([(0, 0, 4, LINE), (1, 4, 9, LINE)], [(0, 0, 4, LINE), (1, 4, 9, LINE)]),
        ([(0, 2, 4, LINE), (0, 0, 9, PARAGRAPH)], [(0, 0, 9, PARAGRAPH)]),
        ([(0, 0, 9, PARAGRAPH), (0, 9, 12, LINE)], [(0, 0, 9, PARAGRAPH), (0, 9, 12, LINE)]),
        ([(0, 2, 4, LINE), (0, 0, 9, SPAN)], [(0, 0, 2, SPAN), (0, 2, 4, LINE), (0, 4, 9, SPAN)]),
        ([(0, 2, 4, LINE), (0, 0, 4, SPAN)], [(0, 0, 2, SPAN), (0, 2, 4, LINE)]),
        ([(0, 2, 4, LINE), (0, 2, 4, SPAN)], [(0, 2, 4, LINE)]),
    ],
)
def test_merge_ranges(ranges: list[Range], expected: list[Range]) -> None:
    assert merge(ranges) == expected


def make_range(row: int, start: int, length: int, kind: int) -> Range:
    return row, start, start + length, kind


RANGES = st.builds(
    make_range, st.integers(0, 2), st.integers(0, 12), st.integers(1, 6), st.sampled_from([LINE, PARAGRAPH, SPAN])
)


@given(st.lists(RANGES, max_size=8))
def test_every_character_is_cut_once_with_the_first_kind_in_precedence(ranges: list[Range]) -> None:
    precedence = [PARAGRAPH, LINE, SPAN]
    painted = {}
    for row, start, end, kind in sorted(ranges, key=lambda own: -precedence.index(own[3])):
        painted.update({(row, place): kind for place in range(start, end)})
    found = merge(ranges)
    assert {(row, place): kind for row, start, end, kind in found for place in range(start, end)} == painted
    assert sum(end - start for _, start, end, _ in found) == len(painted)
    assert found == sorted(found)
    assert all(one[2] < two[1] for one, two in pairwise(found) if (one[0], one[3]) == (two[0], two[3]))
    assert merge(ranges[::-1]) == found


def test_rows_without_cuts_have_empty_lists() -> None:
    table = cuts_table(CutRanges(*np.array([[1, 0, 4, LINE], [1, 4, 5, SPAN], [3, 2, 3, PARAGRAPH]]).T), 5)
    rows = [[(cut["entity"], cut["start"], cut["end"]) for cut in row] for row in table["repeated"].to_pylist()]
    assert rows == [
        [],
        [("repeated_line", 0, 4), ("repeated_span", 4, 5)],
        [],
        [("repeated_paragraph", 2, 3)],
        [],
    ]
