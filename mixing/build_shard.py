"""Builds a shard: the tokens of a range of the global order.

Each group has consecutive sequences in a shard, so its part is one range of its stream. The documents in that range
are read from the token files in few requests: pieces close to each other in a payload are read together, including the
gap between them. A table of pieces traces each token to a document and a copy. A piece ends at the latest where its
sequence ends, so the documents of a sequence are the pieces that start in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.document import ID_BYTES
from gristmill.errors import InputError
from gristmill.mixing.group_stream import GroupStream, Slices
from gristmill.mixing.mix_plan import MixPlan
from gristmill.tokenization.id_hashing import id_column
from gristmill.tokenization.token_batch import Tokens

ReadTokens = Callable[[str, int, int, int], Tokens]
"""(group, unit, start, count) → ``count`` tokens of the unit's payload from token ``start``."""

READ_GAP = 1 << 19
"""Maximum gap in tokens between pieces that one request reads: what an object store sends in a request's latency."""

PIECE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("group", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("copy", pa.int32(), nullable=False),
    ]
)
"""``group`` is the document's group in the mixture, by default its source. ``offset`` counts tokens of the document,
``start`` and ``end`` those of the shard; ``copy`` is the epoch, from 0."""


class ShardCount(NamedTuple):
    """The counts of one group in a shard. Its tokens are ``document_tokens`` plus ``separators``."""

    group: str
    sequences: int
    document_tokens: int
    separators: int
    pieces: int


class Shard(NamedTuple):
    """Tokens of shape (sequences, sequence_length), their pieces sorted by ``start``, and the counts of each group."""

    tokens: Tokens
    pieces: pa.Table
    counts: tuple[ShardCount, ...]


def build_shard(
    plan: MixPlan,
    shard: int,
    streams: Mapping[str, GroupStream],
    read_tokens: ReadTokens,
    *,
    eos_id: int,
    dtype: npt.DTypeLike,
) -> Shard:
    """Return shard number ``shard`` of the plan. Only the streams of its groups are needed.

    Raises IndexError if there is no such shard, and InputError if a payload does not match its index.
    """
    first, sequences = plan.shard_range(shard)
    order = plan.order()
    positions = order.positions(first, sequences)
    tokens = np.empty((sequences, plan.sequence_length), dtype)
    pieces, counts = [], []
    for number in np.unique(positions.group).tolist():
        name = order.groups[number]
        rows = np.flatnonzero(positions.group == number)
        begin = int(positions.sequence[rows[0]]) * plan.sequence_length
        slices = streams[name].slices(begin, len(rows) * plan.sequence_length)
        group_tokens = _read_slices(name, slices, read_tokens, tokens.dtype)
        _check_separators(name, group_tokens, slices, eos_id)
        tokens[rows] = group_tokens.reshape(len(rows), plan.sequence_length)
        pieces.append(_pieces(slices, rows, plan.sequence_length, name, streams[name].unit_sources))
        separators = int(slices.has_separator.sum())
        counts.append(ShardCount(name, len(rows), len(group_tokens) - separators, separators, len(pieces[-1])))
    return Shard(tokens, pa.concat_tables(pieces).unify_dictionaries().sort_by("start"), tuple(counts))


def _read_slices(group: str, slices: Slices, read_tokens: ReadTokens, dtype: np.dtype[Any]) -> Tokens:
    """Return the tokens of ``slices``, concatenated."""
    group_tokens = np.empty(int(slices.length.sum()), dtype)
    target = np.cumsum(slices.length) - slices.length
    ends = slices.start + slices.length
    for rows in _group_close(slices):
        unit, begin = int(slices.unit[rows[0]]), int(slices.start[rows[0]])
        count = int(ends[rows].max()) - begin
        region = read_tokens(group, unit, begin, count)
        if len(region) != count:
            raise InputError(
                f"the token payload of unit {unit} of group {group!r} is too short: run the stage tokenize again"
            )
        places = zip(
            target[rows].tolist(), (slices.start[rows] - begin).tolist(), slices.length[rows].tolist(), strict=True
        )
        for to, at, length in places:
            group_tokens[to : to + length] = region[at : at + length]
    return group_tokens


def _group_close(slices: Slices) -> Iterator[Int64s]:
    """Yield rows of ``slices`` in groups of one unit, by start, without gaps of more than ``READ_GAP`` tokens."""
    order = np.lexsort((slices.start, slices.unit))
    unit, start = slices.unit[order], slices.start[order]
    end = start + slices.length[order]
    apart = (unit[1:] != unit[:-1]) | (start[1:] - end[:-1] > READ_GAP)
    yield from np.split(order, np.flatnonzero(apart) + 1)


def _check_separators(group: str, group_tokens: Tokens, slices: Slices, eos_id: int) -> None:
    separators = np.cumsum(slices.length)[slices.has_separator] - 1
    if (group_tokens[separators] != eos_id).any():
        raise InputError(f"a token payload of group {group!r} does not match its index: run the stage tokenize again")


def _pieces(slices: Slices, rows: Int64s, sequence_length: int, group: str, unit_sources: Sequence[str]) -> pa.Table:
    """Return the pieces of ``slices``, which fill sequences ``rows`` of the shard, cut at the ends of sequences."""
    ends = np.cumsum(slices.length)
    begins = ends - slices.length
    first, last = begins // sequence_length, (ends - 1) // sequence_length
    cuts = last - first + 1
    piece = np.repeat(np.arange(len(cuts)), cuts)
    sequence = first[piece] + np.arange(len(piece)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    begin = np.maximum(begins[piece], sequence * sequence_length)
    end = np.minimum(ends[piece], (sequence + 1) * sequence_length)
    shift = (rows[sequence] - sequence) * sequence_length
    return pa.table(
        [
            id_column(slices.id[piece]),
            pa.array(unit_sources, pa.string()).take(pa.array(slices.unit[piece])).dictionary_encode(),
            pa.repeat(group, len(piece)).dictionary_encode(),
            slices.offset[piece] + begin - begins[piece],
            begin + shift,
            end + shift,
            slices.copy[piece].astype(np.int32),
        ],
        schema=PIECE_SCHEMA,
    )
