"""An attempt at a unit: data files are written to a scratch folder, and ``commit`` publishes them with a receipt."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.heartbeats import Heartbeats, new_attempt_id
from gristmill.store.keys import pretty_json
from gristmill.store.receipts import FileEntry, Receipt

HASH_DIGITS = 16
"""Hex digits of a content hash in a file name."""

ROW_GROUP_BYTES = 16 * 2**20

_HEARTBEAT_SECONDS = 1.0
_REMOTE_HEARTBEAT_SECONDS = 30.0  # object stores charge for every put


class Attempt:
    """One attempt at a unit of the stage directory at ``stage_url``; ``folder`` is its scratch folder.

    Any number of attempts at a unit may run at the same time: their files have the same names and bytes, and the first
    receipt counts.
    """

    def __init__(self, stage_url: str, unit: str, folder: Path, receipt_url: str) -> None:
        self._stage_url = stage_url
        self._unit = unit
        self._folder = folder
        self._receipt_url = receipt_url
        self._sinks: list[TableSink | BytesSink] = []
        self._id = new_attempt_id()
        self._documents = 0
        self._interval = _HEARTBEAT_SECONDS if storage.is_local(stage_url) else _REMOTE_HEARTBEAT_SECONDS
        self._write_heartbeat()

    def table(self, kind: str, schema: pa.Schema, suffix: str = ".parquet", beside: str | None = None) -> TableSink:
        """Open a zstd Parquet file of ``kind``, in a folder of that name or in that of the kind ``beside``."""
        sink = TableSink(kind, beside or kind, suffix, self._folder / f"{kind}{suffix}", schema)
        self._sinks.append(sink)
        return sink

    def payload(self, kind: str, suffix: str) -> BytesSink:
        """Open a headerless binary file of ``kind``."""
        sink = BytesSink(kind, kind, suffix, self._folder / f"{kind}{suffix}")
        self._sinks.append(sink)
        return sink

    def progress(self, documents: int) -> None:
        """Report the number of documents processed so far; a heartbeat is written when the last one is old enough."""
        self._documents = documents
        if time.monotonic() - self._last_heartbeat > self._interval:
            self._write_heartbeat()

    def commit(
        self, input: Mapping[str, Any], counts: RecordCounts, summary: Mapping[str, Any] | None = None
    ) -> Receipt:
        """Publish the files under their content hashes, then create the receipt unless another attempt has done so.

        Raises RunError if ``counts`` do not balance; nothing is published then.
        """
        counts.require_balance(f"{self._stage_url}, unit {self._unit}")
        files = tuple(self._publish(sink) for sink in sorted(self._sinks, key=lambda sink: sink.kind))
        receipt = Receipt(self._unit, input, counts, files, summary or {})
        if storage.create(self._receipt_url, pretty_json(receipt.as_json())):
            Heartbeats(self._stage_url).remove(self._unit, self._id)
        else:
            self._write_heartbeat()
        return receipt

    def _publish(self, sink: TableSink | BytesSink) -> FileEntry:
        rows = sink.close()
        digest = sink.content_hash()
        path = f"{sink.folder}/{self._unit}-{digest[:HASH_DIGITS]}{sink.suffix}"
        storage.put_file(sink.path, storage.join(self._stage_url, path))
        return FileEntry(sink.kind, path, rows, sink.path.stat().st_size, digest)

    def _write_heartbeat(self) -> None:
        self._last_heartbeat = time.monotonic()
        Heartbeats(self._stage_url).write(self._unit, self._documents, attempt=self._id)


class TableSink:
    """A Parquet file that is being written. Each ``write`` makes a row group, so equal calls give equal bytes."""

    def __init__(self, kind: str, folder: str, suffix: str, path: Path, schema: pa.Schema) -> None:
        self.kind, self.folder, self.suffix, self.path, self.schema = kind, folder, suffix, path, schema
        self.rows = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append ``table`` as one row group."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        if table.schema != self.schema:
            table = table.cast(self.schema)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows

    def close(self) -> int:
        """Close the file and return the number of rows."""
        self._writer.close()
        return self.rows

    def content_hash(self) -> str:
        """Return the sha256 of the closed file, in hex."""
        return storage.content_hash(str(self.path))


class BytesSink:
    """A binary file that is being written; the caller says what counts as a row (a token)."""

    def __init__(self, kind: str, folder: str, suffix: str, path: Path) -> None:
        self.kind, self.folder, self.suffix, self.path = kind, folder, suffix, path
        self.rows = 0
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`
        self._digest = sha256()

    def write(self, data: Any, rows: int) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.rows += rows

    def close(self) -> int:
        """Close the file and return the number of rows."""
        self._file.close()
        return self.rows

    def content_hash(self) -> str:
        """Return the sha256 of what was written, in hex."""
        return self._digest.hexdigest()
