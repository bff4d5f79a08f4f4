"""Groups of units by bytes of text, and the fragments between cuts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.transforms.line_dedup.cut_ranges import CutRanges
from gristmill.transforms.line_dedup.passage_hashes import LINE
from gristmill.transforms.line_dedup.span_groups import _fragments, unit_groups


@pytest.mark.parametrize(
    ("sizes", "group_bytes", "groups"),
    [
        ([], 10, []),
        ([5, 5], 10, [0, 0]),
        ([5, 6], 10, [0, 1]),
        ([11, 1, 11, 0], 10, [0, 1, 2, 3]),
        ([0, 0, 10, 0, 1], 10, [0, 0, 0, 0, 1]),
        ([3, 3], 0, [0, 1]),
    ],
)
def test_units_are_grouped_while_their_text_fits(sizes: list[int], group_bytes: int, groups: list[int]) -> None:
    assert unit_groups(sizes, group_bytes) == groups


@given(st.lists(st.lists(st.sampled_from("aé🙂"), min_size=1, max_size=9), max_size=5), st.data())
def test_fragments_and_cuts_together_are_the_text(letters: list[list[str]], data: st.DataObject) -> None:
    texts = ["".join(own) for own in letters]
    row = np.arange(len(texts)) * 2 + 1  # the documents between them are not searched
    cuts = []
    for number, text in enumerate(texts):
        bounds = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=4)))
        cuts += [(2 * number + 1, *own, LINE) for own in zip(bounds[::2], bounds[1::2], strict=False)]
    cut = CutRanges(*np.array(cuts, np.int64).reshape(-1, 4).T)
    fragments, of, start = _fragments(pa.array(texts, pa.large_string()), row, cut)
    found = [[" "] * len(text) for text in texts]
    for fragment, number, begin in zip(fragments.to_pylist(), of.tolist(), start.tolist(), strict=True):
        found[number][begin : begin + len(fragment)] = fragment
    for place, begin, end, _ in cuts:
        assert found[place // 2][begin:end] == [" "] * (end - begin)
        found[place // 2][begin:end] = texts[place // 2][begin:end]
    assert found == [list(text) for text in texts]
    assert len(of) == len(texts) + len(cuts)
