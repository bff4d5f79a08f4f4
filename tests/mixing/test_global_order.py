"""The global order, compared to its definition sorted by brute force with exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.mixing.global_order import GlobalOrder
from gristmill.tokenization.id_hashing import hash_key

sources_of = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 40), min_size=1)


def by_definition(sequences: dict[str, int], seed: int) -> list[tuple[int, int]]:
    """Sort sequences j of n by floor(2**64 (j + u) / n), with u the first 16 bits of a hash, then by source."""
    rows = []
    for number, (name, n) in enumerate(sorted(sequences.items())):
        offset = Fraction(hash_key("offset", seed, name) >> 48, 1 << 16)
        rows += [((j + offset) * 2**64 // n, number, j) for j in range(n)]
    return [(number, j) for _, number, j in sorted(rows)]


def rows(order: GlobalOrder, first: int, count: int) -> list[tuple[int, int]]:
    positions = order.positions(first, count)
    return list(zip(positions.group.tolist(), positions.sequence.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(sources_of, st.integers(0, 3), st.data())
def test_any_range_equals_the_definition(sequences: dict[str, int], seed: int, data: st.DataObject) -> None:
    order = GlobalOrder(sequences, seed)
    expected = by_definition(sequences, seed)
    assert order.total == len(expected)
    assert rows(order, 0, order.total) == expected
    first = data.draw(st.integers(0, order.total))
    count = data.draw(st.integers(0, order.total - first))
    assert rows(order, first, count) == expected[first : first + count]
    before = [sum(source == number for source, _ in expected[:first]) for number in range(len(sequences))]
    assert order.counts_before(first) == before


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=5), st.integers(0, 2**32), st.data())
def test_huge_orders_are_exact(counts: list[int], seed: int, data: st.DataObject) -> None:
    sequences = dict(zip("abcde", counts, strict=False))
    order = GlobalOrder(sequences, seed)
    first = data.draw(st.integers(0, order.total - 1))
    count = min(50, order.total - first)
    positions = rows(order, first, count)
    before = order.counts_before(first)
    assert sum(before) == first
    times = []
    for number, sequence in positions:
        assert sequence == before[number]
        before[number] += 1
        offset = Fraction(hash_key("offset", seed, order.groups[number]) >> 48, 1 << 16)
        times.append(((sequence + offset) * 2**64 // counts[number], number))
    assert times == sorted(times)
    assert order.counts_before(first + count) == before


@pytest.mark.parametrize("offset", [0, 1 << 48, (1 << 64) - 1])
def test_equal_times_are_sorted_by_source(offset: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.mixing.global_order.hash_key", lambda *_: offset)
    sequences = {"a": 4, "b": 2, "c": 8, "d": 3, "e": 4}
    order = GlobalOrder(sequences, 0)
    expected = sorted(
        ((j + Fraction(offset >> 48, 1 << 16)) * 2**64 // sequences[name], number, j)
        for number, name in enumerate(order.groups)
        for j in range(sequences[name])
    )
    for first, (_, number, j) in enumerate(expected):
        assert rows(order, first, 1) == [(number, j)]


def test_every_range_has_the_proportions_of_the_sources() -> None:
    order = GlobalOrder({"large": 7000, "middle": 2000, "small": 1000}, seed=4)
    source = order.positions(0, order.total).group
    for number, share in enumerate((0.7, 0.2, 0.1)):
        running = np.cumsum(source == number)
        assert np.abs(running - share * np.arange(1, order.total + 1)).max() <= 2


def test_the_seed_shifts_sources() -> None:
    sequences = {"a": 50, "b": 50}
    assert len({tuple(rows(GlobalOrder(sequences, seed), 0, 100)) for seed in range(8)}) > 1


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 8), (8, 0), (3, -1)])
def test_positions_out_of_range_raise_index_error(first: int, count: int) -> None:
    with pytest.raises(IndexError):
        GlobalOrder({"a": 3, "b": 4}, 0).positions(first, count)


def test_too_many_sequences_are_rejected() -> None:
    GlobalOrder({"a": 2**40}, 0)
    with pytest.raises(ValueError, match="at most"):
        GlobalOrder({"a": 2**40 + 1}, 0)
