"""Tables of characters: complete, and equal to Python's own string functions."""

from __future__ import annotations

import sys
import unicodedata
from typing import Literal

import numpy as np
import pytest

from gristmill.corpus.character_tables import assigned_characters, fold_table, folded_code_points, order_marks
from gristmill.corpus.words import words


def test_planes_left_out_of_the_tables_have_no_text() -> None:
    rest = set(map(chr, range(sys.maxunicode + 1))).difference(assigned_characters())
    assert {unicodedata.category(character) for character in rest} <= {"Cn", "Co"}
    assert not any(map(str.isspace, rest))
    assert not any(map(str.isnumeric, rest))


def test_folding_by_table_equals_folding_by_string_functions() -> None:
    """Every code point that the table changes, between two letters, against Python's own functions."""
    table = fold_table()
    for code in np.flatnonzero((table >= 0) & (table != np.arange(len(table)))).tolist():
        text = f"a{chr(code)}b"
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        assert words("".join(map(chr, folded_code_points(text)))) == words(folded), hex(code)
    unchanged = "".join(map(chr, np.flatnonzero(table == np.arange(len(table))).tolist()))
    assert unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", unchanged).casefold()) == unchanged


@pytest.mark.parametrize(
    "run",
    [
        pytest.param("\u0301\u0323", id="marks of two classes"),
        pytest.param("\u05b0\u0345\u0301", id="a mark that folds to a letter"),
        pytest.param("\u0344\u0323", id="a mark of two marks"),
        pytest.param("\u0f73", id="a character of two marks that is none itself"),
        pytest.param("\u0301\uff9e", id="a mark of half width"),
    ],
)
@pytest.mark.parametrize("length", [1, 24, 49, 50, 51, 200])
@pytest.mark.parametrize("form", ["NFD", "NFKD"])
def test_ordering_marks_keeps_the_normal_form(run: str, length: int, form: Literal["NFD", "NFKD"]) -> None:
    text = f"mill\u00e9{run * length}\u304b{run[::-1] * length}a {run}"
    ordered = order_marks(text, form)
    assert unicodedata.normalize(form, ordered) == unicodedata.normalize(form, text)
    assert form == "NFD" or (ordered == text) == (len(run) * length < 50)


@pytest.mark.parametrize("start", range(50))
def test_long_runs_of_marks_are_found_wherever_they_begin(start: int) -> None:
    assert order_marks("a" * start + "\u0301\u0323" * 25 + "a", "NFD").endswith("\u0323" * 25 + "\u0301" * 25 + "a")
