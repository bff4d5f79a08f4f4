"""What export formats share: their description, the folder that they write to, and reading shards in blocks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Bools, Int64s
from gristmill.errors import InputError
from gristmill.mixing.mixed_shards import MixedShards, ShardFile
from gristmill.store import storage
from gristmill.tokenization.id_hashing import id_words
from gristmill.tokenization.token_batch import Tokens

BLOCK_BYTES = 8 << 20
"""Tokens are read in blocks of whole sequences of about this size."""


@dataclass(frozen=True)
class ExportFolder:
    """The folder of an export: a local path or any fsspec URL. Files appear in it when they are complete."""

    url: str
    scratch: Path

    def link(self, source: str, name: str) -> None:
        """Make the file ``source`` appear as ``name``: as a hard link if both are on one local disk, else as a copy."""
        if storage.is_local(source):
            storage.put_file(Path(os.path.realpath(storage.url_to_fs(source)[1])), storage.join(self.url, name))
            return

        def copy(file: IO[bytes]) -> None:
            with storage.open_input(source) as data:
                shutil.copyfileobj(data, file, BLOCK_BYTES)

        self.write(name, copy)

    def write(self, name: str, write: Callable[[IO[bytes]], object]) -> None:
        """Create the file ``name`` with what ``write`` writes."""
        part = self.scratch / "part"
        with part.open("wb") as file:
            write(file)
        storage.put_file(part, storage.join(self.url, name))
        part.unlink()

    def write_bytes(self, name: str, *chunks: bytes) -> None:
        """Create the file ``name`` with ``chunks``, concatenated."""
        self.write(name, lambda file: file.writelines(chunks))


WriteExport = Callable[[MixedShards, ExportFolder], str]
"""Writes all shards in a format; returns a sentence, without its period, about how the files are to be read."""


@dataclass(frozen=True)
class ExportFormat:
    """A format.

    Attributes:
        name: Its name on the command line.
        trainer: The program that reads it.
        token_types: The types of tokens that it has, each by the type in the shards that has the same bytes.
        write: Writes an export.
        max_vocab_size: The largest vocabulary whose ids fit all of its types.
        max_file_bytes: The largest file that it can index, without the file's header.
        max_file_tokens: The largest file, in tokens.
        offset_bytes: What a file has besides its tokens, in bytes per sequence.
    """

    name: str
    trainer: str
    token_types: Mapping[str, str]
    write: WriteExport
    max_vocab_size: int = 1 << 32
    max_file_bytes: int = 1 << 62
    max_file_tokens: int = 1 << 62
    offset_bytes: int = 0

    def check(self, mix: MixedShards) -> None:
        """Raise InputError if the format cannot hold these shards."""
        width = mix.dtype.name
        if width not in self.token_types:
            raise InputError(
                f"{mix.url} has tokens of type {width}, which {self.trainer} cannot read (it has "
                f"{' and '.join(self.token_types.values())}): choose another format"
            )
        if mix.vocab_size > self.max_vocab_size:
            raise InputError(
                f"{self.trainer} has no {width}, and not all ids of a vocabulary of {mix.vocab_size:,} fit its "
                f"{self.token_types[width]}: choose another format, or a vocabulary of at most {self.max_vocab_size:,}"
            )
        for shard in mix.shards:
            tokens = shard.sequences * mix.sequence_length
            size = tokens * mix.dtype.itemsize + shard.sequences * self.offset_bytes
            if tokens > self.max_file_tokens or size > self.max_file_bytes:
                raise InputError(
                    f"shard {shard.path} in {mix.url} has {tokens:,} tokens, more than {self.trainer} reads from a "
                    "file: lower mix.shard_tokens and run the stage mix again"
                )


def file_stem(mix: MixedShards, number: int) -> str:
    """The name of the files of shard ``number``, without suffix; names are sorted like the shards."""
    return f"tokens-{number:0{max(5, len(str(len(mix.shards) - 1)))}}"


def token_blocks(mix: MixedShards, shard: ShardFile) -> Iterator[Tokens]:
    """Yield the sequences of a shard in blocks of shape (rows, sequence_length).

    Raises InputError after the last block if the shard differs from the sha256 of its manifest.
    """
    rows = max(1, BLOCK_BYTES // (mix.sequence_length * mix.dtype.itemsize))
    digest = sha256()
    for row in range(0, shard.sequences, rows):
        block = mix.tokens(shard.first_sequence + row, min(rows, shard.sequences - row))
        digest.update(block.data)
        yield block
    if digest.hexdigest() != shard.sha256:
        raise InputError(f"shard {shard.path} in {mix.url} is corrupt (sha256): run the stage mix again")


def write_tokens(file: IO[bytes], header: Iterable[bytes], blocks: Iterable[Tokens]) -> None:
    """Write a header and then the tokens of ``blocks``."""
    file.writelines(header)
    for block in blocks:
        file.write(block.data)


def offset_table(items: int, item_bytes: int, gap: int = 0) -> bytes:
    """The number of items, the byte at which each starts, and that at which the last ends, as little-endian uint32.

    Items have the same size and begin ``gap`` bytes behind the table.
    """
    first = 4 * (items + 2) + gap
    offsets = first + np.arange(items + 1, dtype=np.int64) * item_bytes
    return np.concatenate([[items], offsets]).astype("<u4").tobytes()


def document_ends(mix: MixedShards, shard: ShardFile) -> Int64s:
    """The token after each document in a shard: int64 [documents], ascending; the last is the shard's size.

    A document that continues in the next sequence of the shard counts once; other parts of it count as documents.
    """
    starts, ends, continues = _pieces(mix, shard)
    size = shard.sequences * mix.sequence_length
    bounds = np.setdiff1d(np.concatenate([starts, ends]), starts[continues])
    return np.union1d(bounds[bounds > 0], [size])


def document_ends_by_sequence(mix: MixedShards, shard: ShardFile) -> Int64s:
    """Like ``document_ends``, but every document ends at the latest where its sequence ends."""
    starts, ends, _ = _pieces(mix, shard)
    rows = np.arange(1, shard.sequences + 1, dtype=np.int64) * mix.sequence_length
    bounds = np.unique(np.concatenate([starts, ends, rows]))
    return bounds[bounds > 0]


def _pieces(mix: MixedShards, shard: ShardFile) -> tuple[Int64s, Int64s, Bools]:
    """The starts and the ends of a shard's pieces, and whether each continues the one before it."""
    with storage.open_input(storage.join_below(mix.url, shard.pieces_path)) as file:
        pieces = pq.read_table(file, columns=["id", "offset", "start", "end", "copy"])
    offsets, starts, ends, copies = (pieces[name].to_numpy() for name in ("offset", "start", "end", "copy"))
    if len(starts) and (starts.min() < 0 or ends.max() > shard.sequences * mix.sequence_length):
        raise InputError(f"{shard.pieces_path} in {mix.url} does not match its shard: run the stage mix again")
    same = (id_words(pieces["id"])[1:] == id_words(pieces["id"])[:-1]).all(axis=1)
    follows = (starts[1:] == ends[:-1]) & (offsets[1:] == offsets[:-1] + (ends - starts)[:-1])
    continues = np.zeros(len(starts), bool)
    continues[1:] = same & follows & (copies[1:] == copies[:-1])
    return starts, ends, continues
