"""Signing many texts at once equals signing each alone, compiled or not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.words import normalize, word_hashes
from gristmill.transforms.core import text_runs
from gristmill.transforms.dedup import greedy_pass
from gristmill.transforms.dedup.candidate_lists import LIST_LEVELS
from gristmill.transforms.dedup.dedup_section import Comparison, Verify
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.shingles import shingle_sets
from gristmill.transforms.dedup.sign import sign_texts, sketch_lengths, text_hash
from tests.compiled_modules import needs_compiler, uncompiled
from tests.transforms.dedup.dedup_reference import as_sets, column, shingle_set

HASHER = MinHasher(4, 2, seed=1)
TEXTS = ["the cat sat on the mat", "", "The cat, sat on the mat!", "a quite different text of seven words", "one"]


def _run_pass(
    module: ModuleType,
    values: list[list[int]],
    comparison: Comparison,
    threshold: float,
    urls: Sequence[int] = (),
    within_run: bool = True,
) -> list[list[int]]:
    """Decide documents in one bucket with a list of three, the first of the index; equal values are equal texts."""
    count = len(values)
    lengths: Int64s = np.array([len(own) for own in values], np.int64)
    paths = np.full((count, LIST_LEVELS), -1)
    paths[:, 0] = 0
    from_index = (np.arange(count) < 1).astype(np.uint8)
    texts = np.array([values.index(own) for own in values], np.int64)
    url = np.array([*urls, *[-1] * count][:count], np.int64)
    where = (from_index, np.arange(count + 1), paths, np.array([0, 3]))
    state = module.GreedyPass(*where, texts, url, threshold, comparison, within_run)
    flat = np.array([value for own in values for value in own], np.uint32)
    state.run(0, count, flat, lengths.cumsum() - lengths, lengths)
    return [getattr(state, name).tolist() for name in ("match", "similarity", "reason", "listed", "capped")]


@needs_compiler
@settings(max_examples=60)
@given(
    st.lists(
        st.sets(st.sampled_from([0, 1, 2, 5, 65536, 65537, 2**31, 2**32 - 1]), max_size=7).map(sorted), max_size=7
    ),
    st.sampled_from(["exact", "none"]),
    st.sampled_from([0.2, 0.5, 0.6667, 1.0]),
    st.lists(st.integers(-1, 2), max_size=7),
    st.booleans(),
)
def test_the_pass_is_equal_without_a_compiler(
    values: list[list[int]], verify: Verify, threshold: float, urls: list[int], within_run: bool
) -> None:
    arguments = (values, verify, threshold, urls, within_run)
    assert _run_pass(greedy_pass, *arguments) == _run_pass(uncompiled(greedy_pass), *arguments)


@needs_compiler
@settings(max_examples=30)
@given(st.lists(st.lists(st.integers(0, 3), min_size=8, max_size=8), max_size=6), st.sampled_from([0.25, 0.375]))
def test_estimates_are_equal_without_a_compiler(values: list[list[int]], threshold: float) -> None:
    assert _run_pass(greedy_pass, values, "estimate", threshold) == _run_pass(
        uncompiled(greedy_pass), values, "estimate", threshold
    )


@needs_compiler
@settings(max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from([0, 1, 3, 2**31, 2**32 - 1]), min_size=2, max_size=2), max_size=6),
    st.integers(0, 34),
)
def test_distances_are_equal_without_a_compiler(values: list[list[int]], distance: int) -> None:
    arguments = (values, "hamming", distance)
    assert _run_pass(greedy_pass, *arguments) == _run_pass(uncompiled(greedy_pass), *arguments)


@settings(max_examples=100)
@given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=6), st.integers(1, 5))
def test_shingle_sets_equal_those_of_single_documents(documents: list[list[int]], ngram: int) -> None:
    letters = "abcdefg"
    texts = [" ".join(letters[word] for word in document) for document in documents]
    hashes = [word_hashes(text) for text in texts]
    counts = np.array([len(own) for own in hashes], np.int64)
    found = shingle_sets(np.concatenate([np.empty(0, np.uint64), *hashes]), counts, ngram)
    expected = as_sets([shingle_set(text, ngram) for text in texts])
    assert found.counts.tolist() == expected.counts.tolist()
    assert found.values.tolist() == expected.values.tolist()


@pytest.mark.parametrize("run_bytes", [1, 30, 2**20])
@pytest.mark.parametrize("verify", ["exact", "estimate", "none"])
def test_signing_in_runs_equals_signing_one_by_one(
    run_bytes: int, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_runs, "_RUN_BYTES", run_bytes)
    whole = column(["sliced off", *TEXTS]).slice(1)  # the buffers begin before the texts
    signed = sign_texts(pa.chunked_array([whole.chunk(0)[:2], whole.chunk(0)[2:]]), HASHER, 3, verify)
    assert signed.words.tolist() == [6, 0, 6, 7, 1]
    assert signed.shingles.tolist() == [4, 0, 4, 5, 1] == [len(shingle_set(text, 3)) for text in TEXTS]
    assert signed.bands.shape == (5, 4)
    lengths = sketch_lengths(signed.shingles.astype(np.int64), HASHER, verify)
    sketches = np.split(signed.sketches, lengths.cumsum())
    for index, text in enumerate(TEXTS):
        alone = sign_texts(column([text]), HASHER, 3, verify)
        assert alone.bands.tolist() == signed.bands[index : index + 1].tolist()
        assert alone.text_hash == signed.text_hash[index : index + 1]
        assert alone.sketches.tolist() == sketches[index].tolist()
    assert signed.text_hash[0] == signed.text_hash[2] != signed.text_hash[3]
    assert signed.text_hash[1] == text_hash(np.empty(0, np.uint64))


@given(st.lists(st.text("ab é漢1.\n", max_size=30), max_size=5), st.integers(1, 6))
@example(["Straße  12", "strasse 12", "..."], 4)
def test_character_shingles_are_those_of_the_normalized_text(texts: list[str], ngram: int) -> None:
    forms = [normalize(text) for text in texts]
    expected = [{form[at : at + ngram] for at in range(max(len(form) - ngram, 0) + 1)} - {""} for form in forms]
    signed = sign_texts(column(texts), HASHER, ngram, "exact", "characters")
    assert signed.shingles.tolist() == [len(one) for one in expected]
    sketches = np.split(signed.sketches, signed.shingles.astype(np.int64).cumsum())
    for (one, left), (other, right) in combinations(zip(expected, sketches, strict=False), 2):
        assert len(np.intersect1d(left, right)) == len(one & other)
    assert signed.text_hash == sign_texts(column(texts), HASHER, ngram).text_hash


def test_signing_no_texts() -> None:
    signed = sign_texts(column([]), HASHER, 3)
    assert len(signed.words) == len(signed.text_hash) == len(signed.sketches) == 0
    assert signed.bands.shape == (0, 4)


def test_text_hash_depends_on_words_and_their_order() -> None:
    some = np.array([1, 2, 3], np.uint64)
    assert text_hash(some) == text_hash(some.copy())
    assert len({text_hash(w) for w in (some, some[::-1], some[:2], some[:0])}) == 4
    assert len(text_hash(some)) == 16
