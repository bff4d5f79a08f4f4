"""A stage's directory on disk: its units' data files and receipts, and the manifest that sums the receipts.

::

    WORK/<stage>-<key>/
      receipts/<unit>.json     counts and files of one unit; written last, and only if there is none yet
      manifest.json            the receipts, sorted, and their sums
      key.json                 what the key is made of, written when the stage starts
      progress/                heartbeats of attempts, while the stage runs
      <kind>/<unit>-<hash>.*   data files; a name contains the hash of the content

Two attempts at one unit write files with the same names and the same bytes, and the first receipt counts. Files that no
receipt references are orphans: ``gristmill clean`` removes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.heartbeats import Heartbeats
from gristmill.store.keys import pretty_json
from gristmill.store.receipts import FileEntry, Manifest, Receipt, SummarizeReceipts

T = TypeVar("T")


class StageDirectory(NamedTuple):
    """``WORK/<stage>-<key>``. It holds strings only, so workers can receive it as it is."""

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

    @property
    def heartbeats(self) -> Heartbeats:
        return Heartbeats(self.url)

    def file_url(self, entry: FileEntry) -> str:
        """The URL of a file. Raises InputError if its path leads out of the directory: receipts may be from others."""
        return storage.join_below(self.url, entry.path)

    def completed_units(self) -> set[str]:
        """The units that have a receipt."""
        names = storage.listing(storage.join(self.url, "receipts"))
        return {name.removesuffix(".json") for name in names if name.endswith(".json")}

    def is_complete(self, unit: str) -> bool:
        """Whether a unit has a receipt now; nothing is cached."""
        return storage.exists(self._receipt_url(unit))

    def receipt(self, unit: str) -> Receipt:
        """A unit's receipt. Raises RunError if it is damaged."""
        remedy = "delete it, then run the same command again to redo its unit"
        return _parse(Receipt.from_json, self._receipt_url(unit), remedy)

    def write_manifest(self, units: Iterable[str], summary: SummarizeReceipts) -> Manifest:
        """Write ``manifest.json`` from the receipts of ``units``; ``summary`` computes the stage's summary from them.

        Raises RunError if a unit has no receipt or its counts do not balance.
        """
        expected = sorted(units)
        if missing := sorted(set(expected) - self.completed_units()):
            raise RunError(
                f"stage {self.stage}: {len(missing)} of {len(expected)} units have no receipt, first {missing[0]}"
            )
        receipts = tuple(storage.map_in_threads(self.receipt, expected))
        for receipt in receipts:
            receipt.counts.require_balance(f"stage {self.stage}, unit {receipt.unit}")
        manifest = Manifest(self.stage, self.key, receipts, summary(receipts))
        data = pretty_json(manifest.as_json())
        if not storage.exists(self.manifest_url) or storage.read_bytes(self.manifest_url) != data:
            storage.replace(self.manifest_url, data)
        return manifest

    def read_manifest(self) -> Manifest:
        """The manifest. Raises RunError if it is damaged."""
        return _parse(Manifest.from_json, self.manifest_url, "run the recipe again to rewrite it")

    @contextmanager
    def attempt(self, unit: str) -> Iterator[Attempt]:
        """Start an attempt at a unit. Files that ``commit`` has not published are deleted at the end."""
        with storage.scratch(self.url) as folder:
            yield Attempt(self.url, unit, folder, self._receipt_url(unit))

    def _receipt_url(self, unit: str) -> str:
        return storage.join(self.url, "receipts", f"{unit}.json")


def open_table(url: str) -> pq.ParquetFile:
    """Open a Parquet file that a receipt references. Raises RunError if it is missing or damaged."""
    try:
        return pq.ParquetFile(storage.open_input(url))
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        folder, _, name = url.rpartition("/")
        receipt = storage.join(folder.rpartition("/")[0], "receipts", f"{name[: name.rindex('-')]}.json")
        raise RunError(
            f"{url} is missing or damaged: delete it and {receipt}, then run the same command again to write both"
        ) from error


def _parse(parse: Callable[[Mapping[str, Any]], T], url: str, remedy: str) -> T:
    data = storage.read_bytes(url)
    try:
        return parse(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{url} is damaged: {remedy}") from error
