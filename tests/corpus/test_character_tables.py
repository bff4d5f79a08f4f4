"""Tables of characters: complete, and equal to Python's own string functions."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np

from gristmill.corpus.character_tables import assigned_characters, fold_table, folded_code_points
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
