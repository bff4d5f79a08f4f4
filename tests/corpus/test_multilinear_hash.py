"""Hashes of shingles and of sequences of words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.corpus.multilinear_hash import sequence_hashes, shingle_hashes, shingle_hashes_at
from gristmill.corpus.words import word_hashes


@pytest.mark.parametrize(("count", "n", "expected"), [(0, 3, 0), (1, 3, 1), (2, 3, 1), (3, 3, 1), (4, 3, 2), (4, 1, 4)])
def test_number_of_shingles(count: int, n: int, expected: int) -> None:
    assert len(shingle_hashes(word_hashes("a b c d e f"[: 2 * count]), n)) == expected


def test_shingles_depend_on_the_order_of_words() -> None:
    shingles = shingle_hashes(word_hashes("a b c d a b c d b a"), 2)
    assert shingles[0] == shingles[4] == shingle_hashes(word_hashes("A, b"), 2)[0]
    assert shingles[0] != shingles[8]
    assert shingle_hashes(word_hashes("a b"), 2)[0] != shingle_hashes(word_hashes("a"), 2)[0]


def test_shingles_have_at_least_one_word() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        shingle_hashes(word_hashes("a"), 0)


def test_shingles_at_some_places() -> None:
    hashes = word_hashes("one two three four five six")
    places = np.array([3, 0, 2])
    assert shingle_hashes_at(hashes, places, 3).tolist() == shingle_hashes(hashes, 3)[places].tolist()


@given(st.lists(st.text("ab é", max_size=8), max_size=6))
def test_the_hash_of_a_sequence_is_that_of_one_shingle(texts: list[str]) -> None:
    hashes = [word_hashes(text) for text in texts]
    counts = np.array([len(words) for words in hashes], np.int64)
    sequences = sequence_hashes(np.concatenate([np.empty(0, np.uint64), *hashes]), counts)
    shingles = [shingle_hashes(words, max(len(words), 1)).tolist() for words in hashes]
    assert sequences.tolist() == [shingle[0] if shingle else 0 for shingle in shingles]
