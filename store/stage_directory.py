"""A stage's directory on disk: units, the files they wrote, their receipts, and the manifest that sums them.

::

    WORK/<stage>-<key>/
      receipts/<unit>.json     counts and files of one unit; written last, only where none is
      manifest.json            the receipts, sorted, and their sums
      <kind>/<unit>-<hash>.*   data files; a name holds the hash of its content

Two attempts at one unit write files of the same names and the same bytes, and one receipt wins. What no receipt names
is nobody's, and ``gristmill clean`` sweeps it. Nothing in here holds a time, a host or an absolute path.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts, total
from gristmill.store.keys import pretty

HASH_DIGITS = 16
PROGRESS = "progress"
_ATTEMPT = re.compile(rf"\.[0-9a-f]{{{HASH_DIGITS}}}\.json$")
ROW_GROUP_BYTES = 16 * 2**20
_BEAT_SECONDS = 1.0
_REMOTE_BEAT_SECONDS = 30.0  # a put has its price

T = TypeVar("T")


class FileEntry(NamedTuple):
    """A file that a receipt names: ``path`` below the stage's directory, ``rows`` of a table or tokens of a payload."""

    kind: str
    path: str
    rows: int
    bytes: int
    sha256: str


class Receipt(NamedTuple):
    """What one unit read and wrote."""

    unit: str
    input: Mapping[str, Any]
    counts: RecordCounts
    files: tuple[FileEntry, ...]
    summary: Mapping[str, Any]

    def file(self, kind: str) -> FileEntry:
        """The unit's one file of a kind; KeyError where there is none."""
        for entry in self.files:
            if entry.kind == kind:
                return entry
        raise KeyError(f"unit {self.unit} has no file of kind {kind!r}")

    def as_json(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "input": dict(self.input),
            "books": self.counts.as_json(),
            "files": [entry._asdict() for entry in self.files],
            "facts": dict(self.summary),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Receipt:
        files = tuple(FileEntry(**entry) for entry in data["files"])
        return cls(data["unit"], data["input"], RecordCounts.from_json(data["books"]), files, data["facts"])


SummarizeReceipts = Callable[[tuple[Receipt, ...]], Mapping[str, Any]]


class Manifest(NamedTuple):
    """The receipts of a stage's current units, sorted by unit, their sums, and the stage's own facts."""

    stage: str
    key: str
    receipts: tuple[Receipt, ...]
    summary: Mapping[str, Any]

    @property
    def counts(self) -> RecordCounts:
        return total(receipt.counts for receipt in self.receipts)

    def files(self, kind: str) -> list[FileEntry]:
        return [entry for receipt in self.receipts for entry in receipt.files if entry.kind == kind]

    def as_json(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "key": self.key,
            "books": self.counts.as_json(),
            "facts": dict(self.summary),
            "units": [receipt.as_json() for receipt in self.receipts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        return cls(data["stage"], data["key"], tuple(map(Receipt.from_json, data["units"])), data["facts"])


class StageDirectory(NamedTuple):
    """``WORK/<stage>-<key>``; strings only, so that it travels to workers as it is."""

    work: str
    stage: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.stage}-{self.key}"

    @property
    def url(self) -> str:
        return storage.join(self.work, self.name)

    @property
    def manifest_url(self) -> str:
        return storage.join(self.url, "manifest.json")

    def file_url(self, entry: FileEntry) -> str:
        return storage.join(self.url, entry.path)

    def completed_units(self) -> set[str]:
        """Units that have a receipt."""
        names = storage.listing(storage.join(self.url, "receipts"))
        return {name.removesuffix(".json") for name in names if name.endswith(".json")}

    def is_complete(self, unit: str) -> bool:
        """Whether a unit has a receipt, at this very moment."""
        return storage.exists(self._receipt_url(unit))

    def receipt(self, unit: str) -> Receipt:
        """A unit's receipt; raises RunError where it is damaged."""
        remedy = "delete it, and the same command does its unit again"
        return _parsed(Receipt.from_json, self._receipt_url(unit), remedy)

    def write_manifest(self, units: Iterable[str], summary: SummarizeReceipts) -> Manifest:
        """Sum the receipts of ``units`` into ``manifest.json``; ``facts`` says of them what belongs to the whole stage.

        Raises RunError where a unit has no receipt or its books, summed, do not balance.
        """
        wanted = sorted(units)
        if missing := sorted(set(wanted) - self.completed_units()):
            raise RunError(
                f"stage {self.stage}: {len(missing)} of {len(wanted)} units left no receipt, first {missing[0]}"
            )
        receipts = tuple(storage.threaded(self.receipt, wanted))
        for receipt in receipts:
            receipt.counts.require_balance(f"stage {self.stage}, unit {receipt.unit}")
        manifest = Manifest(self.stage, self.key, receipts, summary(receipts))
        data = pretty(manifest.as_json())
        if not storage.exists(self.manifest_url) or storage.read_bytes(self.manifest_url) != data:
            storage.replace(self.manifest_url, data)
        return manifest

    def read_manifest(self) -> Manifest:
        """The manifest; raises RunError where it is damaged."""
        return _parsed(Manifest.from_json, self.manifest_url, "run the recipe again, which writes it anew")

    @contextmanager
    def attempt(self, unit: str) -> Iterator[Attempt]:
        """One try at a unit: files are written beside the stage, and cleared away unless ``commit`` named them."""
        with storage.scratch(self.url) as folder:
            yield Attempt(self, unit, folder)

    def heartbeat(self, unit: str, documents: int, note: str = "", attempt: str = "") -> None:
        """Tell whoever watches how far an attempt at a unit is; feeds progress bars and nothing else."""
        storage.replace(self._beat_url(unit, attempt), pretty({"documents": documents, "note": note}))

    def heartbeats(self) -> dict[str, list[str]]:
        """The URLs of what attempts told last, by unit: those under way, and those that came to nothing."""
        folder = storage.join(self.url, PROGRESS)
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(storage.listing(folder)):
            found[name.split(".")[0]].append(storage.join(folder, name))
        return found

    def wasted_attempts(self) -> list[str]:
        """The URLs of what attempts told that left no receipt, since one that does takes its own away."""
        return [url for urls in self.heartbeats().values() for url in urls if _ATTEMPT.search(url)]

    def _beat_url(self, unit: str, attempt: str) -> str:
        return storage.join(self.url, PROGRESS, f"{unit}.{attempt}.json" if attempt else f"{unit}.json")

    def _receipt_url(self, unit: str) -> str:
        return storage.join(self.url, "receipts", f"{unit}.json")


class Attempt:
    """Files of one unit on their way: written to scratch, hashed, and named by ``commit``."""

    def __init__(self, stage: StageDirectory, unit: str, folder: Path) -> None:
        self.stage = stage
        self.unit = unit
        self._folder = folder
        self._sinks: list[TableSink | BytesSink] = []
        self._number = uuid.uuid4().hex[:HASH_DIGITS]
        self._documents = 0
        self._pause = _BEAT_SECONDS if storage.is_local(stage.work) else _REMOTE_BEAT_SECONDS
        self._heartbeat()

    def table(self, kind: str, schema: pa.Schema, suffix: str = ".parquet", beside: str | None = None) -> TableSink:
        """A zstd Parquet file of ``kind`` to write batches to, in a folder of its own or ``beside`` another kind."""
        sink = TableSink(kind, beside or kind, suffix, self._folder / f"{kind}{suffix}", schema)
        self._sinks.append(sink)
        return sink

    def payload(self, kind: str, suffix: str) -> BytesSink:
        """A headerless binary file of ``kind``."""
        sink = BytesSink(kind, kind, suffix, self._folder / f"{kind}{suffix}")
        self._sinks.append(sink)
        return sink

    def progress(self, documents: int) -> None:
        """``StageDirectory.beat``, now and then."""
        self._documents = documents
        if time.monotonic() - self._beaten > self._pause:
            self._heartbeat()

    def _heartbeat(self) -> None:
        self._beaten = time.monotonic()
        self.stage.heartbeat(self.unit, self._documents, attempt=self._number)

    def commit(
        self, input: Mapping[str, Any], counts: RecordCounts, summary: Mapping[str, Any] | None = None
    ) -> Receipt:
        """Name the files by content, then write the receipt. Another attempt's receipt, if it was first, stands.

        Raises RunError when the books do not balance; then nothing is named.
        """
        counts.require_balance(f"stage {self.stage.stage}, unit {self.unit}")
        files = tuple(self._name(sink) for sink in sorted(self._sinks, key=lambda sink: sink.kind))
        receipt = Receipt(self.unit, input, counts, files, summary or {})
        if storage.create(self.stage._receipt_url(self.unit), pretty(receipt.as_json())):
            storage.remove([self.stage._beat_url(self.unit, self._number)])
        else:
            self._heartbeat()
        return receipt

    def _name(self, sink: TableSink | BytesSink) -> FileEntry:
        rows = sink.close()
        digest = _file_hash(sink.path)
        path = f"{sink.folder}/{self.unit}-{digest[:HASH_DIGITS]}{sink.suffix}"
        storage.put_file(sink.path, storage.join(self.stage.url, path))
        return FileEntry(sink.kind, path, rows, sink.path.stat().st_size, digest)


class TableSink:
    """A Parquet file in the making. Row groups end where the writer of the data says so, never by time or memory."""

    def __init__(self, kind: str, folder: str, suffix: str, path: Path, schema: pa.Schema) -> None:
        self.kind, self.folder, self.suffix, self.path, self.schema = kind, folder, suffix, path, schema
        self.rows = 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append ``table`` as one row group."""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        self._writer.write_table(table.cast(self.schema), row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows

    def close(self) -> int:
        self._writer.close()
        return self.rows


class BytesSink:
    """A binary file in the making; ``rows`` counts whatever its caller counts (tokens)."""

    def __init__(self, kind: str, folder: str, suffix: str, path: Path) -> None:
        self.kind, self.folder, self.suffix, self.path = kind, folder, suffix, path
        self.rows = 0
        self._file = open(path, "wb")  # noqa: SIM115 - closed by `close`

    def write(self, data: Any, rows: int) -> None:
        self._file.write(data)
        self.rows += rows

    def close(self) -> int:
        self._file.close()
        return self.rows


def open_table(url: str) -> pq.ParquetFile:
    """A Parquet file that a receipt names; raises RunError where it is missing or damaged."""
    try:
        return pq.ParquetFile(storage.open_input(url))
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        folder, _, name = url.rpartition("/")
        receipt = storage.join(folder.rpartition("/")[0], "receipts", f"{name[: name.rindex('-')]}.json")
        raise RunError(
            f"{url} is missing or damaged: delete it and {receipt}, and the same command writes both again"
        ) from error


def _parsed(parse: Callable[[Mapping[str, Any]], T], url: str, remedy: str) -> T:
    data = storage.read_bytes(url)
    try:
        return parse(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{url} is damaged: {remedy}") from error


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        digest = sha256()
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
