"""The format ``parquet``: one document per row."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Failed
from gristmill.errors import InputError
from gristmill.transforms.read.row_items import drop_too_large, item_from_row, replace_surrogates
from gristmill.transforms.read.source_format import Coverage, Items, SourceFormat
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.stored_file import open_planned
from gristmill.transforms.read.unit_division import one_unit_per_file

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

_BATCH_ROWS = 256  # rows in memory at once
_DAMAGE = (pa.ArrowException, OSError, ValueError)


def read_parquet(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Items:
    """Yield the rows of a file in order. Coverage is in rows, or in bytes if the file is no Parquet at all.

    Raises InputError if a column is missing. Failures: unreadable (the file), corrupt (the rest of a row group),
    missing_text.
    """
    (file,) = unit.files
    fields = source.fields
    with open_planned(source.root, file) as opened:
        watched = _WatchedFile(opened)
        try:
            parquet = pq.ParquetFile(pa.PythonFile(watched, mode="r"))
            names = parquet.schema_arrow.names
        except _DAMAGE as error:
            watched.reraise()
            yield Failed(Origin(unit.source, file.path, 0, file.size), "unreadable", _one_line(error))
            return Coverage(file.size, file.size)
        for column in fields.columns():
            if column not in names:
                raise InputError(
                    f"{file.path} has no column {column!r}; set `fields` to columns among {', '.join(names)}"
                )
        row = 0
        for group in range(parquet.num_row_groups):
            end = row + parquet.metadata.row_group(group).num_rows
            detail = "fewer rows than the file announces"  # written to rejects
            try:
                for batch in parquet.iter_batches(_BATCH_ROWS, [group], fields.columns(), use_threads=False):
                    for values in batch.to_pylist():
                        item = item_from_row(Origin(unit.source, file.path, row, 1), values, fields)
                        yield drop_too_large(item, max_bytes)
                        row += 1
            except _DAMAGE as error:
                watched.reraise()
                detail = _one_line(error)
            if row < end:
                yield Failed(Origin(unit.source, file.path, row, end - row), "corrupt", detail)
                row = end
        return Coverage(row, parquet.metadata.num_rows)


def _one_line(error: Exception) -> str:
    return replace_surrogates(" ".join(str(error).split()))[:500]


class _WatchedFile:
    """A file that remembers an exception of its storage, since Arrow does not tell it from damaged data."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._failure: Exception | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        try:
            return self._file.read(size)
        except Exception as error:
            self._failure = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def reraise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


PARQUET = SourceFormat(
    name="parquet",
    description="one document per row",
    plan=one_unit_per_file,
    read=read_parquet,
    keys=frozenset({"fields"}),
    core_megabytes_per_second=0.5,
)
