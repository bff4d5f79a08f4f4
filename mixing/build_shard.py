"""Making one shard: a stretch of the global order, written out.

In a shard each source has consecutive sequences, so its part is one range of its stream. The documents in that range
are read from the token files in few requests: pieces that lie close in a payload are read together with what is
between. Beside the tokens stands a table of pieces, which traces each token to a document and copy. A piece ends where
a sequence ends, so a sequence's documents are the pieces that start in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.document import ID_BYTES
from gristmill.errors import InputError
from gristmill.mixing.global_order import GlobalOrder
from gristmill.mixing.mix_plan import Plan
from gristmill.mixing.source_stream import Slices, SourceStream
from gristmill.tokenization.id_hashing import id_column

Tokens = npt.NDArray[Any]

ReadTokens = Callable[[str, int, int, int], Tokens]
"""(source, unit, start, count) → ``count`` tokens of that unit's payload from token ``start``."""

READ_GAP = 1 << 19
"""Tokens between two pieces up to which one read takes both: what an object store sends in a request's latency."""

PIECE_SCHEMA = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES), nullable=False),
        pa.field("source", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("copy", pa.int32(), nullable=False),
    ]
)
"""``offset``: tokens inside the document; ``start`` and ``end``: tokens of the shard; ``copy``: the epoch, from 0."""


class ShardCount(NamedTuple):
    """What a shard holds of one source; ``document_tokens`` and ``separators`` together are its tokens."""

    source: str
    sequences: int
    document_tokens: int
    separators: int
    pieces: int


class Shard(NamedTuple):
    """Tokens of shape (sequences, sequence_length), the pieces they consist of by ``start``, and counts by source."""

    tokens: Tokens
    pieces: pa.Table
    counts: tuple[ShardCount, ...]


def plan_order(plan: Plan) -> GlobalOrder:
    """The plan's global order of sequences."""
    return GlobalOrder({source.source: source.sequences for source in plan.sources}, plan.seed)


def build_shard(
    plan: Plan,
    shard: int,
    streams: Mapping[str, SourceStream],
    read_tokens: ReadTokens,
    *,
    eos_id: int,
    dtype: npt.DTypeLike,
) -> Shard:
    """Shard number ``shard`` of the plan. ``streams`` are needed for its sources only.

    Raises IndexError if there is no such shard, InputError if a payload does not fit its index.
    """
    first, sequences = plan.shard_range(shard)
    order = plan_order(plan)
    positions = order.sources_at(first, sequences)
    tokens = np.empty((sequences, plan.sequence_length), dtype)
    pieces, counts = [], []
    for number in np.unique(positions.source).tolist():
        name = order.sources[number]
        rows = np.flatnonzero(positions.source == number)
        begin = int(positions.sequence[rows[0]]) * plan.sequence_length
        slices = streams[name].slices(begin, len(rows) * plan.sequence_length)
        stretch = _gather(name, slices, read_tokens, tokens.dtype)
        _check_separators(name, stretch, slices, eos_id)
        tokens[rows] = stretch.reshape(len(rows), plan.sequence_length)
        pieces.append(_pieces(slices, rows, plan.sequence_length, number, order.sources))
        separators = int(slices.closes.sum())
        counts.append(ShardCount(name, len(rows), len(stretch) - separators, separators, len(pieces[-1])))
    return Shard(tokens, pa.concat_tables(pieces).sort_by("start"), tuple(counts))


def _gather(source: str, slices: Slices, read_tokens: ReadTokens, dtype: np.dtype[Any]) -> Tokens:
    """The tokens of ``slices``, one after another."""
    stretch = np.empty(int(slices.length.sum()), dtype)
    target = np.cumsum(slices.length) - slices.length
    ends = slices.start + slices.length
    for rows in _close_together(slices):
        unit, begin = int(slices.unit[rows[0]]), int(slices.start[rows[0]])
        count = int(ends[rows].max()) - begin
        region = read_tokens(source, unit, begin, count)
        if len(region) != count:
            raise InputError(f"the token payload of unit {unit} of source {source!r} is too short: run tokenize again")
        places = zip(
            target[rows].tolist(), (slices.start[rows] - begin).tolist(), slices.length[rows].tolist(), strict=True
        )
        for to, at, length in places:
            stretch[to : to + length] = region[at : at + length]
    return stretch


def _close_together(slices: Slices) -> Iterator[Int64s]:
    """Rows of ``slices`` in groups, each of one unit, by start, and without a gap of more than ``READ_GAP`` tokens."""
    order = np.lexsort((slices.start, slices.unit))
    unit, start = slices.unit[order], slices.start[order]
    end = start + slices.length[order]
    apart = (unit[1:] != unit[:-1]) | (start[1:] - end[:-1] > READ_GAP)
    yield from np.split(order, np.flatnonzero(apart) + 1)


def _check_separators(source: str, stretch: Tokens, slices: Slices, eos_id: int) -> None:
    closing = np.cumsum(slices.length)[slices.closes] - 1
    if (stretch[closing] != eos_id).any():
        raise InputError(f"a token payload of source {source!r} does not fit its index: run the stage tokenize again")


def _pieces(slices: Slices, rows: Int64s, sequence_length: int, number: int, sources: tuple[str, ...]) -> pa.Table:
    """``slices``, which fill the shard's sequences ``rows``, cut at the ends of sequences."""
    ends = np.cumsum(slices.length)
    begins = ends - slices.length
    first, last = begins // sequence_length, (ends - 1) // sequence_length
    cuts = last - first + 1
    piece = np.repeat(np.arange(len(cuts)), cuts)
    sequence = first[piece] + np.arange(len(piece)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    begin = np.maximum(begins[piece], sequence * sequence_length)
    end = np.minimum(ends[piece], (sequence + 1) * sequence_length)
    shift = (rows[sequence] - sequence) * sequence_length
    numbers = pa.array(np.full(len(piece), number, np.int32))
    return pa.table(
        [
            id_column(slices.id[piece]),
            pa.DictionaryArray.from_arrays(numbers, pa.array(sources, pa.string())),
            slices.offset[piece] + begin - begins[piece],
            begin + shift,
            end + shift,
            slices.copy[piece].astype(np.int32),
        ],
        schema=PIECE_SCHEMA,
    )
