"""Hashing UTF-8 in one pass equals hashing by arrays, compiled or not."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.corpus import hashed_words
from gristmill.corpus.arrays import UInt8s
from gristmill.corpus.character_tables import AS_MARK, MARK, fold_table, kind_table
from gristmill.corpus.multilinear_hash import usual_multipliers
from gristmill.corpus.words import hashes_of_texts, word_hasher, word_hashes
from tests.compiled_modules import needs_compiler, uncompiled

SPECIAL = (
    "aZ9 .,-'\n\0\x7f\u00e9\u00ad\u00b2\u0130\u017f\u01c5\u0301\u05b0\u0627\u0e01\u0e33\u1100\u1161"
    "\u3042\u3099\u4e2d\u6587\uac00\ufb01\uff21\U0001f600\U00020000"
)
"""Letters, digits, marks, scripts without spaces, and characters that fold, expand, compose or are invisible."""

TEXTS = st.lists(
    st.one_of(st.text(SPECIAL, max_size=40), st.text(st.characters(exclude_categories=["Cs"]), max_size=12)), max_size=8
)


def utf8(texts: list[str]) -> tuple[UInt8s, list[int]]:
    encoded = [text.encode() for text in texts]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([0, *map(len, encoded)]).tolist()


def tables() -> list[Any]:
    """The tables of a hasher that knows words of at most 20 characters."""
    return [fold_table(), kind_table(), AS_MARK, usual_multipliers()[:20]]


@cache
def tables_as_lists() -> list[list[int]]:
    return [table.tolist() for table in tables()]


def hasher(module: ModuleType, tables: list[Any]) -> Any:
    folds, kinds, as_mark, multipliers = tables
    return module.WordHasher(folds, kinds, as_mark, MARK, multipliers)


@settings(max_examples=300)
@given(TEXTS)
@example(["a" * 5000, "b " * 9])
@example(["\ufdfa" * 9, "x"])
def test_hashing_utf8_equals_hashing_text(texts: list[str]) -> None:
    hashes, counts = hashes_of_texts(*utf8(texts))
    expected = [word_hashes(text).tolist() for text in texts]
    assert counts.tolist() == list(map(len, expected))
    assert hashes.tolist() == [value for of_text in expected for value in of_text]


@needs_compiler
@settings(max_examples=60)
@given(st.text(SPECIAL, max_size=40))
def test_hashes_of_a_text_are_equal_without_a_compiler(text: str) -> None:
    data, (_, end) = utf8([text])
    compiled = np.zeros(len(data) + 2, np.uint64)
    count = hasher(hashed_words, tables()).hash_text(data, 0, end, compiled, 1)
    plain = [0] * len(compiled)
    assert hasher(uncompiled(hashed_words), tables_as_lists()).hash_text(data.tobytes(), 0, end, plain, 1) == count
    assert plain == compiled.tolist()


@needs_compiler
@settings(max_examples=60)
@given(TEXTS, st.integers(0, 3))
def test_hashes_of_many_texts_are_equal_without_a_compiler(texts: list[str], first: int) -> None:
    data, ends = utf8(texts)
    first = min(first, len(texts))
    compiled, counts = np.zeros(len(data) + len(ends), np.uint64), np.zeros(len(texts), np.int64)
    reached = hasher(hashed_words, tables()).hash_texts(data, np.array(ends), first, compiled, 1, counts)
    plain, plain_counts = [0] * len(compiled), [0] * len(texts)
    plain_hasher = hasher(uncompiled(hashed_words), tables_as_lists())
    assert plain_hasher.hash_texts(data.tobytes(), ends, first, plain, 1, plain_counts) == reached
    assert plain[: 1 + sum(plain_counts)] == compiled[: 1 + counts.sum()].tolist()
    assert plain_counts == counts.tolist()
    if reached < len(texts):
        begin, end = ends[reached : reached + 2]
        assert hasher(hashed_words, tables()).hash_text(data, begin, end, compiled, 0) == -1


@pytest.mark.parametrize(("characters", "count"), [(4096, 1), (4097, -1)])
def test_a_word_longer_than_the_multipliers_is_left_to_numpy(characters: int, count: int) -> None:
    data, (_, end) = utf8(["x" * characters])
    assert word_hasher().hash_text(data, 0, end, np.zeros(characters, np.uint64), 0) == count
