"""Code points that ``gigatoken`` and ``tokenizers`` class differently: the table, and finding texts that hold one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from gristmill.tokenization.code_points import DIFFERING, differing_rows
from gristmill.tokenization.derive_code_points import all_code_points, differing_ranges, probe_tokenizer
from gristmill.tokenization.giga_encoder import text_buffers
from gristmill.tokenization.pre_tokenization import pre_tokenizer

IN_TABLE = [code for first, last in DIFFERING for code in range(first, last + 1)]
BESIDE = [code for first, last in DIFFERING for code in (first - 1, last + 1) if code not in IN_TABLE]


PATTERNS = {
    "three digits": pre_tokenizer(3),
    "one digit": pre_tokenizer(1),
    "GPT-2": pre_tokenizers.ByteLevel(add_prefix_space=False),
}


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_table_holds_every_code_point_that_the_libraries_class_differently(pattern: Any) -> None:
    assert differing_ranges(probe_tokenizer(pattern), all_code_points()) == list(DIFFERING)


def test_the_table_holds_every_code_point_in_planes_with_letters() -> None:
    assert len(IN_TABLE) == 4657
    codes = [code for code in all_code_points() if code < 0x40000 and not 0x20000 <= code < 0x2A000]
    assert differing_ranges(probe_tokenizer(pre_tokenizer(3)), codes) == list(DIFFERING)


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_table_holds_for_every_pattern_at_the_ends_of_its_ranges(pattern: Any) -> None:
    codes = sorted({*IN_TABLE[:500], *BESIDE, *range(0x3400)})
    assert differing_ranges(probe_tokenizer(pattern), codes) == _ranges(IN_TABLE[:500])


def _ranges(codes: list[int]) -> list[tuple[int, int]]:
    starts = [code for code in codes if code - 1 not in codes]
    return list(zip(starts, [code for code in codes if code + 1 not in codes], strict=True))


def test_an_ordinary_vocabulary_would_show_nothing(tokenizer_json: str) -> None:
    assert differing_ranges(tokenizer_json, IN_TABLE[:40]) == []
    assert len(json.loads(probe_tokenizer(pre_tokenizer(3)))["model"]["merges"]) > 1000


def rows_of(texts: list[str]) -> list[int]:
    return differing_rows(*text_buffers(pa.array(texts, pa.large_string()))).tolist()


@given(
    st.lists(
        st.text(
            st.one_of(st.sampled_from(list(map(chr, IN_TABLE + BESIDE))), st.characters(exclude_categories=["Cs"]))
        ),
        min_size=1,
        max_size=8,
    )
)
def test_texts_with_such_a_code_point_are_found(texts: list[str]) -> None:
    table = set(map(chr, IN_TABLE))
    assert rows_of(texts) == [row for row, text in enumerate(texts) if table & set(text)]


@pytest.mark.parametrize("code", [code for ends in DIFFERING for code in ends])
def test_the_ends_of_each_range_are_found_across_blocks(code: int) -> None:
    filler = "x" * ((1 << 16) - 2)  # the character lies across the end of a block
    assert rows_of(["", filler + chr(code), "z", chr(code)]) == [1, 3]
    assert rows_of([filler, "y"]) == []


@pytest.mark.parametrize("code", BESIDE)
def test_the_neighbours_of_a_range_are_not_found(code: int) -> None:
    assert rows_of([chr(code)]) == []


def test_no_text_is_found_in_texts_without_characters() -> None:
    assert differing_rows(np.empty(0, np.uint8), np.array([0, 0])).tolist() == []
