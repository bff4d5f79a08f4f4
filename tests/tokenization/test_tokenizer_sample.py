"""The sample of the tokenizer: fair shares of the budget, and a choice by id and seed only."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokenization.id_hashing import hash_ids, hash_key, id_column, id_words, seeded_order, splitmix64
from gristmill.tokenization.tokenizer_sample import EVERYTHING, sample_thresholds, sampled

IDS = [bytes([i % 256, i // 256]) * 8 for i in range(4000)]


@pytest.mark.parametrize(
    ("sizes", "budget", "shares"),
    [
        ({"a": 100}, 100, {"a": 100}),
        ({"a": 100}, 101, {"a": 100}),
        ({"a": 100}, 99, {"a": 99}),
        ({"a": 10, "b": 1000, "c": 1000}, 210, {"a": 10, "b": 100, "c": 100}),
        ({"a": 70, "b": 71, "c": 1000}, 210, {"a": 70, "b": 70, "c": 70}),
        ({"a": 69, "b": 1000, "c": 1000}, 210, {"a": 69, "b": 70, "c": 71}),
        ({"empty": 0, "b": 50}, 10, {"empty": 0, "b": 10}),
    ],
)
def test_small_sources_are_used_completely_and_the_others_share_the_rest(
    sizes: dict[str, int], budget: int, shares: dict[str, int]
) -> None:
    thresholds = sample_thresholds(sizes, budget)
    assert {name: thresholds[name] * size // EVERYTHING for name, size in sizes.items()} == {
        name: share if share == sizes[name] else share - (share * EVERYTHING % sizes[name] > 0)
        for name, share in shares.items()
    }


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 10**15), max_size=6), st.integers(1, 10**15))
def test_thresholds_use_the_budget_and_do_not_exceed_it(sizes: dict[str, int], budget: int) -> None:
    thresholds = sample_thresholds(sizes, budget)
    expected = sum(thresholds[name] * size for name, size in sizes.items())
    assert expected <= budget * EVERYTHING
    available = min(budget, sum(sizes.values()))
    assert expected > (available - len(sizes) - 1) * EVERYTHING
    assert all(0 <= threshold <= EVERYTHING for threshold in thresholds.values())


def test_the_sample_has_its_fraction_and_grows_with_the_threshold() -> None:
    words = id_words(IDS)
    half = sampled(words, EVERYTHING // 2, seed=1)
    more = sampled(words, EVERYTHING * 3 // 4, seed=1)
    assert abs(half.mean() - 0.5) < 0.04
    assert (more | ~half).all()
    assert (sampled(words, EVERYTHING // 2, seed=2) != half).any()
    assert sampled(words, EVERYTHING, seed=1).all()
    assert not sampled(words, 0, seed=1).any()


def test_the_sample_does_not_depend_on_order() -> None:
    words = id_words(IDS)
    backwards = sampled(words[::-1], EVERYTHING // 3, seed=0)
    assert (backwards[::-1] == sampled(words, EVERYTHING // 3, seed=0)).all()


def test_hashes_do_not_change() -> None:
    """A changed hash would change every sample, bucket and order. The first numbers are from SplitMix64's authors."""
    assert splitmix64(np.array([0, 1], np.uint64)).tolist() == [0xE220A8397B1DCDAF, 0x910A2DEC89025CC1]
    assert hash_key("sample", 0) == 0x638D9322B18C232E
    assert hash_ids(id_words([bytes(range(16)), bytes(16)]), 7).tolist() == [4137370859065795712, 13309476754707697221]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), max_size=20), st.integers(0, 5))
def test_id_column_is_the_inverse_of_id_words(ids: list[bytes], cut: int) -> None:
    column = pa.array(ids, pa.binary(16))
    chunked = pa.chunked_array([column[:cut], column[cut:]], pa.binary(16))
    for form in (ids, column, chunked):
        assert id_column(id_words(form)).to_pylist() == ids
    assert id_column(id_words(column[cut:])).to_pylist() == ids[cut:]


@pytest.mark.parametrize("ids", [[b"short"], pa.array([b"x" * 15]), pa.array([None], pa.binary(16))])
def test_invalid_ids_are_rejected(ids: object) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        id_words(ids)  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(30)), st.integers(0, 2**64 - 1))
def test_seeded_order_depends_on_ids_not_rows(rows: list[int], key: int) -> None:
    words = id_words(IDS[:30])
    assert (words[seeded_order(words, key)] == words[rows][seeded_order(words[rows], key)]).all()
