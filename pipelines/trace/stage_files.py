"""The files of a work directory's current stages, and reading single rows of them.

A lookup reads columns of ids and the row groups that hold what it found, never the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.arrays import Int64s
from gristmill.pipelines.work_directory import current
from gristmill.store import storage
from gristmill.store.receipts import FileEntry, Manifest, Receipt
from gristmill.store.stage_directory import StageDirectory, open_table

T = TypeVar("T")
U = TypeVar("U")

Row = dict[str, Any]


class StageFiles(NamedTuple):
    """A stage's directory and manifest, and its receipts by the unit of ``extract`` whose documents they describe."""

    directory: StageDirectory
    manifest: Manifest
    by_document: Mapping[str, Receipt]

    def name(self, entry: FileEntry) -> str:
        """The path of a file below the work directory."""
        return f"{self.directory.name}/{entry.path}"

    def rows(self, entry: FileEntry, rows: Int64s, without: str | None = None) -> list[Row]:
        """Return ``rows``, which are sorted, of a table, without the column ``without``."""
        with open_file(self.directory.file_url(entry)) as file:
            columns = [name for name in file.schema_arrow.names if name != without]
            sizes = np.array(
                [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)], np.int64
            )
            ends = np.cumsum(sizes)
            groups, place = np.unique(np.searchsorted(ends, rows, side="right"), return_inverse=True)
            before = np.cumsum(sizes[groups]) - sizes[groups]
            within = rows - (ends - sizes)[groups][place] + before[place]
            return read_columns(file, groups.tolist(), columns).take(within).to_pylist()  # type: ignore[no-any-return]


def open_stages(work: str, names: Sequence[str]) -> dict[str, StageFiles]:
    """The stages among ``names`` that have run in ``work``. Raises InputError if it is not a work directory."""
    stages = {}
    for name, directory in current(work).items():
        if name in names:
            manifest = directory.read_manifest()
            stages[name] = StageFiles(directory, manifest, manifest.by_document())
    return stages


def open_file(url: str) -> pq.ParquetFile:
    """Open a Parquet file; a local one without a Python object for Arrow to call. Raises RunError as ``open_table``."""
    if storage.is_local(url):
        with suppress(OSError, pa.ArrowInvalid):
            return pq.ParquetFile(storage.url_to_fs(url)[1])
    return open_table(url)


def read_columns(file: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
    """Return columns of row groups, by default all.

    Arrow's own threads are not used: one that still holds a Python object when the command ends aborts it.
    """
    return file.read_row_groups(groups, columns, use_threads=False)


def map_files(url: str, function: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """Call ``function``, which reads files below ``url``, for each item: at the same time if they are remote.

    Local files are read in less time than threads need to take turns.
    """
    return list(map(function, items)) if storage.is_local(url) else storage.map_in_threads(function, items)
