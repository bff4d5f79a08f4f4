"""Reads mixed shards for training: sequences by their position in the global order.

``MixedShards`` holds no open file and no connection, so it can be pickled and survives a fork; each call opens the
files it needs.
"""

from __future__ import annotations

import json
import posixpath
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gristmill.errors import InputError
from gristmill.store import storage


class ShardFile(NamedTuple):
    """A shard of the manifest; paths are relative to the directory of the stage."""

    unit: str
    first_sequence: int
    sequences: int
    path: str
    sha256: str
    pieces_path: str


@dataclass(frozen=True)
class MixedShards:
    """The shards of a ``mix`` directory. Token arrays have shape (count, sequence_length) and type ``dtype``."""

    url: str
    sequence_length: int
    vocab_size: int
    eos_id: int
    dtype: np.dtype[Any]
    digest: str
    """sha256 of the manifest, in hex. It identifies the data, since the manifest has the hashes of all files."""
    shards: tuple[ShardFile, ...]

    @classmethod
    def open(cls, url: str, verify: bool = False) -> MixedShards:
        """Open the shards below ``url``, a local path or any fsspec URL.

        Raises InputError if that is not a complete ``mix`` directory, or if the size of a shard differs from the
        manifest. With ``verify`` the sha256 of every shard is compared too, which reads all data.
        """
        manifest_url = storage.join(url, "manifest.json")
        try:
            data = storage.read_bytes(manifest_url)
        except FileNotFoundError as error:
            raise InputError(f"{manifest_url} does not exist: pass the directory of a completed mix stage") from error
        manifest = json.loads(data)
        if manifest.get("stage") != "mix":
            raise InputError(
                f"{manifest_url} belongs to stage {manifest.get('stage')!r}: pass the directory of a mix stage"
            )
        summary = manifest["facts"]
        shards = cls(
            url=url,
            sequence_length=summary["sequence_length"],
            vocab_size=summary["vocab_size"],
            eos_id=summary["eos_id"],
            dtype=np.dtype(summary["dtype"]).newbyteorder("<"),
            digest=sha256(data).hexdigest(),
            shards=tuple(sorted(map(_shard_file, manifest["units"]), key=lambda shard: shard.first_sequence)),
        )
        shards._check_sizes(summary["sequences"])
        if verify:
            shards._check_hashes()
        return shards

    def __len__(self) -> int:
        """The number of sequences."""
        return self.shards[-1].first_sequence + self.shards[-1].sequences if self.shards else 0

    def tokens(self, first: int, count: int) -> npt.NDArray[Any]:
        """Return sequences ``first`` to ``first + count`` (exclusive). Raises IndexError outside of [0, len]."""
        if not 0 <= first <= first + count <= len(self):
            raise IndexError(f"sequences {first} to {first + count} are not within {len(self)}")
        parts = [self._read(shard, begin, rows) for shard, begin, rows in self._overlapping(first, count)]
        return np.concatenate([np.empty((0, self.sequence_length), self.dtype), *parts])

    def documents(self, position: int) -> pa.Table:
        """Return the pieces of the sequence at ``position``, sorted by ``start``.

        Columns: ``id``, ``source``, ``group``, ``offset`` (tokens in the document), ``start`` and ``end`` (tokens in
        the sequence), ``copy`` (the epoch, from 0). Raises IndexError outside of [0, len).
        """
        if not 0 <= position < len(self):
            raise IndexError(f"no sequence {position} in {len(self)}")
        ((shard, row, _),) = self._overlapping(position, 1)
        begin = row * self.sequence_length
        within = (pc.field("start") >= begin) & (pc.field("start") < begin + self.sequence_length)
        with storage.open_input(storage.join_below(self.url, shard.pieces_path)) as file:
            pieces = pq.read_table(file, filters=within)
        for name in ("start", "end"):
            column = pc.subtract(pieces[name], begin)
            pieces = pieces.set_column(pieces.schema.get_field_index(name), name, column)
        return pieces

    def _overlapping(self, first: int, count: int) -> Iterator[tuple[ShardFile, int, int]]:
        """Yield the shards with these sequences, and the first row and the number of rows in each."""
        number = bisect_right(self.shards, first, key=lambda shard: shard.first_sequence) - 1
        while count:
            shard = self.shards[number]
            begin = first - shard.first_sequence
            rows = min(count, shard.sequences - begin)
            yield shard, begin, rows
            first, count, number = first + rows, count - rows, number + 1

    def _read(self, shard: ShardFile, begin: int, rows: int) -> npt.NDArray[Any]:
        row_bytes = self.sequence_length * self.dtype.itemsize
        filesystem, path = storage.url_to_fs(storage.join_below(self.url, shard.path))
        data = filesystem.cat_file(path, start=begin * row_bytes, end=(begin + rows) * row_bytes)
        if len(data) != rows * row_bytes:
            raise InputError(f"shard {shard.path} in {self.url} is truncated: run the stage mix again")
        return np.frombuffer(data, self.dtype).reshape(rows, self.sequence_length)

    def _check_sizes(self, sequences: int) -> None:
        folders = {posixpath.dirname(shard.path) for shard in self.shards}
        sizes = {
            posixpath.join(folder, name): size
            for folder in folders
            for name, size in storage.listing(storage.join_below(self.url, folder)).items()
        }
        first = 0
        for shard in self.shards:
            wanted = shard.sequences * self.sequence_length * self.dtype.itemsize
            found = sizes.get(shard.path)
            if found != wanted:
                state = "is missing" if found is None else f"has {found} bytes instead of {wanted}"
                raise InputError(f"shard {shard.path} in {self.url} {state}: run the stage mix again")
            if shard.first_sequence != first:
                raise InputError(f"shard {shard.path} in {self.url} is out of sequence: run the stage mix again")
            first += shard.sequences
        if first != sequences:
            raise InputError(f"the shards in {self.url} have {first} of {sequences} sequences: run the stage mix again")

    def _check_hashes(self) -> None:
        for shard in self.shards:
            if storage.content_hash(storage.join_below(self.url, shard.path)) != shard.sha256:
                raise InputError(f"shard {shard.path} in {self.url} is corrupt (sha256): run the stage mix again")


def _shard_file(unit: Mapping[str, Any]) -> ShardFile:
    files = {entry["kind"]: entry for entry in unit["files"]}
    payload = files["shards"]
    return ShardFile(
        unit=unit["unit"],
        first_sequence=unit["facts"]["first_sequence"],
        sequences=unit["facts"]["sequences"],
        path=payload["path"],
        sha256=payload["sha256"],
        pieces_path=files["shard_index"]["path"],
    )
