"""Writing shards: the unit of ``mix``, from the token files of all groups to the files of one shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.mixing.build_shard import PIECE_SCHEMA, Shard, ShardCount, build_shard
from gristmill.mixing.group_stream import GroupStream, join_units
from gristmill.mixing.mix_plan import MixPlan
from gristmill.mixing.token_balance import token_balances
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.tokenization.token_batch import Tokens
from gristmill.tokenization.token_file import read_bucket
from gristmill.transforms.core.side_files import SideFile

_PIECE_ROWS = 1 << 16
"""Rows of a row group of the piece table."""


class TokenUnit(NamedTuple):
    """The token file of a unit, as a group uses it.

    Attributes:
        source: Source of the unit's documents.
        payload: URL of the tokens.
        documents: URL of the index of documents.
        group: Name of the group, if only some of the documents belong to it.
        groups: URL of the sidecar that names the group of each document, if there is one.
    """

    source: str
    payload: str
    documents: str
    group: str | None = None
    groups: str | None = None


@dataclass(frozen=True)
class ShardInputs:
    """The input of all shards: the plan, and the token files of each group in the order of their unit numbers."""

    plan: MixPlan
    units: Mapping[str, tuple[TokenUnit, ...]]
    eos_id: int
    dtype: str

    def streams(self) -> dict[str, GroupStream]:
        """Return the token stream of each group."""
        return {
            group.group: GroupStream(
                group,
                self.plan.seed,
                partial(_load_bucket, self.units[group.group]),
                [unit.source for unit in self.units[group.group]],
            )
            for group in self.plan.groups
        }


class NumberedShard(NamedTuple):
    """A shard and the number of its first sequence in the global order."""

    first_sequence: int
    shard: Shard


def mix_shard(inputs: SideFile, number: int) -> Iterator[NumberedShard | UnitSummary]:
    """Yield shard ``number``, then the summary of the unit: its size by the plan, and its size as built."""
    shard_inputs: ShardInputs = inputs.open()
    plan = shard_inputs.plan
    dtype = np.dtype(shard_inputs.dtype).newbyteorder("<")

    def read_tokens(group: str, unit: int, start: int, count: int) -> Tokens:
        with storage.open_input(shard_inputs.units[group][unit].payload) as file:
            file.seek(start * dtype.itemsize)
            return np.frombuffer(file.read(count * dtype.itemsize), dtype)

    first, sequences = plan.shard_range(number)
    shard = build_shard(plan, number, shard_inputs.streams(), read_tokens, eos_id=shard_inputs.eos_id, dtype=dtype)
    yield NumberedShard(first, shard)
    yield UnitSummary(sequences, int(shard.tokens.size), sequences * plan.sequence_length)


class ShardWriter:
    """Writes the payload and the piece table of one shard."""

    def __init__(self, attempt: Attempt) -> None:
        self.payload = attempt.payload("shards", ".bin")
        self.pieces = attempt.table("shard_index", PIECE_SCHEMA, ".docs.parquet", beside="shards")
        self.first_sequence = 0
        self.counts: tuple[ShardCount, ...] = ()
        self.sequences = 0

    def add(self, item: NumberedShard) -> int:
        self.first_sequence, shard = item
        self.sequences = len(shard.tokens)
        self.counts = shard.counts
        self.payload.write(shard.tokens.tobytes(), shard.tokens.size)
        for start in range(0, shard.pieces.num_rows, _PIECE_ROWS):
            self.pieces.write(shard.pieces.slice(start, _PIECE_ROWS))
        return self.sequences

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        summary = {
            "first_sequence": self.first_sequence,
            "sequences": self.sequences,
            "counts": [count._asdict() for count in self.counts],
        }
        return RecordCounts(end.records, self.sequences, {}, {}, end.covered, end.expected), summary


def mix_summary(inputs: ShardInputs, counts: Iterable[ShardCount], vocab_size: int) -> dict[str, Any]:
    """Return what a reader of the shards needs, the mixture by plan and in the shards, and the token equations.

    Raises RunError if the tokens of a group do not add up.
    """
    plan = inputs.plan
    balances = token_balances(plan, inputs.streams(), counts)
    for balance in balances:
        if not balance.balanced:
            raise RunError(f"the tokens of group {balance.group} do not add up: {balance}")
    return {
        "sequence_length": plan.sequence_length,
        "sequences": plan.sequences,
        "vocab_size": vocab_size,
        "eos_id": inputs.eos_id,
        "dtype": inputs.dtype,
        "mixture": _mixture(plan, {balance.group: balance.shard_tokens for balance in balances}),
        "segments": _segments(plan),
        "token_books": [{**balance._asdict(), "balanced": balance.balanced} for balance in balances],
    }


def _mixture(plan: MixPlan, shard_tokens: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the shares of all groups in the whole mix, by plan and in the shards."""
    return [
        {
            "group": group.group,
            "tokens": group.tokens,
            "asked": round(sum(part.shares[n] * part.sequences for part in plan.segments) / plan.sequences, 6),
            "got": round(shard_tokens[group.group] / plan.tokens, 6),
            "epochs": plan.epochs(group),
            "capped": any(part.capped[n] for part in plan.segments),
            "mixed_tokens": shard_tokens[group.group],
        }
        for n, group in enumerate(plan.groups)
    ]


def _segments(plan: MixPlan) -> list[dict[str, Any]]:
    """Return the segments, with the share of each group by plan and in the shards."""
    names = [group.group for group in plan.groups]
    return [
        {
            "stage": part.stage,
            "sequences": part.sequences,
            "asked": dict(zip(names, part.shares, strict=True)),
            "got": {name: round(int(n) / part.sequences, 6) for name, n in zip(names, counts, strict=True)},
            "capped": [name for name, capped in zip(names, part.capped, strict=True) if capped],
        }
        for part, counts in zip(plan.segments, plan.order().counts, strict=True)
    ]


@lru_cache(maxsize=8)
def _load_bucket(units: tuple[TokenUnit, ...], bucket: int) -> pa.Table:
    def read(unit: TokenUnit) -> pa.Table:
        with storage.open_input(unit.documents) as file:
            rows = read_bucket(file, bucket)
        if unit.groups is None:
            return rows
        with storage.open_input(unit.groups) as file:
            names = read_bucket(file, bucket)["group"].cast(pa.string())
        return rows.filter(pc.equal(names, unit.group))

    return join_units(enumerate(storage.map_in_threads(read, units)))
