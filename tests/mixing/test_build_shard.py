"""Streams and shards: each token of each document occurs once per epoch, at its position, for any division into units.

The corpora are in memory. All tokens of a source are different, so that none can be mistaken for another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import UInt32s
from gristmill.errors import InputError
from gristmill.mixing import build_shard as build_shard_module
from gristmill.mixing.build_shard import PIECE_SCHEMA, Shard, build_shard
from gristmill.mixing.group_stream import GroupStream, join_units
from gristmill.mixing.mix_plan import GroupSize, MixPlan, make_mix_plan
from gristmill.mixing.mix_section import MixSection
from gristmill.mixing.token_balance import token_balances
from gristmill.tokenization.id_hashing import id_words
from gristmill.tokenization.token_batch import TokenBatch
from gristmill.tokenization.token_file import TokenFile, build_token_file

EOS = 0
BUCKETS = 4

lengths_of = st.lists(st.integers(0, 25), min_size=1, max_size=30)


class TokenDocument(NamedTuple):
    id: bytes
    tokens: list[int]


def documents(source: str, lengths: Sequence[int]) -> list[TokenDocument]:
    """Return documents with the given numbers of tokens, all different."""
    first = np.cumsum([1, *lengths]).tolist()
    return [
        TokenDocument(
            blake2b(f"{source}{number}".encode(), digest_size=16).digest(),
            list(range(first[number], first[number] + length)),
        )
        for number, length in enumerate(lengths)
    ]


class TokenCorpus(NamedTuple):
    """The token files of each source, one per unit."""

    units: dict[str, list[TokenFile]]

    @classmethod
    def of(cls, sources: dict[str, list[list[TokenDocument]]]) -> TokenCorpus:
        """Return the token files of ``sources``: name → units → documents."""
        return cls({name: [_unit(name, unit) for unit in units] for name, units in sources.items()})

    def plan(self, section: MixSection) -> MixPlan:
        sizes = {
            name: GroupSize(
                tuple(sum(unit.bucket_documents for unit in units).tolist()),  # type: ignore[union-attr]
                tuple(sum(unit.bucket_tokens for unit in units).tolist()),  # type: ignore[union-attr]
            )
            for name, units in self.units.items()
        }
        return make_mix_plan(sizes, section)

    def streams(self, plan: MixPlan) -> dict[str, GroupStream]:
        return {
            group.group: GroupStream(
                group,
                plan.seed,
                lambda bucket, name=group.group: self.load_bucket(name, bucket),
                [group.group] * len(self.units[group.group]),
            )
            for group in plan.groups
        }

    def load_bucket(self, source: str, bucket: int) -> pa.Table:
        indexes = [unit.index for unit in self.units[source]]
        return join_units(
            (number, index.filter(pc.equal(index["bucket"], bucket))) for number, index in enumerate(indexes)
        )

    def read_tokens(self, source: str, unit: int, start: int, count: int) -> UInt32s:
        return self.units[source][unit].payload[start : start + count]

    def shards(self, plan: MixPlan) -> list[Shard]:
        streams = self.streams(plan)
        return [
            build_shard(plan, shard, streams, self.read_tokens, eos_id=EOS, dtype="<u4") for shard in range(plan.shards)
        ]


def _unit(source: str, unit: list[TokenDocument]) -> TokenFile:
    tokens = np.array([token for document in unit for token in document.tokens], "<u4")
    batch = TokenBatch(tokens, np.array([len(document.tokens) for document in unit], np.int64))
    ids = pa.array([document.id for document in unit], pa.binary(16))
    return build_token_file(ids, source, batch, eos_id=EOS, buckets=BUCKETS, seed=0)


def mix(**changes: Any) -> MixSection:
    return MixSection.model_validate({"sequence_length": 8, "shard_tokens": 40, **changes})


def divided(source: str, lengths: Sequence[int], units: int) -> list[list[TokenDocument]]:
    all_documents = documents(source, lengths)
    return [all_documents[unit::units] for unit in range(units)]


@settings(max_examples=60, deadline=None)
@given(lengths_of, lengths_of, st.integers(1, 3), st.integers(0, 2), st.sampled_from([0.6, 1, 2.5]))
def test_every_token_occurs_once_per_epoch(
    first: list[int], second: list[int], units: int, seed: int, max_epochs: float
) -> None:
    """No token is lost, duplicated or unaccounted for."""
    sources = {"a": divided("a", first, units), "b": divided("b", second, 1)}
    corpus = TokenCorpus.of(sources)
    try:
        plan = corpus.plan(mix(seed=seed, max_epochs=max_epochs))
    except InputError:
        assert (len(first) + sum(first)) * max_epochs < 8 or (len(second) + sum(second)) * max_epochs < 8
        return
    shards = corpus.shards(plan)
    contents = {
        (name, document.id): [*document.tokens, EOS] for name in sources for unit in sources[name] for document in unit
    }
    seen: Counter[tuple[str, bytes, int, int]] = Counter()
    for shard in shards:
        tokens = shard.tokens.ravel().tolist()
        rows = shard.pieces.to_pylist()
        assert [row["start"] for row in rows] == [0, *(row["end"] for row in rows)][: len(rows)]
        assert rows[-1]["end"] == len(tokens)
        for row in rows:
            assert row["start"] // 8 == (row["end"] - 1) // 8
            length = row["end"] - row["start"]
            document = contents[row["source"], row["id"]]
            assert tokens[row["start"] : row["end"]] == document[row["offset"] : row["offset"] + length]
            seen.update((row["source"], row["id"], row["copy"], row["offset"] + i) for i in range(length))
        assert len(rows) == sum(count.pieces for count in shard.counts)
    assert not seen or max(seen.values()) == 1
    for group in plan.groups:
        cropped = plan.cropped_tokens(group)
        copies = plan.copies(group)
        expected = {
            (group.group, name, copy, place)
            for (owner, name), document in contents.items()
            if owner == group.group
            for copy in range(copies)
            for place in range(len(document))
        }
        missing = expected - seen.keys()
        assert len(missing) == cropped
        assert {copy for _, _, copy, _ in missing} <= {copies - 1}
        assert {key for key in seen if key[0] == group.group} <= expected
        balance = next(
            balance
            for balance in token_balances(
                plan, corpus.streams(plan), [count for shard in shards for count in shard.counts]
            )
            if balance.group == group.group
        )
        assert balance.balanced
        ends = {name: len(document) - 1 for (owner, name), document in contents.items() if owner == group.group}
        assert balance.cropped_separators == sum(place == ends[name] for _, name, _, place in missing)


@settings(max_examples=25, deadline=None)
@given(lengths_of, st.integers(1, 5), st.randoms(use_true_random=False))
def test_shards_do_not_depend_on_the_division_into_units(lengths: list[int], units: int, random: Any) -> None:
    all_documents = documents("a", [*lengths, 9])
    one_unit = TokenCorpus.of({"a": [all_documents]})
    shuffled = random.sample(all_documents, len(all_documents))
    several_units = TokenCorpus.of({"a": [shuffled[unit::units] for unit in range(units)]})
    plan = one_unit.plan(mix())
    assert several_units.plan(mix()) == plan
    for left, right in zip(one_unit.shards(plan), several_units.shards(plan), strict=True):
        assert (left.tokens == right.tokens).all()
        assert left.pieces.equals(right.pieces)
        assert left.counts == right.counts


@settings(max_examples=25, deadline=None)
@given(lengths_of, st.integers(1, 7))
def test_shards_of_any_size_have_the_same_sequences(lengths: list[int], sequences: int) -> None:
    corpus = TokenCorpus.of({"a": divided("a", [*lengths, 9], 2), "b": divided("b", [30, 3], 1)})
    single, several = (corpus.shards(corpus.plan(mix(shard_tokens=8 * n))) for n in (10_000, sequences))
    assert len(single) == 1
    assert (np.concatenate([shard.tokens for shard in several]) == single[0].tokens).all()


@settings(max_examples=25, deadline=None)
@given(lengths_of, st.data())
def test_any_range_of_a_stream_equals_that_range_of_all_slices(lengths: list[int], data: st.DataObject) -> None:
    corpus = TokenCorpus.of({"a": divided("a", [*lengths, 9], 3)})
    plan = corpus.plan(mix(max_epochs=3, tokens=8 * (3 * (sum(lengths) + len(lengths) + 10) // 8)))
    stream = corpus.streams(plan)["a"]
    total = plan.used_tokens(plan.groups[0])
    first = data.draw(st.integers(0, total - 1))
    count = data.draw(st.integers(0, total - first))
    assert expanded(stream.slices(0, total))[first : first + count] == expanded(stream.slices(first, count))


def expanded(slices: Any) -> list[tuple[int, int, int]]:
    """Return the unit, the position in the payload, and the epoch of each token."""
    return [
        (unit, start + place, copy)
        for unit, start, length, copy in zip(
            *(getattr(slices, name).tolist() for name in ("unit", "start", "length", "copy")), strict=True
        )
        for place in range(length)
    ]


def test_epochs_and_seeds_have_different_orders() -> None:
    corpus = TokenCorpus.of({"a": divided("a", [3] * 64, 2)})
    epochs = []
    for seed in (0, 1):
        plan = corpus.plan(mix(tokens=2 * 64 * 4, seed=seed))
        slices = corpus.streams(plan)["a"].slices(0, 2 * 64 * 4)
        ids = [tuple(words) for words in slices.id.tolist()]
        epochs += [ids[:64], ids[64:]]
    assert len({tuple(ids) for ids in epochs}) == 4
    assert len({frozenset(ids) for ids in epochs}) == 1
    bucket = {tuple(words) for words in id_words(corpus.load_bucket("a", 0)["id"]).tolist()}
    assert len(bucket) > 9
    assert len({tuple(words for words in ids if words in bucket) for ids in epochs}) == 4


def test_a_range_of_a_stream_loads_only_its_buckets() -> None:
    corpus = TokenCorpus.of({"a": divided("a", [7] * 64, 2)})
    plan = corpus.plan(mix())
    loaded: list[int] = []

    def load(bucket: int) -> pa.Table:
        loaded.append(bucket)
        return corpus.load_bucket("a", bucket)

    stream = GroupStream(plan.groups[0], plan.seed, load, ["a", "a"])
    stream.slices(0, 1)
    assert len(loaded) == 1
    stream.slices(0, plan.groups[0].tokens)
    assert sorted(loaded[1:]) == list(range(BUCKETS))


@pytest.mark.parametrize(("gap", "requests"), [(0, None), (10_000, 2)])
def test_pieces_close_to_each_other_are_read_in_one_request(
    gap: int, requests: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_shard_module, "READ_GAP", gap)
    corpus = TokenCorpus.of({"a": divided("a", [7] * 64, 2)})
    plan = corpus.plan(mix(shard_tokens=160))
    loaded: list[int] = []

    def read(source: str, unit: int, start: int, count: int) -> Any:
        loaded.append(unit)
        return corpus.read_tokens(source, unit, start, count)

    shard = build_shard(plan, 0, corpus.streams(plan), read, eos_id=EOS, dtype="<u4")
    assert (shard.tokens == corpus.shards(plan)[0].tokens).all()
    assert len(loaded) == requests if requests else len(loaded) > 2


def test_token_files_that_do_not_match_the_plan_are_rejected() -> None:
    corpus = TokenCorpus.of({"a": divided("a", [7] * 64, 1)})
    plan = corpus.plan(mix())
    streams = corpus.streams(plan)
    truncated = build_shard_with(plan, streams, lambda *place: corpus.read_tokens(*place)[:-1])
    shifted = build_shard_with(plan, streams, lambda s, u, start, count: np.ones(count, "<u4"))
    assert "too short" in truncated
    assert "does not match its index" in shifted
    wrong = plan.groups[0].model_copy(update={"bucket_tokens": tuple(n + 1 for n in plan.groups[0].bucket_tokens)})
    stream = GroupStream(wrong, plan.seed, lambda bucket: corpus.load_bucket("a", bucket), ["a", "a"])
    with pytest.raises(InputError, match="but its plan counted"):
        stream.slices(0, 8)


def build_shard_with(plan: MixPlan, streams: dict[str, GroupStream], read: Any) -> str:
    with pytest.raises(InputError) as error:
        build_shard(plan, 0, streams, read, eos_id=EOS, dtype="<u4")
    return str(error.value)


def test_pieces_have_the_declared_schema() -> None:
    assert build_one().pieces.schema.equals(PIECE_SCHEMA)


def build_one() -> Shard:
    corpus = TokenCorpus.of({"a": divided("a", [7] * 9, 1)})
    return corpus.shards(corpus.plan(mix()))[0]


def test_missing_tokens_make_a_balance_unbalanced() -> None:
    corpus = TokenCorpus.of({"a": divided("a", [7] * 9, 1), "unused": divided("unused", [1], 1)})
    plan = corpus.plan(mix(weights={"unused": 0}))
    counts = [count for shard in corpus.shards(plan) for count in shard.counts]
    assert all(balance.balanced for balance in token_balances(plan, corpus.streams(plan), counts))
    without_a_shard = token_balances(plan, corpus.streams(plan), counts[1:])
    assert [balance.balanced for balance in without_a_shard] == [False, True]
    miscounted = counts[0]._replace(separators=counts[0].separators - 1, document_tokens=counts[0].document_tokens + 1)
    assert not token_balances(plan, corpus.streams(plan), [miscounted, *counts[1:]])[0].balanced
